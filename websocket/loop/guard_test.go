// A guard over the order of the handler's calls, which every server of these tests has.

package loop_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// guard watches over what a handler is promised: Open, Message and Close in order, one at a time, Close once.
type guard struct {
	t      testing.TB
	states sync.Map // *loop.Conn → *guarded
	opened atomic.Int32
	closed atomic.Int32
}

type guarded struct {
	busy   atomic.Bool
	opened bool
	closed bool
}

// enter is the beginning of a call for c; the function that it returns is the end.
func (g *guard) enter(c *loop.Conn, name string) func() {
	state, _ := g.states.LoadOrStore(c, new(guarded))
	s := state.(*guarded)
	if !s.busy.CompareAndSwap(false, true) {
		g.t.Errorf("%s is called while another call for this connection has not returned", name)
		return func() {}
	}
	if s.closed {
		g.t.Errorf("%s is called after Close", name)
	}
	if s.opened == (name == "Open") {
		g.t.Errorf("%s is called, and Open was called before: %t", name, s.opened)
	}
	s.opened, s.closed = true, name == "Close"
	return func() { s.busy.Store(false) }
}

// over is h, watched.
func (g *guard) over(h loop.Handler) loop.Handler {
	return loop.Handler{
		Open: func(c *loop.Conn) {
			g.opened.Add(1)
			defer g.enter(c, "Open")()
			if h.Open != nil {
				h.Open(c)
			}
		},
		Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) {
			defer g.enter(c, "Message")()
			if h.Message != nil {
				h.Message(c, typ, payload)
			}
		},
		Received: func(c *loop.Conn) {
			defer g.enter(c, "Received")()
			if h.Received != nil {
				h.Received(c)
			}
		},
		Close: func(c *loop.Conn, err error) {
			defer g.closed.Add(1)
			defer g.enter(c, "Close")()
			if err == nil {
				g.t.Error("Close is called without an error")
			}
			if got := c.Err(); got != err {
				g.t.Errorf("Close is called with %v, but Err is %v", err, got)
			}
			if h.Close != nil {
				h.Close(c, err)
			}
		},
		Drained: func(c *loop.Conn) {
			defer g.enter(c, "Drained")()
			if h.Drained != nil {
				h.Drained(c)
			}
		},
		Dropped: h.Dropped,
	}
}

// check is for the end, when every connection has to be closed but those that were detached.
func (g *guard) check(detached int) {
	if opened, closed := int(g.opened.Load()), int(g.closed.Load()); opened != closed+detached {
		g.t.Errorf("%d connections were opened and %d were closed, %d were detached", opened, closed, detached)
	}
}
