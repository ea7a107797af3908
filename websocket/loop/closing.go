// How a connection ends: the closing handshake, violations, time-outs, a lost line.

package loop

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/wire"
)

// ErrSlowConsumer is the end of a connection whose peer read more slowly than was written to it ([Disconnect]).
var ErrSlowConsumer = errors.New("websocket: the peer reads too slowly")

// lingering is how long the line stays open after our last Close frame, for the peer to read it.
const lingering = time.Second

// Close begins the closing handshake: it sends what waits and a Close frame, and lets the peer's messages come until the
// peer's Close frame does, or the time of Limits.CloseTimeout is over. The handler's Close is called then. A connection that
// is closing already is left to it.
func (c *Conn) Close(code websocket.StatusCode, reason string) error {
	frame, err := wire.AppendClose(buffers.Get(buffers.Min), wire.Server, code, reason)
	if err != nil {
		buffers.Put(frame)
		return fmt.Errorf("websocket: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at() != stateOpen || c.detaching() != nil || !c.closing.Send() {
		buffers.Put(frame)
		return nil
	}
	if c.stream { // it has no last words, and nobody to answer them
		buffers.Put(frame)
		c.err = websocket.ErrClosed
		c.enter(stateLingering)
		c.wake()
		return nil
	}
	c.out.add(item{b: frame, owned: true, kind: control, at: c.server.now()})
	c.enter(stateClosing)
	c.wake()
	return nil
}

// CloseNow closes the line without a word to the peer. The handler's Close is called with [websocket.ErrClosed].
func (c *Conn) CloseNow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut(websocket.ErrClosed)
}

// cut ends the connection for err with no last words. Called with the lock.
func (c *Conn) cut(err error) {
	if c.at() >= stateLingering {
		return
	}
	c.err = err
	c.closing.Drop()
	c.out.clear(false)
	c.recount(0)
	c.enter(stateGone)
	c.wake()
}

// finish ends the connection for err, with a Close frame as its last words if none was sent. Called with the lock.
func (c *Conn) finish(code websocket.StatusCode, reason string, err error) {
	if c.at() >= stateLingering {
		return
	}
	c.err = err
	if c.closing.Send() && !c.stream {
		frame, bad := wire.AppendClose(buffers.Get(buffers.Min), wire.Server, code, reason)
		if bad == nil {
			c.out.add(item{b: frame, owned: true, kind: control, at: c.server.now()})
		}
	}
	c.enter(stateLingering)
	c.wake()
}

// fail is finish for whoever has not got the lock.
func (c *Conn) fail(code websocket.StatusCode, reason string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish(code, reason, err)
}

// lost ends the connection because the line broke.
func (c *Conn) lost(err error) {
	if err == io.EOF {
		err = fmt.Errorf("websocket: the peer closed the line without a Close frame: %w", err)
	} else {
		err = fmt.Errorf("websocket: connection lost: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at() == stateLingering { // the peer has read our last words, or never will
		c.enter(stateGone)
		c.wake()
		return
	}
	c.cut(err)
}

// enter changes the state. Called with the lock.
func (c *Conn) enter(s connState) {
	c.state.Store(uint32(s))
	c.since = c.server.now()
}

// peerClosed answers the peer's Close frame.
func (c *Conn) peerClosed(code websocket.StatusCode, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing.Receive()
	c.finish(code, "", &websocket.CloseError{Code: code, Reason: reason})
}

// violated closes the connection for what the peer did.
func (c *Conn) violated(err error) {
	violation, ok := errors.AsType[*websocket.ProtocolError](err)
	if !ok {
		violation = &websocket.ProtocolError{Code: websocket.StatusInternalError, Reason: "internal error"}
	}
	c.fail(violation.Code, violation.Reason, fmt.Errorf("websocket: %w", err))
}
