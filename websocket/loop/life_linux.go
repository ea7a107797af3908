// The life of a connection on its event loop, from its first round to its last.

package loop

import (
	"net"

	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/epoll"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
)

// attend does what a connection was woken for.
func (l *loop) attend(c *Conn) {
	c.mu.Lock()
	c.queued = false
	resumed, drained := c.resumed, c.drained
	c.resumed = false
	ended := c.at() >= stateLingering && c.err != nil
	if ended && c.detaching() != nil { // it has ended before it could be detached
		c.rare().detach, resumed = nil, true
	}
	c.mu.Unlock()
	if !c.place.joined && !c.place.left {
		l.join(c)
	}
	if resumed {
		c.pausing.Store(false)
		l.resume(c)
	}
	if c.blocked == 0 && c.at() != stateGone {
		l.flush(c)
	}
	if drained {
		l.current.Store(c)
		c.tellDrained()
		l.current.Store(nil)
	}
	if c.detaching() != nil && c.at() == stateOpen {
		if c.blocked == 0 {
			l.detach(c)
		}
		return
	}
	if ended {
		l.tell(c)
	}
	switch c.at() {
	case stateClosing:
		l.wheel.Sooner(c, wheel.Ticks(l.server.set.Close))
	case stateLingering:
		l.linger(c)
	case stateGone:
		l.leave(c)
	}
	if c.rare() != nil && c.due.In() { // what Dropped was not told of is told at the next look
		c.mu.Lock()
		untold := c.hasUntold()
		c.mu.Unlock()
		if untold {
			l.wheel.Sooner(c, 1)
		}
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
	c.place.index, c.place.joined, c.place.armed = index, true, epoll.In|epoll.HungUp
	l.wheel.Add(c, 1)
	if err := l.poll.Add(c.place.fd, uint32(c.place.armed), l.dataOf(c)); err != nil {
		c.lost(err)
	}
	l.current.Store(c)
	c.guard(func() { l.server.handler.Open(c) })
	l.current.Store(nil)
	l.resume(c)
}

// resume delivers what came while the handler had paused the connection.
func (l *loop) resume(c *Conn) {
	if r := c.rare(); r != nil {
		rest := r.rest
		r.rest = nil
		l.current.Store(c)
		if len(rest) > 0 {
			if left := c.receive(rest); len(left) > 0 && c.at() <= stateClosing { // the end of what is ours already
				r.rest = left
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
	if !c.closeCalled && !c.pausing.Load() {
		c.closeCalled = true
		l.current.Store(c)
		c.callClose()
		l.current.Store(nil)
	}
}

// linger closes our direction once the last words are out.
func (l *loop) linger(c *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.Empty() && !c.halfClosed && !l.encryptedWaits(c) {
		c.halfClosed = true
		epoll.CloseWrite(c.place.fd)
	}
	l.wheel.Sooner(c, wheel.Ticks(lingering))
}

// leave closes the line and forgets the connection.
func (l *loop) leave(c *Conn) {
	if c.place.left || !c.closeCalled && c.pausing.Load() {
		return // the handler's function has still to return before Close can be called
	}
	l.tell(c)
	c.place.left = true
	if c.place.joined {
		l.forget(c)
	}
	c.mu.Lock()
	fd := c.place.fd
	c.place.fd = -1
	c.blocked = 0
	c.recount()
	c.out.Clear(false)
	c.messages.Release()
	c.mu.Unlock()
	epoll.Close(fd)
	l.server.stats.gone.Add(1)
}

// forget takes the connection out of the loop.
func (l *loop) forget(c *Conn) {
	l.wheel.Remove(c)
	l.conns[c.place.index] = nil
	l.gens[c.place.index]++
	l.free = append(l.free, c.place.index)
	c.place.joined = false
}

// detach hands a connection, whose outbox is empty, to a goroutine of its own.
func (l *loop) detach(c *Conn) {
	c.mu.Lock()
	if !c.out.Empty() { // somebody was quick, and has woken the loop for it
		c.mu.Unlock()
		return
	}
	c.state.Store(uint32(stateGone))
	fd, r, serve := c.place.fd, c.rare(), c.rare().detach
	c.place.fd = -1
	c.extras.Store(nil)
	c.place.left = true
	c.mu.Unlock()
	l.poll.Remove(fd)
	l.forget(c)
	l.server.working.Go(func() {
		defer l.server.stats.gone.Add(1)
		nc, err := epoll.Give(fd)
		if err != nil {
			c.notDetached(err)
			return
		}
		if r.tls != nil {
			nc = r.tls.GiveBack(nc)
		}
		c.goOn(&bridge.Upgraded{NetConn: nc, Early: r.rest}, serve)
	})
}

func (l *loop) remoteAddr(c *Conn) net.Addr {
	address := c.addr(epoll.RemoteAddr)
	if r := c.rare(); address != nil && r != nil && r.remote != nil {
		return r.remote
	}
	return address
}

func (l *loop) localAddr(c *Conn) net.Addr { return c.addr(epoll.LocalAddr) }

// addr asks the kernel: an idle connection keeps no addresses.
func (c *Conn) addr(of func(int32) net.Addr) net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.place.fd < 0 {
		return nil
	}
	return of(c.place.fd)
}
