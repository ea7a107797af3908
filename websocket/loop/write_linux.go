// Writing from the event loop: what waits for one connection leaves in as few system calls as can be.

package loop

import "golang.org/x/sys/unix"

// flush writes what waits for c, until the socket takes no more or nothing is left.
func (l *loop) flush(c *Conn) {
	if c.secure() {
		l.flushSecure(c)
		return
	}
	for {
		b := l.encoder.next(c)
		if b == nil {
			return
		}
		rest, err := l.write(c, b)
		l.encoder.done(c, rest)
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
		n, errno := sysWrite(c.place.fd, b)
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
	c.moved = l.server.now()
	if c.secure() {
		c.out.leaving = int32(len(c.aside.shim.out))
	}
	c.count()
	c.mu.Unlock()
	l.arm(c)
	l.wheel.sooner(c, 1)
}

// writable goes on where the socket was full.
func (l *loop) writable(c *Conn) {
	c.mu.Lock()
	c.moved = 0
	c.mu.Unlock()
	l.flush(c)
	if c.moved != 0 {
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
