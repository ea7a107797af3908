// Connections with goroutines of their own, for what the event loop cannot take: other systems than Linux, and TLS that was
// not set up for it. They behave as those on the loop do; they take more memory.

package loop

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/line"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
)

// goroutines are the connections of a server that have goroutines of their own, and their wheel.
type goroutines struct {
	server *Server
	every  wheel.Tick // each connection is looked at as often as this: nobody tells the wheel of writes that wait and of endings

	mu    sync.Mutex // guards what follows
	all   map[*goroutineConn]struct{}
	wheel *wheel.Wheel[Conn]
}

// goroutineConn drives one connection: a goroutine reads and calls the handler, another writes while there is something to write.
type goroutineConn struct {
	owner *goroutines
	conn  Conn
	line  line.Line
	early []byte
	work  chan struct{} // 1 if a paused reader should look again

	writing bool // a goroutine is writing; under the connection's lock
	again   bool // and shall look again before it ends; under the connection's lock
	once    sync.Once

	busy   atomic.Bool // the handler may be running, and nothing is read
	writes uint32      // of the line, when it was last looked at; under the wheel's lock
}

func newGoroutines(s *Server) *goroutines {
	every := lingering
	for _, limit := range []time.Duration{s.set.Close, s.set.Write, s.opts.Outbox.Age} {
		if limit > 0 {
			every = min(every, limit)
		}
	}
	return &goroutines{server: s, every: wheel.Ticks(every), all: make(map[*goroutineConn]struct{}),
		wheel: wheel.New(s.now(), func(c *Conn) *wheel.Place[Conn] { return &c.due })}
}

func (gs *goroutines) adopt(u *bridge.Upgraded, ready func(*Conn)) {
	g := &goroutineConn{owner: gs, early: u.Early, work: make(chan struct{}, 1)}
	g.line.Init(u.NetConn)
	g.conn.init(gs.server, g, u)
	adopted := false
	defer func() {
		if !adopted { // ready has panicked
			g.conn.CloseNow()
			u.NetConn.Close()
		}
	}()
	if ready != nil {
		ready(&g.conn)
	}
	adopted = true
	gs.mu.Lock()
	gs.all[g] = struct{}{}
	gs.wheel.Add(&g.conn, 1)
	gs.mu.Unlock()
	go g.read()
}

func (gs *goroutines) each(f func(*Conn)) {
	gs.mu.Lock()
	all := make([]*goroutineConn, 0, len(gs.all))
	for g := range gs.all {
		all = append(all, g)
	}
	gs.mu.Unlock()
	for _, g := range all {
		f(&g.conn)
	}
}

func (gs *goroutines) tick(now wheel.Tick) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.wheel.Advance(now, func(c *Conn) (wheel.Tick, bool) {
		g := c.driver.(*goroutineConn)
		g.noteProgress(now)
		again, ok := c.look(now, g.busy.Load())
		return min(again, gs.every), ok
	})
}

// read is the connection's own goroutine: it reads, and calls the handler from Open to Close.
func (g *goroutineConn) read() {
	c := &g.conn
	c.guard(func() { c.server.handler.Open(c) })
	in, err := g.early, error(nil)
	for {
		for len(in) > 0 || c.pausing.Load() {
			if c.pausing.Load() {
				if g.pause() {
					g.detach(in)
					return
				}
				continue
			}
			g.busy.Store(true)
			in = c.receive(in)
			g.busy.Store(false)
			if c.at() >= stateLingering && !c.pausing.Load() {
				break
			}
		}
		if c.at() == stateGone || err != nil {
			break
		}
		if c.at() == stateLingering {
			g.tell()
		}
		if c.tellDrained() {
			continue // it may have paused the connection
		}
		in, err = g.line.Read(context.Background())
		if g.roused(err) {
			err = nil
		} else if err != nil {
			g.awaitLastWords()
			c.lost(err)
		}
	}
	g.leave()
}

// rouse has the reader look up, if it waits for the peer: the handler's Close is due.
func (g *goroutineConn) rouse() { g.line.NetConn().SetReadDeadline(time.Unix(1, 0)) }

// roused reports whether an error of reading is only the work of rouse.
func (g *goroutineConn) roused(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && g.line.NetConn().SetReadDeadline(time.Time{}) == nil
}

// pause waits for news about a paused connection, and ends the pause if that is what they are. It reports whether the
// connection is detached now.
func (g *goroutineConn) pause() (detached bool) {
	<-g.work
	c := &g.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.detaching() == nil:
		c.pausing.Store(!c.resumed)
		c.resumed = false
	case c.at() != stateOpen: // it has ended before it could be detached
		c.rare().detach = nil
		c.pausing.Store(false)
	case c.out.Empty() && !g.writing:
		c.state.Store(uint32(stateGone))
		return true
	}
	return false
}

// awaitLastWords waits, after the peer has closed its direction, until it has been told what there was to say.
func (g *goroutineConn) awaitLastWords() {
	c := &g.conn
	for c.at() == stateLingering {
		c.mu.Lock()
		writing := g.writing
		c.mu.Unlock()
		if !writing {
			return
		}
		<-g.work
	}
}

// detach goes on with the connection as a blocking one, on this goroutine.
func (g *goroutineConn) detach(in []byte) {
	c := &g.conn
	in = append([]byte(nil), in...)
	g.forget()
	defer g.owner.server.stats.gone.Add(1)
	c.goOn(&bridge.Upgraded{NetConn: g.line.NetConn(), Early: in}, c.rare().detach)
}

// tell calls the handler's Close, once.
func (g *goroutineConn) tell() {
	g.once.Do(g.conn.callClose)
}

func (g *goroutineConn) leave() {
	g.line.Close()
	g.line.Release()
	g.tell()
	g.conn.mu.Lock()
	g.conn.blocked = 0
	g.conn.recount()
	g.conn.out.Clear(false)
	g.conn.messages.Release()
	g.conn.mu.Unlock()
	g.forget()
	g.owner.server.stats.gone.Add(1)
}

// forget takes the connection out of the server.
func (g *goroutineConn) forget() {
	gs := g.owner
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.wheel.Remove(&g.conn)
	delete(gs.all, g)
}

// wake implements driver. It is called under the connection's lock.
func (g *goroutineConn) wake(c *Conn) {
	c.queued = false // here the two flags below say it
	g.nudge()
	if c.at() == stateLingering || c.drained {
		g.rouse()
	}
	if g.writing {
		g.again = true
		if c.at() == stateGone {
			go g.line.Close() // the writer may be stuck
		}
		return
	}
	g.writing = true
	go g.write()
}

// nudge has a paused reader look again.
func (g *goroutineConn) nudge() {
	select {
	case g.work <- struct{}{}:
	default:
	}
}

// write writes what waits, and ends when nothing does.
func (g *goroutineConn) write() {
	c := &g.conn
	var e outbox.Encoder
	for {
		for {
			c.mu.Lock()
			c.blocked = c.server.now()
			c.mu.Unlock()
			b := c.encode(&e)
			if b == nil {
				break
			}
			n, err := g.line.Write(context.Background(), b)
			c.written(&e, nil)
			c.server.stats.wrote(n)
			if err != nil {
				c.lost(err)
			}
		}
		g.end()
		c.mu.Lock()
		if !g.again {
			g.writing = false
			g.nudge()
			c.mu.Unlock()
			return
		}
		g.again = false
		c.mu.Unlock()
	}
}

// noteProgress tells the connection when bytes last left.
func (g *goroutineConn) noteProgress(now wheel.Tick) {
	writes := g.line.Writes()
	if writes == g.writes {
		return
	}
	g.writes = writes
	g.conn.mu.Lock()
	defer g.conn.mu.Unlock()
	if g.conn.blocked != 0 {
		g.conn.blocked = now
	}
}

// end does to the line what the connection's end asks for, when nothing is left to write. It may wait for the network, so
// it must be called without the lock.
func (g *goroutineConn) end() {
	c := &g.conn
	c.mu.Lock()
	c.blocked = 0
	c.recount()
	gone := c.at() == stateGone
	shuts := c.at() == stateLingering && c.out.Empty() && !c.halfClosed
	c.halfClosed = c.halfClosed || shuts
	c.mu.Unlock()
	if gone {
		g.line.Close()
	} else if shuts {
		line.CloseWrite(g.line.NetConn())
	}
}

func (g *goroutineConn) remoteAddr(*Conn) net.Addr { return g.line.NetConn().RemoteAddr() }
func (g *goroutineConn) localAddr(*Conn) net.Addr  { return g.line.NetConn().LocalAddr() }
