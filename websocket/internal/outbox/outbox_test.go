// What the outbox holds, and what it costs.

package outbox

import (
	"fmt"
	"testing"
)

// An idle connection holds nothing: the slice of items goes back when it is empty.
func TestAnEmptyOutboxHoldsNothing(t *testing.T) {
	m := model{t: t}
	for _, n := range []int{1, 8, 9, 64, 65, 512, 513, 10_000} {
		for range n {
			m.add(Message, 10, "", true)
		}
		for len(m.waiting) > 0 {
			m.take(1 << 20)
		}
		if m.out.items != nil || m.out.late != nil || m.out.head != 0 {
			t.Errorf("%d items are held", cap(m.out.items))
		}
	}
}

// Dropping one for each that is added must not cost more with many that wait.
func TestDroppingTheOldestTouchesFew(t *testing.T) {
	var o Queue
	const many = 100_000
	b := make([]byte, 10)
	for range many {
		o.Add(Item{Bytes: b})
	}
	moved := 0
	for range 2 * many {
		first := &o.waiting()[len(o.waiting())-1]
		o.Add(Item{Bytes: b})
		if &o.waiting()[len(o.waiting())-2] != first {
			moved++
		}
		o.DropOldest(many * (len(b) + ItemCost))
	}
	if moved > 8 {
		t.Errorf("all %d items were moved %d times", many, moved)
	}
	if len(o.waiting()) != many || cap(o.items) > 4*many {
		t.Errorf("%d wait in room for %d", len(o.waiting()), cap(o.items))
	}
}

// A queue of many keys is not searched for each message, and does not grow by what was conflated.
func TestConflatingManyKeysKeepsOneOfEach(t *testing.T) {
	var o Queue
	const keys, rounds = 2_000, 20
	for round := range rounds {
		for key := range keys {
			_, ok := o.Conflate(Item{Bytes: []byte{1}, Key: fmt.Sprint(key)})
			if ok != (round > 0) {
				t.Fatalf("round %d, key %d: replaced %t", round, key, ok)
			}
		}
		o.Add(Item{Bytes: []byte{1}, Kind: Control})
	}
	if n := o.Len(); n != keys+rounds || cap(o.items) > 8*keys {
		t.Errorf("%d items wait in room for %d, want %d", n, cap(o.items), keys+rounds)
	}
}

// BenchmarkOutbox is what each delivery of a fan-out costs the queue, with so many under way. Nothing is allocated.
func BenchmarkOutbox(b *testing.B) {
	frame := make([]byte, 128)
	for _, depth := range []int{1, 8, 16, 64, 100, 512} {
		b.Run(fmt.Sprint(depth), func(b *testing.B) {
			b.ReportAllocs()
			var o Queue
			var batch []Item
			for b.Loop() {
				for range depth {
					o.Add(Item{Bytes: frame})
				}
				for batch = o.Take(batch[:0]); len(batch) > 0; batch = o.Take(batch[:0]) {
				}
			}
		})
	}
}
