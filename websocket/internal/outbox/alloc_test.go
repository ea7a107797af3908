//go:build !race

// Without the race detector, which has pools forget.

package outbox

import "testing"

func TestAFanOutAllocatesNothing(t *testing.T) {
	frame := make([]byte, 128)
	for _, depth := range []int{1, 8, 16, 64, 100, 512} {
		var o Queue
		batch := make([]Item, 0, depth)
		allocs := testing.AllocsPerRun(100, func() {
			for range depth {
				o.Add(Item{Bytes: frame})
			}
			for batch = o.Take(batch[:0]); len(batch) > 0; batch = o.Take(batch[:0]) {
			}
		})
		if allocs >= 1 {
			t.Errorf("%d in flight: %v allocations", depth, allocs)
		}
	}
}
