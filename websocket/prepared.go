// Messages that are encoded once and written to many connections.

package websocket

import (
	"context"
	"sync"

	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/internal/turn"
	"github.com/ringdown/ringdown/websocket/wire"
)

// PreparedMessage is a message made ready for any number of connections: it is framed once, and compressed once for each
// form that the connections have agreed on, as the first of them needs it. It may be used from any goroutine.
type PreparedMessage struct {
	op      wire.Opcode
	payload []byte
	plain   []byte // the frame for a server's connections that do not compress

	mu     sync.Mutex
	packed map[packing][]byte // frames for those that do
}

// packing is what makes one compressed form differ from another.
type packing struct {
	level, windowBits int
	role              wire.Role // a client's is kept without header: each frame needs a masking key of its own
}

// Prepare makes payload ready to be written by [Conn.WritePrepared]. The payload must not change afterwards.
func Prepare(typ MessageType, payload []byte) *PreparedMessage {
	op := wire.Opcode(typ)
	h := wire.Header{Fin: true, Opcode: op, Length: uint64(len(payload))}
	frame := make([]byte, 0, h.Size()+len(payload))
	frame = wire.AppendFrame(frame, h, payload)
	return &PreparedMessage{op: op, payload: frame[h.Size():], plain: frame}
}

// Len is how many bytes the message's payload has.
func (m *PreparedMessage) Len() int { return len(m.payload) }

// Payload is the message's payload. It must not be changed.
func (m *PreparedMessage) Payload() []byte { return m.payload }

// compressed is the message in the form p: a server's whole frame, or a client's payload.
func (m *PreparedMessage) compressed(p packing) []byte {
	if len(m.payload) <= 1<<p.windowBits { // too short to reach out of the window: one form serves all
		p.windowBits = 15
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.packed[p]; ok {
		return b
	}
	b := deflate.Compress(nil, m.payload, p.level, p.windowBits)
	if p.role == wire.Server {
		b = wire.AppendFrame(nil, wire.Header{Fin: true, RSV1: true, Opcode: m.op}, b)
	}
	if m.packed == nil {
		m.packed = make(map[packing][]byte)
	}
	m.packed[p] = b
	return b
}

// WritePrepared is [Conn.Write] for a prepared message. At a server it costs no encoding, no compressing and no copy.
func (c *Conn) WritePrepared(ctx context.Context, m *PreparedMessage) error {
	if m.op != wire.Text && m.op != wire.Binary {
		return errType(MessageType(m.op))
	}
	if err := c.writeTurn.Take(ctx, turn.Message); err != nil {
		return err
	}
	err := c.writePrepared(ctx, m)
	c.give(turn.Same)
	return err
}

func (c *Conn) writePrepared(ctx context.Context, m *PreparedMessage) error {
	if c.over.Load() || !c.closing.MaySend() {
		return c.refusal()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	h := wire.Header{Fin: true, Opcode: m.op}
	payload, frame := m.payload, m.plain
	if c.deflator != nil && len(payload) >= c.set.compression.Threshold {
		b := m.compressed(packing{c.set.compression.Level, int(c.windowBits), c.set.role})
		c.deflator.Remember(m.payload)
		h.RSV1, payload, frame = true, b, b
	}
	t := c.tap.Load()
	if c.set.role == wire.Client {
		if t != nil && h.RSV1 {
			t.Plain(m.payload)
		}
		return c.writeFrame(ctx, h, payload)
	}
	if t != nil {
		t.Sent(frame, m.payload)
	}
	if len(c.out)+len(frame) <= corkLimit && c.corking() {
		c.hold(buffers.Append(c.out, frame))
		return nil
	}
	if c.out != nil {
		if len(c.out)+len(frame) > chunk {
			if err := c.flush(ctx); err != nil {
				return err
			}
			return c.send(ctx, frame, false)
		}
		c.hold(buffers.Append(c.out, frame))
		return c.flush(ctx)
	}
	return c.send(ctx, frame, !h.RSV1)
}
