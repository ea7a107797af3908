// The loop's part in TLS: ciphertext in, ciphertext out.

package loop

import (
	"errors"
	"io"
)

// decrypt hands in to crypto/tls and what comes out of it to the handler. l.current is c.
func (l *loop) decrypt(c *Conn, in []byte) {
	s := c.aside.shim
	s.in = append(s.in, in...) // empty but for a paused connection; crypto/tls takes all there is
	for !c.pausing.Load() && c.at() != stateGone {
		if l.plain == nil {
			l.plain = make([]byte, readSize)
		}
		n, err := c.aside.tls.Read(l.plain)
		if n > 0 {
			l.keep(c, c.receive(l.plain[:n]))
		}
		if _, again := errors.AsType[errAgain](err); again {
			break
		}
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF
			}
			if s.in = nil; c.at() != stateLingering { // then the peer may still read our last words
				c.lost(err)
			}
			break
		}
	}
	if len(s.in) == 0 {
		s.in = nil
	}
	if len(s.out) > 0 && c.moved == 0 { // crypto/tls answered for itself: an alert, a key update
		l.flush(c)
	}
}

// flushSecure is flush through crypto/tls. What is encrypted cannot be dropped any more, so no more is than the next write
// takes.
func (l *loop) flushSecure(c *Conn) {
	s := c.aside.shim
	for {
		if len(s.out) == 0 {
			b := l.encoder.next(c)
			if b == nil {
				l.sayGoodbye(c)
				if len(s.out) == 0 {
					s.out = nil // an idle connection keeps no buffer
					return
				}
			} else {
				_, err := c.aside.tls.Write(b)
				l.encoder.done(c, nil)
				if err != nil {
					c.lost(err)
					return
				}
			}
		}
		rest, err := l.write(c, s.out)
		if err != nil {
			c.lost(err)
			return
		}
		if len(rest) > 0 {
			s.out = s.out[:copy(s.out, rest)]
			l.block(c)
			return
		}
		s.out = s.out[:0]
	}
}

// sayGoodbye has crypto/tls tell the peer that no more will come, once our last words are out.
func (l *loop) sayGoodbye(c *Conn) {
	if c.at() == stateLingering && !c.shut {
		c.aside.tls.CloseWrite() // the line is there; a second call does nothing
	}
}

// encryptedWaits reports whether ciphertext has still to be sent.
func (l *loop) encryptedWaits(c *Conn) bool { return c.secure() && len(c.aside.shim.out) > 0 }
