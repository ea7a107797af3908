// Where the items of an outbox are kept: in slices that go round, as most outboxes are empty most of the time.

package loop

import "sync"

// slabs are slices of items, of three sizes. What waits longer than that, a slow peer's queue, is made for it alone.
var slabs = [...]struct {
	size int
	pool *sync.Pool
}{
	{8, &sync.Pool{New: func() any { return new([8]item) }}},
	{64, &sync.Pool{New: func() any { return new([64]item) }}},
	{512, &sync.Pool{New: func() any { return new([512]item) }}},
}

// slab returns an empty slice with room for n items or more.
func slab(n int) []item {
	switch {
	case n <= 8:
		return slabs[0].pool.Get().(*[8]item)[:0]
	case n <= 64:
		return slabs[1].pool.Get().(*[64]item)[:0]
	case n <= 512:
		return slabs[2].pool.Get().(*[512]item)[:0]
	}
	return make([]item, 0, 2*n)
}

// recycle takes a slice of slab's back. All its items must be clear.
func recycle(s []item) {
	switch cap(s) {
	case 8:
		slabs[0].pool.Put((*[8]item)(s[:8]))
	case 64:
		slabs[1].pool.Put((*[64]item)(s[:64]))
	case 512:
		slabs[2].pool.Put((*[512]item)(s[:512]))
	}
}
