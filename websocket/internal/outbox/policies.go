// What is dropped when too much waits: the messages that wait longest, or all but the newest of each key.

package outbox

import "github.com/ringdown/ringdown/websocket/internal/wheel"

// searched is how many items are looked through for a key. Past it there is an index.
const searched = 32

// Conflate queues it, and drops the message with the same key that waits, if one does: ok and its size in bytes say so.
func (o *Queue) Conflate(it Item) (bytes int, ok bool) {
	i, ok := o.find(it.Key)
	if ok {
		old := &o.items[i]
		bytes = int(old.size)
		o.bytes -= bytes
		old.Free()
		o.remove(i)
	}
	o.Add(it)
	return bytes, ok
}

// find is where the message with this key waits.
func (o *Queue) find(key string) (int, bool) {
	waiting := o.waiting()
	if o.late == nil || o.late.places == nil {
		if len(waiting) <= searched {
			for i := range waiting {
				if waiting[i].Key == key && waiting[i].Kind == Message {
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
func (o *Queue) index() {
	if o.late == nil {
		o.late = new(late)
	}
	o.late.places = make(map[string]int32, len(o.items))
	for i := int(o.head); i < len(o.items); i++ {
		if it := &o.items[i]; it.Key != "" {
			o.late.places[it.Key] = int32(i)
		}
	}
}

// remove takes out a message. Another must be queued at once: the last item may be a hole now.
func (o *Queue) remove(i int) {
	if o.late == nil || o.late.places == nil {
		copy(o.items[i:], o.items[i+1:])
		last := len(o.items) - 1
		o.items[last] = Item{}
		o.items = o.items[:last]
		return
	}
	o.forget(&o.items[i])
	o.items[i].Kind = hole
	o.late.holes++
	o.skipHoles()
}

// forget clears an item that leaves the queue.
func (o *Queue) forget(it *Item) {
	if it.Key != "" && o.late != nil && o.late.places != nil {
		delete(o.late.places, it.Key)
	}
	*it = Item{}
}

// skipHoles makes the first item none.
func (o *Queue) skipHoles() {
	if o.late == nil {
		return
	}
	for ; o.late.holes > 0 && o.items[o.head].Kind == hole; o.head++ {
		o.items[o.head] = Item{}
		o.late.holes--
	}
}

// DropOldest drops messages from the front until no more than limit bytes are held; the newest stays in any case. It
// returns how many it dropped, of how many bytes.
func (o *Queue) DropOldest(limit int) (messages, bytes int) {
	end := int(o.head)
	for held := o.Held(); held > limit && end < len(o.items)-1; end++ {
		switch it := &o.items[end]; it.Kind {
		case Message:
			held -= int(it.size) + ItemCost
			messages += int(it.count)
			bytes += int(it.size)
			it.Free()
			o.forget(it)
		case hole:
			o.late.holes--
		}
	}
	o.bytes -= bytes
	start := end // of what waits then: the few controls that were met move up, the many behind them stay where they are
	for i := end - 1; i >= int(o.head); i-- {
		if o.items[i].Kind == Control {
			start--
			o.items[start] = o.items[i]
		}
	}
	clear(o.items[o.head:start])
	o.head = int32(start)
	o.skipHoles()
	return messages, bytes
}

// DropAged drops messages that were queued before since.
func (o *Queue) DropAged(since wheel.Tick) (messages, bytes int) {
	o.keep(func(it *Item) bool {
		if it.Kind != Message || !it.At.Before(since) {
			return true
		}
		messages += int(it.count)
		bytes += int(it.size)
		it.Free()
		return false
	})
	o.bytes -= bytes
	return messages, bytes
}
