// The handler's turns: who calls it, one at a time for a session, whichever transport a message came over.

package engineio

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/ringdown/ringdown/websocket/loop"
)

// Handler is what a program does with its sessions. For one session its functions are called in order, one at a time: Open, then
// Message for each message and Drained for each notice that was asked for, then Close. They must not wait, as others are served by the
// same event loop; see [Conn.Go]. One that panics is logged, with its stack, and its session ended; [net/http.ErrAbortHandler] ends
// the session without a word in the log. Any of them may be nil.
type Handler struct {
	// Open is called before anything else. The open packet has been queued.
	Open func(c *Conn)
	// Message is called for each message. The payload is lent: it is good only until Message returns.
	Message func(c *Conn, binary bool, payload []byte)
	// Drained is called once after [Conn.NotifyDrained]: the client has read up.
	Drained func(c *Conn)
	// Close is called once, when the session has ended. err says more than the reason, and is nil if there is no more to say.
	Close func(c *Conn, reason Reason, err error)
}

func (h *Handler) fill() {
	if h.Open == nil {
		h.Open = func(*Conn) {}
	}
	if h.Message == nil {
		h.Message = func(*Conn, bool, []byte) {}
	}
	if h.Drained == nil {
		h.Drained = func(*Conn) {}
	}
	if h.Close == nil {
		h.Close = func(*Conn, Reason, error) {}
	}
}

// Go runs f, which may wait, on a goroutine that is not the event loop's, and calls the handler no further for this session until f has
// returned. It may be called only from within the handler's Open, Message or Drained, once a call: it panics otherwise. A payload that f
// needs must be copied first. Meanwhile the client cannot be heard, its pongs included, and its time for them is prolonged.
func (c *Conn) Go(f func()) {
	if c.aside != nil {
		panic("engineio: Go after Go in the same call of the handler")
	}
	c.aside = f
}

// heardOnLoop hands a message of a WebSocket to the handler, on the goroutine of the event loop. Should somebody else have the turn,
// which happens around an upgrade, the event loop does not wait.
func (c *Conn) heardOnLoop(socket *loop.Conn, binary bool, payload []byte) {
	if !c.turn.TryLock() {
		own := bytes.Clone(payload)
		c.away.Store(true)
		socket.Go(func() {
			c.turn.Lock()
			c.deliver(binary, own)
			c.endTurn()
			c.back()
		})
		return
	}
	c.deliver(binary, payload)
	c.endTurnOnLoop(socket)
}

// endTurnOnLoop gives up the turn on the goroutine of an event loop, where a function of Go may not run.
func (c *Conn) endTurnOnLoop(socket *loop.Conn) {
	if c.aside == nil {
		c.turn.Unlock()
		return
	}
	c.away.Store(true)
	socket.Go(c.endTurn)
}

// endTurn runs what Go was given, and gives up the turn.
func (c *Conn) endTurn() {
	c.runAside()
	c.turn.Unlock()
}

// runAside runs what Go was given. The turn is held.
func (c *Conn) runAside() {
	if c.aside == nil {
		return
	}
	c.away.Store(true)
	for f := c.aside; f != nil; f = c.aside {
		c.aside = nil
		c.guard(f)
	}
	c.back()
}

// back ends the time in which nobody has heard the client.
func (c *Conn) back() {
	c.server.beats.excuse(c)
	c.away.Store(false)
}

// deliver calls the handler's Message. The turn is held.
func (c *Conn) deliver(binary bool, payload []byte) {
	if c.told || c.deaf.Load() {
		return
	}
	defer c.recovered()
	c.server.handler.Message(c, binary, payload)
}

// tellDrained calls the handler's Drained.
func (c *Conn) tellDrained() {
	c.turn.Lock()
	defer c.endTurn()
	if !c.told && !c.deaf.Load() {
		c.guard(func() { c.server.handler.Drained(c) })
	}
}

// tellDrainedOnLoop is tellDrained on the goroutine of an event loop.
func (c *Conn) tellDrainedOnLoop(socket *loop.Conn) {
	if !c.turn.TryLock() {
		socket.Go(c.tellDrained)
		return
	}
	if !c.told && !c.deaf.Load() {
		c.guard(func() { c.server.handler.Drained(c) })
	}
	c.endTurnOnLoop(socket)
}

// tellClose calls the handler's Close. The turn is held, and given up.
func (c *Conn) tellClose(reason Reason, err error) {
	c.told = true
	c.guard(func() { c.server.handler.Close(c, reason, err) })
	c.aside = nil
	c.turn.Unlock()
	c.server.sessions.release()
}

// guard calls a function of the program's.
func (c *Conn) guard(f func()) {
	defer c.recovered()
	f()
}

// recovered ends the session whose handler has panicked. It is deferred.
func (c *Conn) recovered() {
	p := recover()
	if p == nil {
		return
	}
	c.aside = nil
	if p != http.ErrAbortHandler {
		c.server.log.Error("engineio: a handler panicked", "remote", c.RemoteAddr(), "panic", p, "stack", string(debug.Stack()))
	}
	c.end(ending{reason: TransportError, err: fmt.Errorf("engineio: the handler panicked: %v", p), local: true})
}
