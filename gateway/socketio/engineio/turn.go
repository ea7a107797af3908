// The handler's turns: who calls it, one at a time for a session, whichever transport a message came over.

package engineio

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/ringdown/ringdown/websocket/loop"
)

// turn is held by who calls the handler. Those who wait for it get it in the order in which they came. It may be taken by one goroutine and
// given up by another, and held for long.
type turn struct {
	mu      sync.Mutex // guards what follows
	held    bool
	waiting *waiter
}

type waiter struct {
	next *waiter
	mine chan struct{} // closed when the turn has come
}

// try takes the turn if nobody has it.
func (t *turn) try() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held {
		return false
	}
	t.held = true
	return true
}

// take waits for the turn.
func (t *turn) take() {
	t.mu.Lock()
	if !t.held {
		t.held = true
		t.mu.Unlock()
		return
	}
	w := &waiter{mine: make(chan struct{})}
	last := &t.waiting
	for *last != nil {
		last = &(*last).next
	}
	*last = w
	t.mu.Unlock()
	<-w.mine
}

// give gives the turn up, to the first who waits for it.
func (t *turn) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting == nil {
		t.held = false
		return
	}
	close(t.waiting.mine)
	t.waiting = t.waiting.next
}

// Go runs f, which may wait, on a goroutine that is not the event loop's, and calls the handler no further for this session until f has
// returned. It may be called only from within the handler's Open, Message or Drained, and panics the second time in one call. A payload
// that f needs must be copied first. Meanwhile the client cannot be heard, its pongs included, and its time for them is prolonged.
func (c *Conn) Go(f func()) {
	if c.aside != nil {
		panic("engineio: Go after Go in the same call of the handler")
	}
	c.aside = f
}

// heardOnLoop hands a message of a WebSocket to the handler, on the goroutine of the event loop. Should somebody else have the turn,
// which happens around an upgrade, the event loop does not wait.
func (c *Conn) heardOnLoop(socket *loop.Conn, binary bool, payload []byte) {
	if !c.turn.try() {
		own := bytes.Clone(payload)
		c.away.Store(true)
		socket.Go(func() {
			c.turn.take()
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
		c.turn.give()
		return
	}
	c.away.Store(true)
	socket.Go(c.endTurn)
}

// endTurn runs what Go was given, and gives up the turn.
func (c *Conn) endTurn() {
	c.runAside()
	c.turn.give()
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
	c.turn.take()
	defer c.endTurn()
	if !c.told && !c.deaf.Load() {
		c.guard(func() { c.server.handler.Drained(c) })
	}
}

// tellDrainedOnLoop is tellDrained on the goroutine of an event loop.
func (c *Conn) tellDrainedOnLoop(socket *loop.Conn) {
	if !c.turn.try() {
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
	c.turn.give()
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
