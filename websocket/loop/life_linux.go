// The life of a connection on its event loop, from its first round to its last.

package loop

import (
	"net"
	"os"

	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"golang.org/x/sys/unix"
)

// attend does what a connection was woken for.
func (l *loop) attend(c *Conn) {
	c.mu.Lock()
	c.queued = false
	resumed, drained := c.resumed, c.drained
	c.resumed = false
	ended := c.at() >= stateLingering && c.err != nil
	if ended && c.detaching() != nil { // it has ended before it could be detached
		c.aside.detach, resumed = nil, true
	}
	c.mu.Unlock()
	if !c.place.joined && !c.left {
		l.join(c)
	}
	if resumed {
		c.pausing.Store(false)
		l.resume(c)
	}
	if c.moved == 0 && c.at() != stateGone {
		l.flush(c)
	}
	if drained {
		l.current.Store(c)
		c.tellDrained()
		l.current.Store(nil)
	}
	if c.detaching() != nil && c.at() == stateOpen {
		if c.moved == 0 {
			l.detach(c)
		}
		return
	}
	if ended {
		l.tell(c)
	}
	switch c.at() {
	case stateClosing:
		l.wheel.sooner(c, ticks(l.server.set.Close))
	case stateLingering:
		l.linger(c)
	case stateGone:
		l.leave(c)
	}
}

// join makes a new connection part of the loop.
func (l *loop) join(c *Conn) {
	var index uint32
	if n := len(l.free); n > 0 {
		index, l.free = l.free[n-1], l.free[:n-1]
	} else {
		index = uint32(len(l.conns))
		l.conns, l.gens = append(l.conns, nil), append(l.gens, 0)
	}
	l.conns[index] = c
	c.place.index, c.place.joined, c.place.armed = index, true, unix.EPOLLIN|unix.EPOLLRDHUP
	l.wheel.add(c, 1)
	ev := eventOf(uint32(c.place.armed), uint64(index)|uint64(l.gens[index])<<32)
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, int(c.place.fd), &ev); err != nil {
		c.lost(err)
	}
	l.current.Store(c)
	l.server.handler.Open(c)
	l.current.Store(nil)
	l.resume(c)
}

// resume delivers what came while the handler had paused the connection.
func (l *loop) resume(c *Conn) {
	if a := c.aside; a != nil {
		rest := a.rest
		a.rest = nil
		l.current.Store(c)
		if len(rest) > 0 {
			if left := c.receive(rest); len(left) > 0 && c.at() <= stateClosing { // the end of what is ours already
				a.rest = left
			}
		}
		if c.secure() && !c.pausing.Load() {
			l.decrypt(c, nil)
		}
		l.current.Store(nil)
	}
	l.arm(c)
}

// tell calls the handler's Close, once.
func (l *loop) tell(c *Conn) {
	if !c.told && !c.pausing.Load() {
		c.told = true
		l.current.Store(c)
		l.server.handler.Close(c, c.Err())
		l.current.Store(nil)
	}
}

// linger closes our direction once the last words are out.
func (l *loop) linger(c *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.empty() && !c.shut && !l.encryptedWaits(c) {
		c.shut = true
		unix.Shutdown(int(c.place.fd), unix.SHUT_WR)
	}
	l.wheel.sooner(c, ticks(lingering))
}

// leave closes the line and forgets the connection.
func (l *loop) leave(c *Conn) {
	if c.left || !c.told && c.pausing.Load() {
		return // the handler's function has still to return before Close can be called
	}
	l.tell(c)
	c.left = true
	if c.place.joined {
		l.forget(c)
	}
	c.mu.Lock()
	fd := c.place.fd
	c.place.fd = -1
	c.out.clear(false)
	c.messages.Release()
	c.mu.Unlock()
	unix.Close(int(fd))
	l.server.stats.gone.Add(1)
}

// forget takes the connection out of the loop.
func (l *loop) forget(c *Conn) {
	l.wheel.remove(c)
	l.conns[c.place.index] = nil
	l.gens[c.place.index]++
	l.free = append(l.free, c.place.index)
	c.place.joined = false
}

// detach hands a connection, whose outbox is empty, to a goroutine of its own.
func (l *loop) detach(c *Conn) {
	c.mu.Lock()
	if !c.out.empty() { // somebody was quick, and has woken the loop for it
		c.mu.Unlock()
		return
	}
	c.state.Store(uint32(stateGone))
	fd, a, serve := int(c.place.fd), c.aside, c.aside.detach
	c.place.fd, c.aside = -1, nil
	c.left = true
	c.mu.Unlock()
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil)
	l.forget(c)
	file := os.NewFile(uintptr(fd), "")
	l.server.working.Go(func() {
		defer l.server.stats.gone.Add(1)
		nc, err := net.FileConn(file) // a duplicate, in Go's poller
		file.Close()
		if err != nil {
			c.notDetached(err)
			return
		}
		if a.tls != nil {
			a.shim.Conn, a.shim.looped = nc, false
			nc = a.tls
		}
		c.goOn(&bridge.Upgraded{NetConn: nc, Early: a.rest}, serve)
	})
}

func (l *loop) remoteAddr(c *Conn) net.Addr { return c.addr(unix.Getpeername) }
func (l *loop) localAddr(c *Conn) net.Addr  { return c.addr(unix.Getsockname) }

// addr asks the kernel: an idle connection keeps no addresses.
func (c *Conn) addr(name func(int) (unix.Sockaddr, error)) net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.place.fd < 0 {
		return nil
	}
	sa, err := name(int(c.place.fd))
	if err != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}
