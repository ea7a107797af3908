// Writing messages: frames, and the cork that gathers them.

package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/turn"
	"github.com/ringdown/ringdown/websocket/wire"
)

// Sizes in bytes. Header and payload leave in one write as far as chunk goes: a second system call costs more than the
// copy. Frames that a cork holds back leave once there are corkLimit bytes of them.
const (
	chunk     = 32 << 10
	corkLimit = 16 << 10
)

// Write writes payload as one message. It may be called from any goroutine, also while others write: each message goes
// out whole. The payload is only read, and is the caller's again when Write returns.
//
// Write returns once the operating system has taken the message, or a cork holds it. When ctx ends before a byte was
// written, Write returns its error and the connection is unharmed; when it ends in the middle, the connection is dropped. It
// is dropped too if a write had begun and ctx ends over TLS, of a compressed message, or with frames that a cork has held
// back: none of these can be taken back.
func (c *Conn) Write(ctx context.Context, typ MessageType, payload []byte) error {
	if typ != Text && typ != Binary {
		return errType(typ)
	}
	if err := c.writeTurn.Take(ctx, turn.Message); err != nil {
		return err
	}
	h := wire.Header{Fin: true, Opcode: wire.Opcode(typ)}
	err := ctx.Err() // while nothing is harmed: neither frames held back nor what the compressor remembers
	switch {
	case err != nil:
	case c.over.Load(): // a broken turn keeps nobody from the compressor of a message left unfinished
		err = c.refusal()
	case c.deflator != nil && len(payload) >= c.set.compression.Threshold:
		err = c.writePacked(ctx, h, payload)
	default:
		err = c.writeFrame(ctx, h, payload)
	}
	c.give(turn.Same)
	return err
}

func errType(typ MessageType) error {
	return fmt.Errorf("websocket: message type %d: use Text or Binary", typ)
}

// writePacked writes one message compressed, for the holder of the turn. What the compressor has seen must be sent.
func (c *Conn) writePacked(ctx context.Context, h wire.Header, payload []byte) error {
	packed := c.deflator.Append(buffers.Get(len(payload)), payload)
	h.RSV1 = true
	if t := c.tap.Load(); t != nil {
		t.Plain(payload)
	}
	err := c.writeFrame(ctx, h, packed)
	buffers.Put(packed)
	return err
}

// writeFrame writes one frame of a data message, for the holder of the turn.
func (c *Conn) writeFrame(ctx context.Context, h wire.Header, payload []byte) error {
	if c.over.Load() || !c.closing.MaySend() {
		return c.refusal()
	}
	h.Length = uint64(len(payload))
	if c.set.role == wire.Client {
		h.Masked, h.Key = true, wire.NewMaskKey()
	}
	if t := c.tap.Load(); t != nil {
		t.Frame(h, payload)
	}
	buf, held := c.out, len(c.out)
	if held+wire.MaxHeaderSize+len(payload) > chunk {
		return c.writeLarge(ctx, h, payload)
	}
	if buf == nil {
		buf = buffers.Get(wire.MaxHeaderSize + len(payload))
	}
	buf = appendMasked(wire.AppendHeader(buf, h), payload, &h)
	if c.corking() && len(buf) <= corkLimit {
		c.hold(buf)
		return nil
	}
	c.hold(nil)
	err := c.send(ctx, buf, held == 0 && !h.RSV1)
	buffers.Put(buf)
	return err
}

// writeLarge is writeFrame for what does not fit into one chunk. After the first chunk a server's payload is written from
// where it lies; a client's is copied to be masked.
func (c *Conn) writeLarge(ctx context.Context, h wire.Header, payload []byte) error {
	whole := c.out == nil && !h.RSV1
	if err := c.flush(ctx); err != nil {
		return err
	}
	buf := wire.AppendHeader(buffers.Get(chunk), h)
	defer func() { buffers.Put(buf) }()
	for {
		n := min(len(payload), chunk-len(buf))
		buf = appendMasked(buf, payload[:n], &h)
		payload = payload[n:]
		if err := c.send(ctx, buf, whole); err != nil || len(payload) == 0 {
			return err
		}
		whole = false
		if !h.Masked {
			return c.send(ctx, payload, false)
		}
		buf = buf[:0]
	}
}

// appendMasked appends a piece of the frame of h, masked if h is, and turns the key on to the next piece.
func appendMasked(buf, piece []byte, h *wire.Header) []byte {
	start := len(buf)
	buf = buffers.Append(buf, piece)
	if h.Masked {
		h.Key = wire.Mask(buf[start:], h.Key)
	}
	return buf
}

// send writes b to the line. whole says that b is all that was under way, so that an interruption before its first byte
// harms nothing; after any other failure the connection is dropped.
func (c *Conn) send(ctx context.Context, b []byte, whole bool) error {
	n, err := c.line.Write(ctx, b)
	if err == nil {
		return nil
	}
	return c.sendFailed(ctx, n, err, whole)
}

func (c *Conn) sendFailed(ctx context.Context, n int, err error, whole bool) error {
	if whole && n == 0 && err == ctx.Err() {
		return err
	}
	c.closing.Drop()
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) { // the writer's context is no business of the readers'
		c.drop(errCutShort)
		return lost(err)
	}
	return c.drop(lost(err))
}

var errCutShort = fmt.Errorf("websocket: dropped: a write was interrupted in the middle of a message: %w", net.ErrClosed)

// refusal is why nothing may be written any more.
func (c *Conn) refusal() error {
	if err := c.Err(); err != nil {
		return &refusedError{err}
	}
	return ErrClosing
}

// Cork holds back what is written from now on, from any goroutine, so that it leaves in one system call: at [Conn.Uncork],
// when 16 KiB have gathered, or together with a ping, the answer to one, or a Close frame. Frames keep their order.
func (c *Conn) Cork() { c.corked.Store(true) }

// Uncork writes what a cork has held back, and ends it. When ctx ends first the connection is dropped, for messages
// would be lost.
func (c *Conn) Uncork(ctx context.Context) error {
	c.corked.Store(false)
	if err := c.writeTurn.Take(ctx, turn.Inner); err != nil {
		return err
	}
	err := c.flush(ctx)
	c.give(turn.Same)
	return err
}

// corking reports whether small frames are to be held back.
func (c *Conn) corking() bool { return c.corked.Load() || c.burst.Load() }

// hold makes b the frames held back; nil is none.
func (c *Conn) hold(b []byte) {
	if (b == nil) != (c.out == nil) {
		if b == nil {
			c.waiting.And(^dueOut)
		} else {
			c.waiting.Or(dueOut)
		}
	}
	c.out = b
}

// flush writes the frames held back, for the holder of the turn.
func (c *Conn) flush(ctx context.Context) error {
	b := c.out
	if b == nil {
		return nil
	}
	c.hold(nil)
	err := c.send(ctx, b, false)
	buffers.Put(b)
	return err
}

// due reports whether something waits that somebody must write: answers to pings, or frames whose cork was drawn.
func (c *Conn) due() bool {
	waiting := c.waiting.Load()
	return waiting&duePongs != 0 || waiting&dueOut != 0 && !c.corking()
}

// writeDue writes what is due, unless somebody has the turn: then they will, as they give it up.
func (c *Conn) writeDue() {
	if c.writeTurn.Try(turn.Inner) {
		c.give(turn.Same)
	}
}

// give writes what is due and gives up the turn. What became due at the last moment is written too, by whoever has the
// turn then; so nothing that is due is ever left lying.
func (c *Conn) give(after turn.After) {
	for {
		if c.due() {
			pongs := c.takePongs()
			if !c.corking() || pongs && c.corked.Load() { // no telling for how long a program corks; a burst is over soon
				c.flush(context.Background()) // its failure has dropped the connection; reads will tell
			}
		}
		c.writeTurn.Give(after)
		if !c.due() || !c.writeTurn.Try(turn.Inner) {
			return
		}
		after = turn.Same
	}
}
