//go:build !race

// Without the race detector, which has pools forget.

package loop

import "testing"

func TestAFanOutAllocatesNothing(t *testing.T) {
	frame := make([]byte, 128)
	for _, depth := range []int{1, 8, 16, 64, 100, 512} {
		var o outbox
		batch := make([]item, 0, depth)
		allocs := testing.AllocsPerRun(100, func() {
			for range depth {
				o.add(item{b: frame})
			}
			for batch = o.take(batch[:0]); len(batch) > 0; batch = o.take(batch[:0]) {
			}
		})
		if allocs >= 1 {
			t.Errorf("%d in flight: %v allocations", depth, allocs)
		}
	}
}
