// What waits to be written to one connection, and what happens when it is too much.

package loop

import (
	"sync"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/wire"
)

// item is one thing that waits.
type item struct {
	b     []byte                     // frames ready to be written; of a message to be compressed, its plain payload
	made  *websocket.PreparedMessage // a prepared message to be compressed; b is nil
	key   string                     // for Conflate
	at    tick                       // when it was queued
	size  int32                      // bytes it counts for
	count uint16                     // messages in it
	op    wire.Opcode                // of a message to be compressed; Continuation is "b is frames"
	kind  itemKind
	owned bool // b belongs to the outbox and goes back to the buffers
}

type itemKind uint8

const (
	message itemKind = iota // may be dropped
	control                 // may not
)

// outbox is a queue of items. Its connection's lock guards it.
type outbox struct {
	items   []item // from head on
	head    int32
	leaving int32 // bytes that were taken and are being written
	partial *item // the rest of what has begun to leave, if any: it must go first, whole
	bytes   int   // in items and partial
}

var itemSlices = sync.Pool{New: func() any { return new([8]item) }}

func (o *outbox) waiting() []item { return o.items[o.head:] }

// waits is how many bytes have not been written.
func (o *outbox) waits() int { return o.bytes + int(o.leaving) }

func (o *outbox) empty() bool { return len(o.waiting()) == 0 && o.partial == nil }

// add queues it.
func (o *outbox) add(it item) {
	if o.items == nil {
		o.items = itemSlices.Get().(*[8]item)[:0]
	}
	if int(o.head) > len(o.items)/2 && len(o.items) == cap(o.items) { // move up before growing, but seldom
		n := copy(o.items, o.waiting())
		clear(o.items[n:])
		o.items, o.head = o.items[:n], 0
	}
	it.measure()
	it.count = 1
	o.items = append(o.items, it)
	o.bytes += int(it.size)
}

func (it *item) measure() {
	it.size = int32(len(it.b))
	if it.made != nil {
		it.size = int32(len(frameOf(it.made)))
	}
}

// room is the last item, if a message of n bytes more fits into its buffer: small messages share one.
func (o *outbox) room(n int, now tick) *item {
	waiting := o.waiting()
	if len(waiting) == 0 {
		return nil
	}
	last := &waiting[len(waiting)-1]
	if !last.owned || last.kind != message || last.op != wire.Continuation || len(last.b)+n > min(cap(last.b), coalesce) || last.at != now {
		return nil
	}
	return last
}

// take moves what goes out in the next write into batch, in order: small items up to coalesce bytes, or one large.
func (o *outbox) take(batch []item) []item {
	size := 0
	if o.partial != nil {
		batch = append(batch, *o.partial)
		size = int(o.partial.size)
		o.partial = nil
	}
	for int(o.head) < len(o.items) {
		it := &o.items[o.head]
		if size > 0 && size+int(it.size) > coalesce {
			break
		}
		size += int(it.size)
		batch = append(batch, *it)
		*it = item{}
		o.head++
	}
	if int(o.head) == len(o.items) {
		o.release()
	}
	o.bytes -= size
	o.leaving = int32(size)
	return batch
}

// putBack returns the rest of what was taken and could not be written.
func (o *outbox) putBack(rest item) {
	rest.measure()
	o.leaving = 0
	o.partial = &rest
	o.bytes += int(rest.size)
}

// release gives the slice of items back.
func (o *outbox) release() {
	clear(o.items)
	if cap(o.items) == 8 {
		itemSlices.Put((*[8]item)(o.items[:8]))
	}
	o.items, o.head = nil, 0
}

// clear drops everything, and returns how many messages of how many bytes that was. With keepPartial what has begun to
// leave stays, for a Close frame to follow it.
func (o *outbox) clear(keepPartial bool) (messages, bytes int) {
	waiting := o.waiting()
	for i := range waiting {
		if waiting[i].kind == message {
			messages += int(waiting[i].count)
			bytes += int(waiting[i].size)
		}
		waiting[i].free()
	}
	o.release()
	o.bytes, o.leaving = 0, 0
	if o.partial != nil && keepPartial {
		o.bytes = int(o.partial.size)
	} else if o.partial != nil {
		o.partial.free()
		o.partial = nil
	}
	return messages, bytes
}

// conflate puts it in the place of a waiting message with the same key, and returns the one that it replaced.
func (o *outbox) conflate(it item) (replaced item, ok bool) {
	waiting := o.waiting()
	for i := range waiting {
		if old := &waiting[i]; old.key == it.key && old.kind == message {
			replaced = *old
			it.measure()
			it.at, it.count = old.at, old.count
			*old = it
			o.bytes += int(it.size) - int(replaced.size)
			return replaced, true
		}
	}
	return item{}, false
}

// dropOldest drops messages from the front until no more than limit bytes wait; the newest stays in any case. It returns
// how many it dropped, of how many bytes.
func (o *outbox) dropOldest(limit int) (messages, bytes int) {
	end := int(o.head)
	for ; o.bytes > limit && end < len(o.items)-1; end++ {
		if it := &o.items[end]; it.kind == message {
			o.bytes -= int(it.size)
			messages += int(it.count)
			bytes += int(it.size)
			it.free()
		}
	}
	start := end // of what waits then: the few controls that were met move up, the many behind them stay where they are
	for i := end - 1; i >= int(o.head); i-- {
		if o.items[i].kind == control {
			start--
			o.items[start] = o.items[i]
		}
	}
	clear(o.items[o.head:start])
	o.head = int32(start)
	return messages, bytes
}

// dropAged drops messages that were queued before since.
func (o *outbox) dropAged(since tick) (messages, bytes int) {
	waiting := o.waiting()
	kept := waiting[:0]
	for _, it := range waiting {
		if it.kind != message || !it.at.before(since) {
			kept = append(kept, it)
			continue
		}
		o.bytes -= int(it.size)
		messages += int(it.count)
		bytes += int(it.size)
		it.free()
	}
	clear(waiting[len(kept):])
	o.items = o.items[:int(o.head)+len(kept)]
	return messages, bytes
}

// oldest is when what waits longest was queued.
func (o *outbox) oldest() (tick, bool) {
	switch waiting := o.waiting(); {
	case o.partial != nil:
		return o.partial.at, true
	case len(waiting) > 0:
		return waiting[0].at, true
	}
	return 0, false
}

func (it *item) free() {
	if it.owned {
		buffers.Put(it.b)
	}
	it.b = nil
}
