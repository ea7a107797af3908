// Connections with goroutines of their own, for what the event loop cannot take: other systems than Linux, and TLS that was
// not set up for it. They behave as those on the loop do; they take more memory.

package loop

import (
	"context"
	"net"
	"sync"

	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/line"
)

// hearts are the connections of a server that have goroutines of their own, and their wheel.
type hearts struct {
	server *Server

	mu    sync.Mutex // guards what follows
	all   map[*heart]struct{}
	wheel wheel
}

// heart drives one connection: a goroutine reads and calls the handler, another writes while there is something to write.
type heart struct {
	owner *hearts
	conn  Conn
	line  line.Line
	early []byte
	work  chan struct{} // 1 if a paused reader should look again

	writing bool // a goroutine is writing; under the connection's lock
	again   bool // and shall look again before it ends; under the connection's lock
	once    sync.Once
}

func newHearts(s *Server) *hearts {
	return &hearts{server: s, all: make(map[*heart]struct{}), wheel: wheel{now: s.now()}}
}

func (hs *hearts) adopt(u *bridge.Upgraded, ready func(*Conn)) {
	h := &heart{owner: hs, early: u.Early, work: make(chan struct{}, 1)}
	h.line.Init(u.NetConn)
	h.conn.init(hs.server, h, u)
	if ready != nil {
		ready(&h.conn)
	}
	hs.mu.Lock()
	hs.all[h] = struct{}{}
	hs.wheel.add(&h.conn, 1)
	hs.mu.Unlock()
	go h.read()
}

func (hs *hearts) each(f func(*Conn)) {
	hs.mu.Lock()
	all := make([]*heart, 0, len(hs.all))
	for h := range hs.all {
		all = append(all, h)
	}
	hs.mu.Unlock()
	for _, h := range all {
		f(&h.conn)
	}
}

func (hs *hearts) tick(now tick) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.wheel.advance(now, func(c *Conn) (tick, bool) { return c.look(now) })
}

// read is the connection's own goroutine: it reads, and calls the handler from Open to Close.
func (h *heart) read() {
	c := &h.conn
	c.server.handler.Open(c)
	in, err := h.early, error(nil)
	for {
		for len(in) > 0 || c.pausing.Load() {
			if c.pausing.Load() {
				<-h.work
				if c.detaching() != nil && h.quiet() {
					h.detach(in)
					return
				}
				continue
			}
			in = c.receive(in)
			if c.at() >= stateLingering {
				break
			}
		}
		if c.at() == stateGone || err != nil {
			break
		}
		if c.at() == stateLingering {
			h.tell()
		}
		if in, err = h.line.Read(context.Background()); err != nil {
			c.lost(err)
		}
	}
	h.leave()
}

// quiet reports whether an open connection has nothing left to write.
func (h *heart) quiet() bool {
	c := &h.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at() == stateOpen && c.out.empty() && !h.writing
}

// detach goes on with the connection as a blocking one, on this goroutine.
func (h *heart) detach(in []byte) {
	c := &h.conn
	in = append([]byte(nil), in...)
	c.mu.Lock()
	c.state.Store(uint32(stateGone))
	serve := c.place.detach
	c.mu.Unlock()
	h.forget()
	defer h.owner.server.stats.gone.Add(1)
	c.goOn(&bridge.Upgraded{NetConn: h.line.NetConn(), Early: in}, serve)
}

// tell calls the handler's Close, once.
func (h *heart) tell() {
	h.once.Do(func() { h.conn.server.handler.Close(&h.conn, h.conn.Err()) })
}

func (h *heart) leave() {
	h.line.Close()
	h.line.Release()
	h.tell()
	h.forget()
	h.owner.server.stats.gone.Add(1)
}

// forget takes the connection out of the server.
func (h *heart) forget() {
	hs := h.owner
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.wheel.remove(&h.conn)
	delete(hs.all, h)
}

// wake implements driver. It is called under the connection's lock.
func (h *heart) wake(c *Conn) {
	c.queued = false // here the two flags below say it
	if c.resumed {
		c.resumed = false
		c.pausing.Store(false)
	}
	h.nudge()
	if h.writing {
		h.again = true
		if c.at() == stateGone {
			go h.line.Close() // the writer may be stuck
		}
		return
	}
	h.writing = true
	go h.write()
}

// nudge has a paused reader look again.
func (h *heart) nudge() {
	select {
	case h.work <- struct{}{}:
	default:
	}
}

// write writes what waits, and ends when nothing does.
func (h *heart) write() {
	c := &h.conn
	var e encoder
	for {
		for {
			c.mu.Lock()
			c.moved = c.server.now()
			c.mu.Unlock()
			b := e.next(c)
			if b == nil {
				break
			}
			n, err := h.line.Write(context.Background(), b)
			e.done(c, nil)
			c.server.stats.wrote(n)
			if err != nil {
				c.lost(err)
			}
		}
		c.mu.Lock()
		c.moved = 0
		h.end(c)
		if !h.again {
			h.writing = false
			h.nudge()
			c.mu.Unlock()
			h.hurry()
			return
		}
		h.again = false
		c.mu.Unlock()
	}
}

// hurry has the connection looked at in time for the end of its closing handshake, or of its last words.
func (h *heart) hurry() {
	c, hs := &h.conn, h.owner
	limit := lingering
	switch c.at() {
	case stateClosing:
		limit = c.server.set.Close
	case stateLingering:
	default:
		return
	}
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if _, here := hs.all[h]; here {
		hs.wheel.sooner(c, ticks(limit))
	}
}

// end does to the line what the connection's end asks for. Called under the lock, with nothing left to write.
func (h *heart) end(c *Conn) {
	switch {
	case c.at() == stateGone:
		h.line.Close()
	case c.at() == stateLingering && !c.shut:
		c.shut = true
		line.CloseWrite(h.line.NetConn())
	}
}

func (h *heart) remoteAddr(*Conn) net.Addr { return h.line.NetConn().RemoteAddr() }
func (h *heart) localAddr(*Conn) net.Addr  { return h.line.NetConn().LocalAddr() }
