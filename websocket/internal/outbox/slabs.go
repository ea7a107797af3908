// Where the items of an outbox are kept: in slices that go round, as most outboxes are empty most of the time.

package outbox

import "sync"

// slabs are slices of items, of three sizes. What waits longer than that, a slow peer's queue, is made for it alone.
var slabs = [...]struct {
	size int
	pool *sync.Pool
}{
	{8, &sync.Pool{New: func() any { return new([8]Item) }}},
	{64, &sync.Pool{New: func() any { return new([64]Item) }}},
	{512, &sync.Pool{New: func() any { return new([512]Item) }}},
}

// slab returns an empty slice with room for n items or more.
func slab(n int) []Item {
	switch {
	case n <= 8:
		return slabs[0].pool.Get().(*[8]Item)[:0]
	case n <= 64:
		return slabs[1].pool.Get().(*[64]Item)[:0]
	case n <= 512:
		return slabs[2].pool.Get().(*[512]Item)[:0]
	}
	return make([]Item, 0, 2*n)
}

// recycle takes a slice of slab's back. All its items must be clear.
func recycle(s []Item) {
	switch cap(s) {
	case 8:
		slabs[0].pool.Put((*[8]Item)(s[:8]))
	case 64:
		slabs[1].pool.Put((*[64]Item)(s[:64]))
	case 512:
		slabs[2].pool.Put((*[512]Item)(s[:512]))
	}
}
