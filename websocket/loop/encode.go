// From an outbox to bytes for the line.

package loop

import (
	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/wire"
)

// coalesce is how many bytes of small frames are copied together for one write. A frame of this size or more is written
// from where it lies.
const coalesce = 16 << 10

// encoder turns items into bytes. Each goroutine that writes has one.
type encoder struct {
	batch  []item
	joined []byte // small frames, copied together
	packed []byte // a compressed message
}

// next takes from c what goes out in the next write; nothing is none. done must be called before the bytes are touched by
// anybody else, and says how many of them were not written.
func (e *encoder) next(c *Conn) []byte {
	c.mu.Lock()
	c.owed = 0
	c.out.leaving = 0
	if c.counted != 0 {
		c.count()
	}
	if c.awaits && c.checkDrained() {
		c.wake()
	}
	e.batch = c.out.take(e.batch[:0])
	c.mu.Unlock()
	switch len(e.batch) {
	case 0:
		return nil
	case 1:
		return e.frames(c, &e.batch[0])
	}
	if e.joined == nil {
		e.joined = make([]byte, 0, coalesce)
	}
	e.joined = e.joined[:0]
	for i := range e.batch {
		e.joined = append(e.joined, e.frames(c, &e.batch[i])...)
	}
	return e.joined
}

// frames is what it puts on the line, good until the next call. A message to be compressed is compressed now, at the last
// moment: what a policy drops must never have entered the window.
func (e *encoder) frames(c *Conn, it *item) []byte {
	switch {
	case it.made != nil:
		frame, payload := bridge.Packed(it.made, c.server.set.Level, int(c.windowBits))
		c.deflator.Remember(payload)
		return frame
	case it.op != wire.Continuation:
		packed := c.deflator.Append(e.packed[:0], it.b)
		start := len(packed)
		h := wire.Header{Fin: true, RSV1: true, Opcode: it.op, Length: uint64(start)}
		packed = append(wire.AppendHeader(packed, h), packed...)
		e.packed = packed
		return packed[start:]
	}
	return it.b
}

// done ends the loan of what next returned. rest is the end of it that was not written; it is kept to go first.
func (e *encoder) done(c *Conn, rest []byte) {
	keep := item{at: e.batch[0].at, kind: control}
	if len(rest) > 0 {
		only := &e.batch[0]
		if len(e.batch) == 1 && !only.owned && only.op == wire.Continuation { // shared memory, which nobody changes
			keep.b = rest
		} else {
			keep.b, keep.owned = append(buffers.Get(len(rest)), rest...), true
		}
	}
	for i := range e.batch {
		e.batch[i].free()
	}
	clear(e.batch)
	if len(rest) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at() == stateGone {
		keep.free()
		return
	}
	c.out.putBack(keep)
}
