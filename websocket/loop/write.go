// Writing: from a program's message to the outbox, and from there to the line.

package loop

import (
	"errors"
	"fmt"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
	"github.com/ringdown/ringdown/websocket/wire"
)

// maxMessage is the largest message that can be queued.
const maxMessage = 1 << 30

// Write queues a message. The payload is copied, and the caller's again when Write returns. Messages leave in the order in
// which they were queued. What is written from within a handler leaves when the loop has served everybody who was ready.
//
// The error is [websocket.ErrClosing] or wraps [net.ErrClosed] once nothing may be written any more. A full outbox is no
// error: the policy of [Options.Outbox] deals with it.
func (c *Conn) Write(typ websocket.MessageType, payload []byte) error {
	return c.WriteKey(typ, payload, "")
}

// WriteKey is Write with a key for the policy [Conflate].
func (c *Conn) WriteKey(typ websocket.MessageType, payload []byte, key string) error {
	if typ != websocket.Text && typ != websocket.Binary || c.stream {
		return c.unwritable(typ)
	}
	if len(payload) > maxMessage {
		return fmt.Errorf("websocket: message of %d bytes: the most is %d", len(payload), maxMessage)
	}
	op := wire.Opcode(typ)
	c.mu.Lock()
	if c.at() != stateOpen {
		c.mu.Unlock()
		return websocket.ErrClosing
	}
	if c.deflator != nil && len(payload) >= c.server.set.Threshold {
		b := append(buffers.Get(len(payload)), payload...)
		return c.queue(outbox.Item{Bytes: b, Owned: true, Op: op, Key: key})
	}
	h := wire.Header{Fin: true, Opcode: op, Length: uint64(len(payload))}
	now := c.server.now()
	if last := c.mayShare(len(payload), now); last != nil {
		last.Bytes = append(wire.AppendHeader(last.Bytes, h), payload...)
		c.out.Grown(last)
		c.wake() // what may share is within the bound
		c.mu.Unlock()
		return nil
	}
	b := append(wire.AppendHeader(buffers.Get(wire.MaxHeaderSize+len(payload)), h), payload...)
	return c.queue(outbox.Item{Bytes: b, Owned: true, Key: key})
}

// unwritable is why a message of this type cannot be written.
func (c *Conn) unwritable(typ websocket.MessageType) error {
	if c.stream {
		return errors.New("websocket: messages cannot be written to a stream; use Send")
	}
	return fmt.Errorf("websocket: message type %d: use Text or Binary", typ)
}

// WritePrepared queues a message that many connections share. Nothing is copied or encoded.
func (c *Conn) WritePrepared(m *websocket.PreparedMessage) error { return c.WritePreparedKey(m, "") }

// WritePreparedKey is WritePrepared with a key for the policy [Conflate].
func (c *Conn) WritePreparedKey(m *websocket.PreparedMessage, key string) error {
	if c.stream {
		return c.unwritable(websocket.Text)
	}
	frame := frameOf(m)
	if typ := websocket.MessageType(frame[0] & 0x0f); typ != websocket.Text && typ != websocket.Binary {
		return c.unwritable(typ)
	}
	c.mu.Lock()
	if c.at() != stateOpen {
		c.mu.Unlock()
		return websocket.ErrClosing
	}
	if c.deflator != nil && payloadSize(frame) >= c.server.set.Threshold {
		return c.queue(outbox.Item{Made: m, Key: key})
	}
	return c.queue(outbox.Item{Bytes: frame, Key: key})
}

// payloadSize is the size of the payload of a server's frame.
func payloadSize(frame []byte) int {
	_, head, _ := wire.ParseHeader(frame)
	return len(frame) - head
}

func frameOf(m *websocket.PreparedMessage) []byte { return bridge.Frame(m) }

// mayShare is a buffer in the outbox that has room for n bytes of payload more. Messages that a policy may drop one by one
// do not share.
func (c *Conn) mayShare(n int, now wheel.Tick) *outbox.Item {
	if o := &c.server.opts.Outbox; o.Policy != Disconnect || c.out.Held()+wire.MaxHeaderSize+n > o.Bytes {
		return nil
	}
	return c.out.Room(wire.MaxHeaderSize+n, now)
}

// queue adds it to the outbox. It is called with the lock, and gives it up.
func (c *Conn) queue(it outbox.Item) error {
	it.At = c.server.now()
	policy := c.server.opts.Outbox.Policy
	if policy != Disconnect {
		c.out.Trim(&it)
	}
	if it.Key == "" || policy != Conflate {
		c.out.Add(it)
		return c.settle()
	}
	bytes, conflated := c.out.Conflate(it)
	err := c.settle()
	if conflated {
		c.dropped(Drop{Messages: 1, Bytes: bytes, Conflated: true})
	}
	return err
}

// settle holds the outbox to its bounds and tells the driver. It is called with the lock, and gives it up.
func (c *Conn) settle() error {
	var drop Drop
	if limit := c.server.opts.Outbox.Bytes; c.out.Held() > limit && c.out.Len() > 1 {
		if c.server.opts.Outbox.Policy == Disconnect {
			drop = c.overflow(fmt.Sprintf("slow consumer: %d bytes wait to be read, the limit is %d", c.out.Held(), limit))
		} else {
			drop.Messages, drop.Bytes = c.out.DropOldest(limit)
		}
	}
	c.wake()
	c.mu.Unlock()
	c.dropped(drop)
	return nil
}

// overflow closes a connection whose peer is too slow. What waits is dropped, and the peer told with 1013 if it reads
// that far. Called with the lock.
func (c *Conn) overflow(reason string) (drop Drop) {
	drop.Messages, drop.Bytes = c.out.Clear(true)
	c.finish(websocket.StatusTryAgainLater, reason, fmt.Errorf("%w: %s", ErrSlowConsumer, reason))
	return drop
}

// encode takes from c what goes out in the next write, and makes bytes of it; nothing is none. written must be called before
// the bytes are touched by anybody else.
func (c *Conn) encode(e *outbox.Encoder) []byte {
	c.mu.Lock()
	c.owed = 0
	e.Take(&c.out)
	if c.awaits && c.checkDrained() {
		c.wake()
	}
	c.mu.Unlock()
	with := outbox.Compressor{Deflator: c.deflator, Level: c.server.set.Level, WindowBits: int(c.windowBits)}
	if t := c.tapped(); t != nil {
		return c.encodeTapped(e, with, t)
	}
	return e.Encode(with)
}

// written ends the loan of what encode returned. rest is the end of it that was not written; it is kept to go first.
func (c *Conn) written(e *outbox.Encoder, rest []byte) {
	left := e.Done(rest)
	if len(rest) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at() == stateGone {
		left.Free()
		return
	}
	c.out.PutBack(left)
}
