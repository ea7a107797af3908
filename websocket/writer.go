// Writing a message as a stream.

package websocket

import (
	"context"
	"errors"
	"io"

	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/internal/turn"
	"github.com/ringdown/ringdown/websocket/wire"
)

// Writer begins a message that is written piece by piece, for messages too large to hold in memory or made as they go.
// Close ends the message. Until then other messages wait; control frames pass between its frames. A message whose pieces
// fit into 32 KiB goes out as one frame.
//
// ctx holds for the whole message. A message that has begun to leave cannot be taken back: if ctx ends before Close, the
// connection is dropped. To give up a message whose source has failed, end ctx; Close would send what there is as a whole. The writer is not for several goroutines at once.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	if typ != Text && typ != Binary {
		return nil, errType(typ)
	}
	w := &messageWriter{conn: c, ctx: ctx, op: wire.Opcode(typ)}
	return w, nil
}

// messageWriter is a message being written as a stream. It takes the turn with its first frame.
type messageWriter struct {
	conn   *Conn
	ctx    context.Context
	op     wire.Opcode // of the next frame: Continuation after the first
	packed bool        // the message is compressed
	begun  bool        // its first frame was written
	buf    []byte      // payload of the next frame
	pack   *deflate.Stream
	stop   func() bool // ends the watch for the context's end; nil before the message has begun to leave
	err    error
}

var errWriterClosed = errors.New("websocket: write to a message that was closed")

func (w *messageWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.conn.deflator != nil && w.pack == nil {
		if err := w.begin(); err != nil {
			return 0, err
		}
	}
	if w.pack != nil {
		n, err := w.pack.Write(p)
		return n, w.note(err)
	}
	return len(p), w.note(w.add(p))
}

// begin takes the turn for a compressed message: the compressor may see messages only in the order in which they leave.
func (w *messageWriter) begin() error {
	if err := w.conn.writeTurn.Take(w.ctx, turn.Message); err != nil {
		return err
	}
	err := w.ctx.Err()
	if err == nil && w.conn.over.Load() {
		err = w.conn.refusal()
	}
	if err != nil {
		w.conn.give(turn.Same)
		return err
	}
	w.packed, w.begun = true, true
	w.guard()
	w.conn.give(turn.Streamed)
	w.pack = w.conn.deflator.Begin(w.add)
	return nil
}

// add gathers payload, and writes a frame whenever there is a chunk of it.
func (w *messageWriter) add(p []byte) error {
	for len(w.buf)+len(p) > chunk {
		if len(w.buf) == 0 {
			w.buf = buffers.Get(chunk)
		}
		n := chunk - len(w.buf)
		w.buf, p = buffers.Append(w.buf, p[:n]), p[n:]
		if err := w.frame(false); err != nil {
			return err
		}
	}
	w.buf = buffers.Append(w.buf, p)
	return nil
}

// Close writes the message's last frame. Closing again is an error.
func (w *messageWriter) Close() error {
	if w.err != nil {
		return w.err
	}
	var err error
	if w.pack != nil {
		err = w.pack.Close()
	}
	if err == nil {
		err = w.frame(true)
	}
	buffers.Put(w.buf)
	w.buf = nil
	if w.note(err) == nil {
		w.err = errWriterClosed
		w.release()
	}
	return err
}

// guard drops the connection when the context ends before the message does, also if nobody calls the writer any more: half
// a message keeps all others waiting.
func (w *messageWriter) guard() {
	w.stop = context.AfterFunc(w.ctx, func() { w.conn.drop(errUnfinished) })
}

func (w *messageWriter) release() {
	if w.stop != nil {
		w.stop()
	}
}

var errUnfinished = errors.New("websocket: a message was left unfinished")

// frame writes what has gathered as one frame.
func (w *messageWriter) frame(last bool) error {
	c := w.conn
	kind, after := turn.Inner, turn.Same
	switch {
	case !w.begun && last:
		kind = turn.Message
	case !w.begun:
		kind, after = turn.Message, turn.Streamed
	case last:
		after = turn.Ended
	}
	if err := c.writeTurn.Take(w.ctx, kind); err != nil {
		return err
	}
	h := wire.Header{Fin: last, Opcode: w.op, RSV1: w.packed && w.op != wire.Continuation}
	err := w.ctx.Err()
	if err == nil {
		err = c.writeFrame(w.ctx, h, w.buf)
	}
	if err != nil && !w.begun { // nothing has left, or else the connection was dropped
		c.give(turn.Same)
		return err
	}
	w.begun = true
	if after == turn.Streamed {
		w.guard()
	}
	c.give(after)
	w.op, w.buf = wire.Continuation, w.buf[:0]
	return err
}

// note remembers an error. After it the message can never be completed, so unless nothing of it has left, the connection
// cannot go on either.
func (w *messageWriter) note(err error) error {
	if err == nil {
		return nil
	}
	w.err = err
	w.release()
	if w.begun && !errors.Is(err, ErrClosing) { // a Close frame may cut a message short; its handshake goes on
		w.conn.drop(errUnfinished)
	}
	return err
}
