// What waits to be written to one connection, and what happens when it is too much.

package loop

import (
	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/wire"
)

// item is one thing that waits: itemCost is its size.
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
	hole                    // was a message, which a newer one has conflated
)

// itemCost is what an item takes beside its bytes, so that small ones that are shared count, too.
const itemCost = 64

// few is how many items may wait in buffers larger than they need. Many would hold far more than they count for.
const few = 8

// outbox is a queue of items. Its connection's lock guards it.
type outbox struct {
	items   []item // from head on; the first and the last of those are no holes
	head    int32
	leaving int32 // bytes that were taken and are being written
	late    *late // nil while the peer keeps up
	bytes   int   // in items and in the rest
}

// late is what an outbox has that does not empty.
type late struct {
	rest   item // of what has begun to leave: it must go first, whole
	begun  bool // there is a rest
	places map[string]int32
	holes  int
}

// searched is how many items are looked through for a key. Past it there is an index.
const searched = 32

func (o *outbox) waiting() []item { return o.items[o.head:] }

// length is how many items wait.
func (o *outbox) length() int {
	n := len(o.waiting())
	if o.late != nil {
		n -= o.late.holes
	}
	return n
}

// held is what the bound of the outbox is about.
func (o *outbox) held() int { return o.bytes + o.length()*itemCost }

func (o *outbox) begun() bool { return o.late != nil && o.late.begun }

func (o *outbox) empty() bool { return len(o.waiting()) == 0 && !o.begun() }

// add queues it.
func (o *outbox) add(it item) {
	if len(o.items) == cap(o.items) {
		o.makeRoom()
	}
	it.measure()
	it.count = 1
	o.items = append(o.items, it)
	o.bytes += int(it.size)
	if it.key != "" && o.late != nil && o.late.places != nil {
		o.late.places[it.key] = int32(len(o.items) - 1)
	}
}

// makeRoom makes room for another item: by moving up if that frees half the slice, so that it is seldom.
func (o *outbox) makeRoom() {
	if o.items != nil && o.length() < len(o.items)/2 {
		o.keep(func(*item) bool { return true })
		return
	}
	larger := slab(len(o.items) + 1)
	larger = append(larger, o.items...)
	clear(o.items)
	recycle(o.items)
	o.items = larger
}

// keep moves the items up that are to be kept.
func (o *outbox) keep(wanted func(*item) bool) {
	kept := o.items[:0]
	waiting := o.waiting()
	for i := range waiting {
		if it := &waiting[i]; it.kind != hole && wanted(it) {
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
	if o.begun() {
		batch = append(batch, o.late.rest)
		size = int(o.late.rest.size)
		o.late.rest, o.late.begun = item{}, false
	}
	for int(o.head) < len(o.items) {
		it := &o.items[o.head]
		if size > 0 && size+int(it.size) > coalesce {
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

// putBack returns the rest of what was taken and could not be written.
func (o *outbox) putBack(rest item) {
	rest.measure()
	if o.late == nil {
		o.late = new(late)
	}
	o.leaving = 0
	o.late.rest, o.late.begun = rest, true
	o.bytes += int(rest.size)
}

// release gives the slice of items back, which is clear.
func (o *outbox) release() {
	recycle(o.items)
	o.items, o.head = nil, 0
	if o.late != nil {
		o.late.places, o.late.holes = nil, 0
		if !o.late.begun {
			o.late = nil
		}
	}
}

// clear drops everything, and returns how many messages of how many bytes that was. With keepRest what has begun to leave
// stays, for a Close frame to follow it.
func (o *outbox) clear(keepRest bool) (messages, bytes int) {
	waiting := o.waiting()
	for i := range waiting {
		if waiting[i].kind == message {
			messages += int(waiting[i].count)
			bytes += int(waiting[i].size)
		}
		waiting[i].free()
	}
	clear(waiting)
	o.bytes, o.leaving = 0, 0
	if o.begun() && keepRest {
		o.bytes = int(o.late.rest.size)
	} else if o.begun() {
		o.late.rest.free()
		o.late.begun = false
	}
	o.release()
	return messages, bytes
}

// conflate queues it, and takes out the message with the same key that waits, if one does.
func (o *outbox) conflate(it item) (old item, ok bool) {
	i, ok := o.find(it.key)
	if ok {
		old = o.items[i]
		o.bytes -= int(old.size)
		o.remove(i)
	}
	o.add(it)
	return old, ok
}

// find is where the message with this key waits.
func (o *outbox) find(key string) (int, bool) {
	waiting := o.waiting()
	if o.late == nil || o.late.places == nil {
		if len(waiting) <= searched {
			for i := range waiting {
				if waiting[i].key == key && waiting[i].kind == message {
					return int(o.head) + i, true
				}
			}
			return 0, false
		}
		o.index()
	}
	i, ok := o.late.places[key]
	return int(i), ok
}

// index notes where the messages with keys are.
func (o *outbox) index() {
	if o.late == nil {
		o.late = new(late)
	}
	o.late.places = make(map[string]int32, len(o.items))
	for i := int(o.head); i < len(o.items); i++ {
		if it := &o.items[i]; it.key != "" {
			o.late.places[it.key] = int32(i)
		}
	}
}

// remove takes out a message. Another must be queued at once: the last item may be a hole now.
func (o *outbox) remove(i int) {
	if o.late == nil || o.late.places == nil {
		copy(o.items[i:], o.items[i+1:])
		last := len(o.items) - 1
		o.items[last] = item{}
		o.items = o.items[:last]
		return
	}
	o.forget(&o.items[i])
	o.items[i].kind = hole
	o.late.holes++
	o.skipHoles()
}

// forget clears an item that leaves the queue.
func (o *outbox) forget(it *item) {
	if it.key != "" && o.late != nil && o.late.places != nil {
		delete(o.late.places, it.key)
	}
	*it = item{}
}

// skipHoles makes the first item none.
func (o *outbox) skipHoles() {
	if o.late == nil {
		return
	}
	for ; o.late.holes > 0 && o.items[o.head].kind == hole; o.head++ {
		o.items[o.head] = item{}
		o.late.holes--
	}
}

// dropOldest drops messages from the front until no more than limit bytes are held; the newest stays in any case. It
// returns how many it dropped, of how many bytes.
func (o *outbox) dropOldest(limit int) (messages, bytes int) {
	end := int(o.head)
	for held := o.held(); held > limit && end < len(o.items)-1; end++ {
		switch it := &o.items[end]; it.kind {
		case message:
			held -= int(it.size) + itemCost
			messages += int(it.count)
			bytes += int(it.size)
			it.free()
			o.forget(it)
		case hole:
			o.late.holes--
		}
	}
	o.bytes -= bytes
	start := end // of what waits then: the few controls that were met move up, the many behind them stay where they are
	for i := end - 1; i >= int(o.head); i-- {
		if o.items[i].kind == control {
			start--
			o.items[start] = o.items[i]
		}
	}
	clear(o.items[o.head:start])
	o.head = int32(start)
	o.skipHoles()
	return messages, bytes
}

// dropAged drops messages that were queued before since.
func (o *outbox) dropAged(since tick) (messages, bytes int) {
	o.keep(func(it *item) bool {
		if it.kind != message || !it.at.before(since) {
			return true
		}
		messages += int(it.count)
		bytes += int(it.size)
		it.free()
		return false
	})
	o.bytes -= bytes
	return messages, bytes
}

// oldest is when what waits longest was queued.
func (o *outbox) oldest() (tick, bool) {
	switch waiting := o.waiting(); {
	case o.begun():
		return o.late.rest.at, true
	case len(waiting) > 0:
		return waiting[0].at, true
	}
	return 0, false
}

// trim moves the bytes to a slice of their size, if they have one of the buffers' that is far larger.
func (it *item) trim() {
	if it.owned && cap(it.b) > 2*len(it.b) {
		b := append([]byte(nil), it.b...)
		buffers.Put(it.b)
		it.b, it.owned = b, false
	}
}

func (it *item) free() {
	if it.owned {
		buffers.Put(it.b)
	}
	it.b = nil
}
