// Reading a message as a stream.

package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/ringdown/ringdown/websocket/internal/assemble"
	"github.com/ringdown/ringdown/websocket/internal/turn"
	"github.com/ringdown/ringdown/websocket/wire"
)

// Reader waits for the next message and returns it as a stream, for messages too large to hold in memory. Its Read takes
// ctx as its own: when it ends, Read returns its error, and the message can no longer be read to its end, but the
// connection is unharmed. A message that is not read to its end is skipped by the next read of the connection.
//
// Limits.Message holds for the stream too; Limits.FrameTimeout is the
// time in which each 16 KiB of it must come. The bytes
// of a compressed message are gathered before the first of them is inflated.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	if err := c.readTurn.Take(ctx, turn.Message); err != nil {
		return 0, nil, err
	}
	defer c.readTurn.Give(turn.Same)
	if c.lent {
		c.keepLent()
	}
	if c.stream != nil {
		if err := c.skip(ctx); err != nil {
			c.retire(ctx, err)
			return 0, nil, err
		}
	}
	r := &messageReader{conn: c, own: ctx, ctx: ctx}
	if err := r.begin(); err != nil {
		c.retire(ctx, err)
		return 0, nil, err
	}
	c.stream = r
	return MessageType(r.op), r, nil
}

var errSkipped = errors.New("websocket: the message was skipped: the connection was read on before its end")

// skip reads the message that is being streamed to its end. The turn to read is held.
func (c *Conn) skip(ctx context.Context) error {
	r := c.stream
	r.ctx = ctx
	for {
		switch err := r.advance(); {
		case err == io.EOF:
			r.err = errSkipped
			return nil
		case err != nil:
			return err
		}
		r.piece = nil
	}
}

// streamStep is how many bytes of a streamed message must come within Limits.FrameTimeout.
const streamStep = 16 << 10

// messageReader is a message being read as a stream.
type messageReader struct {
	conn     *Conn
	own      context.Context // Reader's; for whoever calls Read
	ctx      context.Context // what the holder of the turn waits under: own, or that of whoever skips the message
	op       wire.Opcode
	piece    []byte    // received and not handed out yet
	last     bool      // no piece follows
	progress int       // bytes since the watch was last told of progress
	plain    io.Reader // of a compressed message, whose pieces are all there
	text     wire.UTF8 // of a compressed text message
	err      error     // every further Read returns it
}

// begin waits for the first piece; of a compressed message, for all. What an interrupted Read has left comes first.
func (r *messageReader) begin() error {
	c := r.conn
	var compressed bool
	if op, packed, ok := c.messages.Decoder.Message(); ok && len(c.messages.Pending()) > 0 {
		r.op, compressed = op, packed
		if !compressed {
			r.piece = bytes.Clone(c.messages.Pending())
			c.messages.Release()
		}
	} else {
		ev, err := r.receive()
		if err != nil {
			return err
		}
		r.op, compressed, r.piece, r.last = ev.Opcode, ev.Compressed, ev.Payload, ev.Last
		if compressed && c.messages.Gather(&ev) {
			return r.inflate(ev.Payload)
		}
	}
	if !compressed {
		return nil
	}
	for {
		ev, err := r.receive()
		if err != nil {
			return err
		}
		if c.messages.Gather(&ev) {
			return r.inflate(ev.Payload)
		}
	}
}

func (r *messageReader) inflate(packed []byte) error {
	r.piece, r.last = nil, true
	r.plain = r.conn.messages.Inflate(bytes.NewReader(packed))
	return nil
}

// receive waits for the next piece of data. Only a message whose first piece has come is streamed.
func (r *messageReader) receive() (wire.Event, error) {
	c := r.conn
	for {
		n, ev, err := c.piece()
		c.in = c.in[n:]
		if ev.Kind == wire.Data && err == nil {
			if r.progress += len(ev.Payload); r.progress >= streamStep {
				r.progress = 0
				c.received++
			}
			return ev, nil
		}
		if ev.Kind == wire.None && err == nil && len(c.in) > 0 {
			continue // an empty fragment
		}
		if err := c.advance(r.ctx, &ev, err); err != nil {
			return ev, err
		}
	}
}

// piece takes the next piece from what was received.
func (c *Conn) piece() (int, wire.Event, error) {
	if t := c.tap.Load(); t != nil {
		return t.Piece(&c.messages.Decoder, c.in)
	}
	return c.messages.Decoder.Next(c.in)
}

// advance makes sure that there is a piece, or returns io.EOF at the message's end.
func (r *messageReader) advance() error {
	if len(r.piece) > 0 {
		return nil
	}
	if r.last {
		return r.finish()
	}
	ev, err := r.receive()
	if err != nil {
		return err
	}
	r.piece, r.last = ev.Payload, ev.Last
	if len(r.piece) == 0 {
		return r.advance()
	}
	return nil
}

// finish lets the connection go on to the next message, and returns io.EOF.
func (r *messageReader) finish() error {
	if r.plain != nil { // the window must see all of a skipped message
		if _, err := io.Copy(io.Discard, r.plain); err != nil {
			return r.fail(err)
		}
		r.plain = nil
	}
	r.conn.received++
	if r.conn.stream == r {
		r.conn.stream = nil
		r.conn.messages.Release()
	}
	r.err = io.EOF
	return r.err
}

// fail closes the connection for what is wrong with a compressed message.
func (r *messageReader) fail(err error) error {
	if _, ok := err.(*ProtocolError); !ok {
		err = assemble.InflateError(err)
	}
	r.err = r.conn.violated(err)
	return r.err
}

func (r *messageReader) Read(p []byte) (int, error) {
	c := r.conn
	if err := c.readTurn.Take(r.own, turn.Message); err != nil {
		return 0, err
	}
	defer c.readTurn.Give(turn.Same)
	r.ctx = r.own
	switch {
	case r.err != nil:
		return 0, r.err
	case c.stream != r:
		return 0, errSkipped
	case r.plain != nil:
		return r.readPlain(p)
	case len(p) == 0:
		return 0, nil
	}
	if err := r.advance(); err != nil {
		c.retire(r.ctx, err)
		return 0, err
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}

// readPlain reads from a compressed message.
func (r *messageReader) readPlain(p []byte) (int, error) {
	n, err := r.plain.Read(p)
	if r.op == wire.Text && (!r.text.Write(p[:n]) || err == io.EOF && !r.text.Complete()) {
		err = &ProtocolError{Code: StatusInvalidPayload, Reason: "text message is not UTF-8"}
	}
	switch {
	case err == io.EOF:
		r.plain = nil
		r.finish()
	case err != nil:
		err = r.fail(err)
		r.conn.retire(r.ctx, err)
	}
	return n, err
}
