// From a queue to bytes for the line.

package outbox

import (
	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/wire"
)

// Encoder turns items into bytes, for one write after the other: Take, Encode, Done. Each goroutine that writes has one.
type Encoder struct {
	batch  []Item
	joined []byte // small frames, copied together
	packed []byte // a compressed message
}

// Compressor is how a connection compresses. Without compression its zero value is right.
type Compressor struct {
	Deflator   *deflate.Deflator
	Level      int
	WindowBits int
}

// Take takes from q what goes out in the next write, under the lock of q's owner.
func (e *Encoder) Take(q *Queue) {
	q.leaving = 0
	e.batch = q.Take(e.batch[:0])
}

// Encode makes bytes of what was taken; nothing is none. They are good until Done.
func (e *Encoder) Encode(c Compressor) []byte {
	switch len(e.batch) {
	case 0:
		return nil
	case 1:
		return e.frames(c, &e.batch[0])
	}
	if e.joined == nil {
		e.joined = make([]byte, 0, Coalesce)
	}
	e.joined = e.joined[:0]
	for i := range e.batch {
		e.joined = append(e.joined, e.frames(c, &e.batch[i])...)
	}
	return e.joined
}

// EncodeTold is Encode for a connection that is watched: told is called with the bytes of each item, and with the plain payload of one that is
// compressed, but not again for what has begun to leave earlier. Both are lent.
func (e *Encoder) EncodeTold(c Compressor, told func(b, plain []byte)) []byte {
	if len(e.batch) == 0 {
		return nil
	}
	e.joined = e.joined[:0]
	for i := range e.batch {
		it := &e.batch[i]
		b := e.frames(c, it)
		switch {
		case it.Kind == Rest:
		case it.Made != nil:
			told(b, it.Made.Payload())
		case it.Op != wire.Continuation:
			told(b, it.Bytes)
		default:
			told(b, nil)
		}
		if len(e.batch) == 1 {
			return b
		}
		e.joined = append(e.joined, b...)
	}
	return e.joined
}

// frames is what it puts on the line, good until the next call. A message to be compressed is compressed now, at the last
// moment: what a policy drops must never have entered the window.
func (e *Encoder) frames(c Compressor, it *Item) []byte {
	switch {
	case it.Made != nil:
		frame, payload := bridge.Packed(it.Made, c.Level, c.WindowBits)
		c.Deflator.Remember(payload)
		return frame
	case it.Op != wire.Continuation:
		packed := c.Deflator.Append(e.packed[:0], it.Bytes)
		start := len(packed)
		h := wire.Header{Fin: true, RSV1: true, Opcode: it.Op, Length: uint64(start)}
		packed = append(wire.AppendHeader(packed, h), packed...)
		e.packed = packed
		return packed[start:]
	}
	return it.Bytes
}

// Done ends the loan of what Encode returned. rest is the end of it that was not written; left holds it then, for
// [Queue.PutBack].
func (e *Encoder) Done(rest []byte) (left Item) {
	if len(rest) > 0 {
		left = e.save(rest)
	}
	for i := range e.batch {
		e.batch[i].Free()
	}
	clear(e.batch)
	if cap(e.joined) > buffers.Max {
		e.joined = nil
	}
	if cap(e.packed) > buffers.Max {
		e.packed = nil
	}
	return left
}

// save is an item of rest. It is copied unless its memory is nobody's, or the garbage collector's.
func (e *Encoder) save(rest []byte) Item {
	left := Item{At: e.batch[0].At, Kind: Rest}
	only := &e.batch[0]
	if len(e.batch) == 1 && only.Op == wire.Continuation && (!only.Owned || cap(only.Bytes) > buffers.Max) {
		left.Bytes = rest
	} else {
		left.Bytes, left.Owned = append(buffers.Get(len(rest)), rest...), true
	}
	return left
}
