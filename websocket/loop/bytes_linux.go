// Bytes between the event loop and the sockets: what waits for one connection leaves in as few system calls as can be, and
// TLS is decrypted and encrypted on the way.

package loop

import (
	"github.com/ringdown/ringdown/websocket/internal/epoll"
	"github.com/ringdown/ringdown/websocket/internal/tlsshim"
	"golang.org/x/sys/unix"
)

// flush writes what waits for c, until the socket takes no more or nothing is left.
func (l *loop) flush(c *Conn) {
	if c.secure() {
		l.flushSecure(c)
		return
	}
	for {
		b := c.encode(&l.encoder)
		if b == nil {
			return
		}
		rest, err := l.write(c, b)
		c.written(&l.encoder, rest)
		if err != nil {
			c.lost(err)
			return
		}
		if len(rest) > 0 {
			l.block(c)
			return
		}
	}
}

// write writes b as far as the socket takes it.
func (l *loop) write(c *Conn, b []byte) (rest []byte, err error) {
	for len(b) > 0 {
		n, errno := epoll.Write(c.place.fd, b)
		switch errno {
		case 0:
			b = b[n:]
			l.server.stats.wrote(n)
		case unix.EAGAIN:
			return b, nil
		case unix.EINTR:
		default:
			return nil, errno
		}
	}
	return nil, nil
}

// block has the loop wait until the socket takes more.
func (l *loop) block(c *Conn) {
	c.mu.Lock()
	c.blocked = l.server.now()
	if c.secure() {
		c.out.SetLeaving(len(c.rare().tls.Out()))
	}
	c.recount()
	c.mu.Unlock()
	l.arm(c)
	l.wheel.Sooner(c, 1)
}

// writable goes on where the socket was full.
func (l *loop) writable(c *Conn) {
	c.mu.Lock()
	c.blocked = 0
	c.recount()
	c.mu.Unlock()
	l.flush(c)
	if c.blocked != 0 {
		return
	}
	l.arm(c)
	switch {
	case c.at() == stateLingering:
		l.linger(c)
	case c.detaching() != nil && c.at() == stateOpen:
		l.detach(c)
	}
}

// decrypt hands in to crypto/tls and what comes out of it to the handler. l.current is c.
func (l *loop) decrypt(c *Conn, in []byte) {
	s := c.rare().tls
	s.Receive(in)
	for !c.pausing.Load() && c.at() != stateGone {
		if l.plain == nil {
			l.plain = make([]byte, readSize)
		}
		n, err := s.Decrypt(l.plain)
		if n > 0 {
			l.hold(c, c.receive(l.plain[:n]))
		}
		if err == tlsshim.Again {
			break
		}
		if err != nil {
			s.Discard()
			if c.at() != stateLingering { // then the peer may still read our last words
				c.lost(err)
			}
			break
		}
	}
	if len(s.Out()) > 0 && c.blocked == 0 { // crypto/tls answered for itself: an alert, a key update
		l.flush(c)
	}
}

// flushSecure is flush through crypto/tls. What is encrypted cannot be dropped any more, so no more is than the next write
// takes.
func (l *loop) flushSecure(c *Conn) {
	s := c.rare().tls
	for {
		if len(s.Out()) == 0 && !l.encrypt(c) {
			s.Idle()
			return
		}
		rest, err := l.write(c, s.Out())
		if err != nil {
			c.lost(err)
			return
		}
		s.Sent(rest)
		if len(rest) > 0 {
			l.block(c)
			return
		}
	}
}

// encrypt encrypts what goes out in the next write, and reports whether there is anything. Behind our last words crypto/tls
// tells the peer that no more will come.
func (l *loop) encrypt(c *Conn) bool {
	s := c.rare().tls
	if b := c.encode(&l.encoder); b != nil {
		err := s.Encrypt(b)
		c.written(&l.encoder, nil)
		if err != nil {
			c.lost(err)
			return false
		}
	} else if c.at() == stateLingering && !c.halfClosed {
		s.CloseWrite()
	}
	return len(s.Out()) > 0
}

// encryptedWaits reports whether ciphertext has still to be sent.
func (l *loop) encryptedWaits(c *Conn) bool { return c.secure() && len(c.rare().tls.Out()) > 0 }
