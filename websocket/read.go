// Reading messages.

package websocket

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/turn"
	"github.com/ringdown/ringdown/websocket/wire"
)

// Message is a received message.
type Message struct {
	Type MessageType
	Data []byte
}

// Read waits for the next message. The payload is the caller's to keep.
//
// When ctx ends first, Read returns its error and the connection is unharmed: what has come of a message is kept, and
// the next Read goes on with it. Any other error is the end of the connection and will be returned again: see
// [Conn.Err].
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	return c.ReadInto(ctx, nil)
}

// ReadInto is Read into the caller's buffer: the payload is appended to buf[:0], which grows if it must. A caller that
// hands the result in again reads without allocating.
func (c *Conn) ReadInto(ctx context.Context, buf []byte) (MessageType, []byte, error) {
	ev, err := c.next(ctx, false)
	if err != nil {
		return 0, buf[:0], err
	}
	buf = append(buf[:0], ev.Payload...)
	if buf == nil {
		buf = []byte{}
	}
	c.readTurn.Give(turn.Same)
	return MessageType(ev.Opcode), buf, nil
}

// Messages ranges over the messages as they come, until ctx ends, the connection ends, or the loop is left. It is the
// way that costs least: Data is lent, and good only until the next turn of the loop.
//
//	for m, err := range c.Messages(ctx) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// The loop ends without an error when the peer closed with 1000, with 1001 or without a code, and after Close or
// CloseNow on this side. Any other error comes as the last turn.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			ev, err := c.next(ctx, true)
			if err != nil {
				if !isQuiet(err) && !(c.leaving.Load() && c.over.Load()) {
					yield(Message{}, err)
				}
				return
			}
			c.readTurn.Give(turn.Same)
			if !yield(Message{MessageType(ev.Opcode), ev.Payload}, nil) {
				return
			}
		}
	}
}

// CloseRead is for programs that only write. It reads in the background, discarding every message, so that pings are
// answered and the peer's closing is noticed. The context that it returns ends with ctx or with the connection. Nobody
// may read any more.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for {
			if _, err := c.next(ctx, false); err != nil {
				cancel(err)
				return
			}
			c.readTurn.Give(turn.Same)
		}
	}()
	return ctx
}

// next waits for the next whole message. Without an error it leaves the caller with the turn to read, which keeps the
// payload valid until it is given; if lends, until next is called with lends again, whoever else reads in between.
func (c *Conn) next(ctx context.Context, lends bool) (ev wire.Event, err error) {
	if err = c.readTurn.Take(ctx, turn.Message); err != nil {
		return ev, err
	}
	if c.lent && !lends {
		c.keepLent()
	}
	if c.over.Load() && errors.Is(c.Err(), ErrClosed) {
		err = c.Err()
	} else if c.stream != nil {
		err = c.skip(ctx)
	}
	for err == nil {
		var n int
		if t := c.tap.Load(); t == nil {
			n, ev, err = c.messages.Next(c.in)
		} else {
			n, ev, err = t.Next(&c.messages, c.in)
		}
		c.in = c.in[n:]
		if ev.Kind == wire.Data && err == nil {
			if c.set.corkBursts {
				c.burst.Store(len(c.in) > 0)
			}
			c.received++
			c.lent = lends
			return ev, nil
		}
		err = c.advance(ctx, &ev, err)
	}
	c.retire(ctx, err)
	c.readTurn.Give(turn.Same)
	return ev, err
}

// retire gives the buffers back if err, which a read under ctx has met, is the end of the connection: nothing will be
// read any more, and the line may linger. The turn to read is held.
func (c *Conn) retire(ctx context.Context, err error) {
	if err == nil || err == io.EOF || err == ctx.Err() || !c.over.Load() {
		return
	}
	if r := c.stream; r != nil { // what is left of its message lies in them
		r.piece, r.plain = nil, nil
		if r.err == nil {
			r.err = err
		}
		c.stream = nil
	}
	c.in = nil
	c.line.Release()
	c.messages.Release()
}

// keepLent leaves the buffers from which Messages has lent to its loop, before somebody else reads: Close, from another
// goroutine or within the loop.
func (c *Conn) keepLent() {
	c.lent = false
	c.line.Abandon()
	c.messages.Abandon()
}

// advance does what a decoder's answer other than data asks for: it closes on a violation, answers a control frame, or
// waits for more bytes.
func (c *Conn) advance(ctx context.Context, ev *wire.Event, err error) error {
	switch {
	case err != nil:
		return c.violated(err)
	case ev.Kind == wire.None:
		return c.fill(ctx)
	}
	return c.control(ev)
}

// fill waits for bytes from the line. On the way it lets out what a cork has held back: a burst of input is over.
func (c *Conn) fill(ctx context.Context) error {
	c.in = nil
	if c.over.Load() {
		return c.Err()
	}
	if c.burst.Load() {
		c.burst.Store(false)
	}
	if c.due() {
		c.writeDue()
	}
	c.watchWait()
	in, err := c.line.Read(ctx)
	c.watchRun()
	if err != nil {
		if err == ctx.Err() {
			return err
		}
		if c.over.Load() { // whoever ended the connection closes the line
			return c.Err()
		}
		return c.drop(lost(err))
	}
	c.in = in
	c.heard++
	if c.messages.Decoder.SawControl() {
		c.allowControls()
	}
	return nil
}

// allowControls fills the budget of control frames if its window is over. They are rare enough to look at the clock for
// them.
func (c *Conn) allowControls() {
	if now := time.Now().UnixNano(); now-c.controlsAt >= int64(controlWindow) {
		c.controlsAt = now
		c.messages.Decoder.AllowControl()
	}
}
