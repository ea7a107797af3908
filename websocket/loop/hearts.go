// Connections with goroutines of their own, for what the event loop cannot take: other systems than Linux, and TLS that was
// not set up for it. They behave as those on the loop do; they take more memory.

package loop

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/line"
)

// hearts are the connections of a server that have goroutines of their own, and their wheel.
type hearts struct {
	server *Server
	every  tick // each connection is looked at as often as this: nobody tells the wheel of writes that wait and of endings

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
	every := lingering
	for _, limit := range []time.Duration{s.set.Close, s.set.Write, s.opts.Outbox.Age} {
		if limit > 0 {
			every = min(every, limit)
		}
	}
	return &hearts{server: s, every: ticks(every), all: make(map[*heart]struct{}), wheel: wheel{now: s.now()}}
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
	hs.wheel.advance(now, func(c *Conn) (tick, bool) {
		again, ok := c.look(now)
		return min(again, hs.every), ok
	})
}

// read is the connection's own goroutine: it reads, and calls the handler from Open to Close.
func (h *heart) read() {
	c := &h.conn
	c.server.handler.Open(c)
	in, err := h.early, error(nil)
	for {
		for len(in) > 0 || c.pausing.Load() {
			if c.pausing.Load() {
				if h.pause() {
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
		if c.tellDrained() {
			continue // it may have paused the connection
		}
		in, err = h.line.Read(context.Background())
		if h.roused(err) {
			err = nil
		} else if err != nil {
			h.awaitLastWords()
			c.lost(err)
		}
	}
	h.leave()
}

// rouse has the reader look up, if it waits for the peer: the handler's Close is due.
func (h *heart) rouse() { h.line.NetConn().SetReadDeadline(time.Unix(1, 0)) }

// roused reports whether an error of reading is only the work of rouse.
func (h *heart) roused(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && h.line.NetConn().SetReadDeadline(time.Time{}) == nil
}

// pause waits for news about a paused connection, and ends the pause if that is what they are. It reports whether the
// connection is detached now.
func (h *heart) pause() (detached bool) {
	<-h.work
	c := &h.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.detaching() == nil:
		c.pausing.Store(!c.resumed)
		c.resumed = false
	case c.at() != stateOpen: // it has ended before it could be detached
		c.aside.detach = nil
		c.pausing.Store(false)
	case c.out.empty() && !h.writing:
		c.state.Store(uint32(stateGone))
		return true
	}
	return false
}

// awaitLastWords waits, after the peer has closed its direction, until it has been told what there was to say.
func (h *heart) awaitLastWords() {
	c := &h.conn
	for c.at() == stateLingering {
		c.mu.Lock()
		writing := h.writing
		c.mu.Unlock()
		if !writing {
			return
		}
		<-h.work
	}
}

// detach goes on with the connection as a blocking one, on this goroutine.
func (h *heart) detach(in []byte) {
	c := &h.conn
	in = append([]byte(nil), in...)
	h.forget()
	defer h.owner.server.stats.gone.Add(1)
	c.goOn(&bridge.Upgraded{NetConn: h.line.NetConn(), Early: in}, c.aside.detach)
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
	h.conn.mu.Lock()
	h.conn.recount(0)
	h.conn.mu.Unlock()
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
	h.nudge()
	if c.at() == stateLingering || c.drained {
		h.rouse()
	}
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
		h.end()
		c.mu.Lock()
		if !h.again {
			h.writing = false
			h.nudge()
			c.mu.Unlock()
			return
		}
		h.again = false
		c.mu.Unlock()
	}
}

// end does to the line what the connection's end asks for, when nothing is left to write. It may wait for the network, so
// it must be called without the lock.
func (h *heart) end() {
	c := &h.conn
	c.mu.Lock()
	c.moved = 0
	gone := c.at() == stateGone
	shuts := c.at() == stateLingering && c.out.empty() && !c.shut
	c.shut = c.shut || shuts
	c.mu.Unlock()
	if gone {
		h.line.Close()
	} else if shuts {
		line.CloseWrite(h.line.NetConn())
	}
}

func (h *heart) remoteAddr(*Conn) net.Addr { return h.line.NetConn().RemoteAddr() }
func (h *heart) localAddr(*Conn) net.Addr  { return h.line.NetConn().LocalAddr() }
