// The closing handshake (RFC 6455 §7), begun by either side.

package websocket

import (
	"context"
	"errors"
	"fmt"

	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/turn"
	"github.com/ringdown/ringdown/websocket/wire"
)

// Close closes the connection in good order: it sends a Close frame, waits for the peer's, discarding the messages that
// come before it, and closes the line. It takes no longer than Limits.CloseTimeout; a peer that has not answered by then
// is an error, and the line is closed all the same.
//
// The code must be one that may travel ([StatusCode.Sendable]), or [StatusNoStatus] with no reason for a Close frame
// without either. The reason should be UTF-8 and is cut at 123 bytes. The peer sees both: tell no secrets. Closing a
// connection that the peer has closed in good order, or that is closed already, is no error.
func (c *Conn) Close(code StatusCode, reason string) error {
	if c.over.Load() {
		return c.closed(c.Err())
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.set.close)
	defer cancel()
	left := c.leaving.Swap(true)
	if err := c.sendClose(ctx, code, reason); err != nil {
		if errors.Is(err, errBadClose) {
			c.leaving.Store(left)
			return err
		}
		return c.closed(c.drop(fmt.Errorf("websocket: the Close frame was not sent within %v: %v", c.set.close, err)))
	}
	return c.closed(c.awaitClose(ctx))
}

// CloseNow closes the line at once, without a word to the peer, who sees an abnormal closure (1006). It is also the way
// to make sure that nothing is left open: after an end in good order it does nothing.
func (c *Conn) CloseNow() error {
	c.leaving.Store(true)
	if !c.over.Load() {
		c.drop(ErrClosed)
	}
	return nil
}

// closed is what Close makes of the connection's end: an end in good order is no error.
func (c *Conn) closed(err error) error {
	if err == nil || CloseStatus(err) >= 0 || errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// awaitClose reads until the peer's Close frame has come. If somebody else is reading they will meet it; when they stop
// reading instead, the turn comes here.
func (c *Conn) awaitClose(ctx context.Context) error {
	for {
		_, err := c.next(ctx, false)
		switch {
		case err == nil:
			c.readTurn.Give(turn.Same)
		case c.Err() != nil:
			return c.Err()
		default:
			return c.drop(fmt.Errorf("websocket: the peer did not answer the Close frame within %v", c.set.close))
		}
	}
}

// errBadClose marks a Close call whose arguments are refused.
var errBadClose = errors.New("websocket: bad close")

// sendClose writes our Close frame, unless we have sent one. It waits for the turn as long as ctx allows.
func (c *Conn) sendClose(ctx context.Context, code StatusCode, reason string) error {
	frame, err := wire.AppendClose(buffers.Get(buffers.Min), c.set.role, code, reason)
	defer func() { buffers.Put(frame) }()
	if err != nil {
		return fmt.Errorf("%w: %w", errBadClose, err)
	}
	if err := c.writeTurn.Take(ctx, turn.Inner); err != nil {
		return err
	}
	defer c.give(turn.Same)
	c.takePongs() // answers come before the Close frame, or never
	if !c.closing.Send() {
		return nil
	}
	c.tapSent(frame)
	frame = c.behindHeld(frame)
	return c.send(ctx, frame, false)
}

// behindHeld puts the last frame behind those that a cork still holds back, in one buffer.
func (c *Conn) behindHeld(frame []byte) []byte {
	held := c.out
	if held == nil {
		return frame
	}
	c.hold(nil)
	held = buffers.Append(held, frame)
	buffers.Put(frame)
	return held
}

// peerClosed answers the peer's Close frame with one of the same code, if we have not sent ours, and ends the connection.
func (c *Conn) peerClosed(code StatusCode, reason string) error {
	closed := &CloseError{code, reason}
	c.mu.Lock()
	c.peer = closed
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), c.set.close)
	defer cancel()
	if err := c.writeTurn.Take(ctx, turn.Inner); err != nil {
		return c.drop(closed) // a writer is stuck: the answer cannot be sent
	}
	owed := c.closing.Receive()
	c.writeTurn.Give(turn.Same)
	if owed {
		if err := c.sendClose(ctx, code, ""); err != nil {
			return c.drop(closed)
		}
	}
	return c.part(closed)
}

// violated closes the connection for what the peer did: err is the decoder's.
func (c *Conn) violated(err error) error {
	violation, ok := errors.AsType[*ProtocolError](err)
	if !ok {
		violation = &ProtocolError{Code: StatusInternalError, Reason: "internal error"}
	}
	return c.fail(violation.Code, violation.Reason, fmt.Errorf("websocket: %w", err))
}

// fail sends a Close frame without waiting for an answer (RFC 6455 §7.1.7), and ends the connection for cause.
func (c *Conn) fail(code StatusCode, reason string, cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), lingering)
	defer cancel()
	if c.sendClose(ctx, code, reason) != nil {
		return c.drop(cause)
	}
	return c.part(cause)
}
