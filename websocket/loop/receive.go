// From bytes to the handler.

package loop

import (
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/wire"
)

// maxOwed is how many pings can wait for their answers; past it a ping is not answered, as the peer does not read.
const maxOwed = 32

// controlWindow is the time in which a peer may send as many control frames as the limits allow.
const controlWindow = time.Second

// receive takes what has come from the line, and calls the handler for each message. It returns what it has not used: the
// handler paused the connection. One goroutine at a time calls it.
func (c *Conn) receive(in []byte) (rest []byte) {
	if c.stream { // nothing is wanted from the peer but the news that it has gone
		return nil
	}
	if !c.active.Load() {
		c.active.Store(true)
	}
	defer func() {
		if p := recover(); p != nil {
			c.panicked(p)
			rest = nil
		}
	}()
	messages, bytes := 0, 0
	for len(in) > 0 && c.at() <= stateClosing && !c.pausing.Load() {
		var n int
		var ev wire.Event
		var err error
		if t := c.tapped(); t == nil {
			n, ev, err = c.messages.Next(in)
		} else {
			n, ev, err = t.Next(&c.messages, in)
		}
		in = in[n:]
		if err != nil {
			c.violated(err)
			in = nil
			break
		}
		switch ev.Kind {
		case wire.Data:
			messages++
			bytes += len(ev.Payload)
			c.deliver(ev.Opcode, ev.Payload)
		case wire.PingIn:
			c.pong(ev.Payload)
		case wire.PongIn:
			c.answered(ev.Payload)
		case wire.ClosedIn:
			c.peerClosed(ev.Code, string(ev.Payload))
		}
		if ev.Kind == wire.PingIn || ev.Kind == wire.PongIn {
			c.countControl()
		}
	}
	if messages > 0 {
		c.server.stats.received(messages, bytes)
	}
	c.messages.Free() // an idle connection holds no buffer
	c.noteUnfinished(messages > 0)
	return in
}

// deliver hands a message to the handler. After our Close frame messages are still read, but nobody wants them.
func (c *Conn) deliver(op wire.Opcode, payload []byte) {
	if c.at() == stateOpen {
		c.server.handler.Message(c, websocket.MessageType(op), payload)
	}
}

// noteUnfinished tells the look at the connection since when the present message is under way. another says that messages
// were completed meanwhile, so that the present one is new.
func (c *Conn) noteUnfinished(another bool) {
	was := c.unfinished.Load()
	switch idle := c.messages.Decoder.Idle(); {
	case idle && was != 0:
		c.unfinished.Store(0)
	case !idle && (was == 0 || another):
		c.unfinished.Store(uint32(c.server.now()))
	}
}

// pong queues the answer to a ping.
func (c *Conn) pong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at() != stateOpen || c.owed >= maxOwed {
		return
	}
	c.owed++
	frame := wire.AppendControl(buffers.Get(wire.MaxHeaderSize+len(payload)), wire.Server, wire.Pong, payload)
	c.out.Add(outbox.Item{Bytes: frame, Owned: true, Kind: outbox.Control, At: c.server.now()})
	c.wake()
}

// countControl refills the budget of control frames each second.
func (c *Conn) countControl() {
	if now := c.server.now(); now.Since(c.controlsAt) >= controlWindow {
		c.controlsAt = now
		c.messages.Decoder.AllowControl()
	}
}

// Go runs f on a goroutine of its own, and delivers no further message of this connection until f has returned. It is for
// handlers that take long: one that blocks holds up every other connection of its loop. It may be called only from within
// the handler's Open, Message or Drained, once a call, and not in one that has called Detach: it panics then. A payload that f
// needs must be copied first.
func (c *Conn) Go(f func()) {
	if c.pausing.Swap(true) {
		panic("websocket: Go after Go or Detach in the same call of the handler")
	}
	c.server.working.Add(1)
	go func() {
		defer c.server.working.Done()
		defer c.resume()
		c.guard(f)
	}()
}

// resume asks the driver to end the pause. Only the goroutine that calls the handler may do that: it holds what came
// meanwhile, which goes before what is still to come.
func (c *Conn) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.detaching() == nil {
		c.resumed = true
		c.wake()
	}
}
