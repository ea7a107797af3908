// Package outbox is what waits to be written to one peer: a queue of frames that is bounded by what it holds, policies for
// when that is too much, and an encoder that makes few writes of it. It knows no connection and no clock; the lock of
// whatever owns a Queue guards it.
package outbox

import (
	"math"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
	"github.com/ringdown/ringdown/websocket/wire"
)

// Coalesce is how many bytes of small frames are copied together for one write. A frame of this size or more is written
// from where it lies.
const Coalesce = 16 << 10

// Item is one thing that waits: ItemCost is its size.
type Item struct {
	Bytes []byte                     // frames ready to be written; of a message to be compressed, its plain payload
	Made  *websocket.PreparedMessage // a prepared message to be compressed; Bytes is nil
	Key   string                     // for Conflate
	At    wheel.Tick                 // when it was queued
	size  int32                      // bytes it counts for
	count uint16                     // messages in it
	Op    wire.Opcode                // of a message to be compressed; Continuation is "Bytes is frames"
	Kind  Kind
	Owned bool // Bytes belongs to the outbox and goes back to the buffers
}

// Kind says whether a policy may drop an item.
type Kind uint8

// The kinds.
const (
	Message Kind = iota // may be dropped
	Control             // may not
	Rest                // likewise: the end of what has begun to leave
	hole                // was a message, which a newer one has conflated
)

// ItemCost is what an item takes beside its bytes, so that small ones that are shared count, too.
const ItemCost = 64

// Few is how many items may wait in buffers larger than they need. Many would hold far more than they count for.
const Few = 8

// Queue is what waits for one peer, oldest first. Its zero value is empty, and an empty one holds no memory.
type Queue struct {
	items   []Item // from head on; the first and the last of those are no holes
	head    int32
	leaving int32 // bytes that were taken and are being written
	late    *late // nil while the peer keeps up
	bytes   int   // in items and in the rest
}

// late is what an outbox has that does not empty.
type late struct {
	rest   Item // of what has begun to leave: it must go first, whole
	begun  bool // there is a rest
	places map[string]int32
	holes  int
}

func (o *Queue) waiting() []Item { return o.items[o.head:] }

// Len is how many items wait.
func (o *Queue) Len() int {
	n := len(o.waiting())
	if o.late != nil {
		n -= o.late.holes
	}
	return n
}

// Held is what the bound of an outbox is about: the bytes that wait, and what their items cost.
func (o *Queue) Held() int { return o.bytes + o.Len()*ItemCost }

func (o *Queue) begun() bool { return o.late != nil && o.late.begun }

// Empty reports whether nothing waits.
func (o *Queue) Empty() bool { return len(o.waiting()) == 0 && !o.begun() }

// Add queues it, as one message or control frame.
func (o *Queue) Add(it Item) {
	if len(o.items) == cap(o.items) {
		o.makeRoom()
	}
	it.measure()
	it.count = 1
	o.items = append(o.items, it)
	o.bytes += int(it.size)
	if it.Key != "" && o.late != nil && o.late.places != nil {
		o.late.places[it.Key] = int32(len(o.items) - 1)
	}
}

// makeRoom makes room for another item: by moving up if that frees half the slice, so that it is seldom.
func (o *Queue) makeRoom() {
	if o.items != nil && o.Len() < len(o.items)/2 {
		o.keep(func(*Item) bool { return true })
		return
	}
	larger := slab(len(o.items) + 1)
	larger = append(larger, o.items...)
	clear(o.items)
	recycle(o.items)
	o.items = larger
}

// keep moves the items up that are to be kept.
func (o *Queue) keep(wanted func(*Item) bool) {
	kept := o.items[:0]
	waiting := o.waiting()
	for i := range waiting {
		if it := &waiting[i]; it.Kind != hole && wanted(it) {
			kept = append(kept, *it)
		}
	}
	clear(o.items[len(kept):])
	o.items, o.head = kept, 0
	if o.late != nil {
		o.late.holes = 0
		if o.late.places != nil {
			o.index()
		}
	}
	if len(kept) == 0 {
		o.release()
	}
}

func (it *Item) measure() {
	it.size = int32(len(it.Bytes))
	if it.Made != nil {
		it.size = int32(len(bridge.Frame(it.Made)))
	}
}

// Room is the last item, if a message of n bytes more fits into its buffer: small messages share one. Whoever appends to
// its Bytes calls Grown.
func (o *Queue) Room(n int, now wheel.Tick) *Item {
	waiting := o.waiting()
	if len(waiting) == 0 {
		return nil
	}
	last := &waiting[len(waiting)-1]
	if !last.Owned || last.Kind != Message || last.Op != wire.Continuation || len(last.Bytes)+n > min(cap(last.Bytes), Coalesce) || last.At != now {
		return nil
	}
	return last
}

// Grown counts the message that was appended to the Bytes of what Room returned.
func (o *Queue) Grown(last *Item) {
	more := len(last.Bytes) - int(last.size)
	last.size += int32(more)
	last.count++
	o.bytes += more
}

// Memory is how many bytes the waiting items take, unused ends of their buffers included.
func (o *Queue) Memory() (bytes int) {
	for _, it := range o.waiting() {
		bytes += ItemCost + cap(it.Bytes)
	}
	return bytes
}

// Unwritten is Held with what was taken and is being written.
func (o *Queue) Unwritten() int { return o.Held() + int(o.leaving) }

// SetLeaving says how many bytes, taken earlier, are still to be written.
func (o *Queue) SetLeaving(n int) { o.leaving = int32(min(n, math.MaxInt32)) }

// Take moves what goes out in the next write into batch, in order: small items up to Coalesce bytes, or one large.
func (o *Queue) Take(batch []Item) []Item {
	size := 0
	if o.begun() {
		batch = append(batch, o.late.rest)
		size = int(o.late.rest.size)
		o.late.rest, o.late.begun = Item{}, false
	}
	for int(o.head) < len(o.items) {
		it := &o.items[o.head]
		if size > 0 && size+int(it.size) > Coalesce {
			break
		}
		size += int(it.size)
		batch = append(batch, *it)
		o.forget(it)
		o.head++
		o.skipHoles()
	}
	if int(o.head) == len(o.items) {
		o.release()
	}
	o.bytes -= size
	o.leaving = int32(size)
	return batch
}

// PutBack returns the rest of what was taken and could not be written.
func (o *Queue) PutBack(rest Item) {
	rest.measure()
	if o.late == nil {
		o.late = new(late)
	}
	o.leaving = 0
	o.late.rest, o.late.begun = rest, true
	o.bytes += int(rest.size)
}

// release gives the slice of items back, which is clear.
func (o *Queue) release() {
	recycle(o.items)
	o.items, o.head = nil, 0
	if o.late != nil {
		o.late.places, o.late.holes = nil, 0
		if !o.late.begun {
			o.late = nil
		}
	}
}

// Clear drops everything, and returns how many messages of how many bytes that was. With keepRest what has begun to leave
// stays, for a Close frame to follow it.
func (o *Queue) Clear(keepRest bool) (messages, bytes int) {
	waiting := o.waiting()
	for i := range waiting {
		if waiting[i].Kind == Message {
			messages += int(waiting[i].count)
			bytes += int(waiting[i].size)
		}
		waiting[i].Free()
	}
	clear(waiting)
	o.bytes, o.leaving = 0, 0
	if o.begun() && keepRest {
		o.bytes = int(o.late.rest.size)
	} else if o.begun() {
		o.late.rest.Free()
		o.late.begun = false
	}
	o.release()
	return messages, bytes
}

// Oldest is when what waits longest was queued.
func (o *Queue) Oldest() (wheel.Tick, bool) {
	switch waiting := o.waiting(); {
	case o.begun():
		return o.late.rest.At, true
	case len(waiting) > 0:
		return waiting[0].At, true
	}
	return 0, false
}

// Trim moves the bytes of it, which is about to be queued, to memory of their size, if many wait and it has one of the
// buffers, which is far larger.
func (o *Queue) Trim(it *Item) {
	if o.Len() >= Few && it.Owned && cap(it.Bytes) > 2*len(it.Bytes) {
		b := append([]byte(nil), it.Bytes...)
		buffers.Put(it.Bytes)
		it.Bytes, it.Owned = b, false
	}
}

// Free gives the item's buffer back.
func (it *Item) Free() {
	if it.Owned {
		buffers.Put(it.Bytes)
	}
	it.Bytes = nil
}
