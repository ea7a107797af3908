//go:build !race

package deflate_test

// Allocations, which the race detector distorts: it makes pools forget.

import (
	"math/rand/v2"
	"testing"

	"github.com/ringdown/ringdown/websocket/internal/deflate"
)

func TestSteadyStateAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	messages := [][]byte{text(r, 1000), text(r, 1000), text(r, 600), text(r, 6000)}
	for _, takeover := range []bool{false, true} {
		for _, bits := range []int{8, 12, 15} {
			d, f := deflate.NewDeflator(takeover, bits, 1), deflate.NewInflator(takeover, bits)
			var compressed, plain []byte
			bounds := deflate.Bounds{Size: 1 << 20, Ratio: 100}
			round := func() {
				for _, m := range messages {
					compressed = d.Append(compressed[:0], m)
					var err error
					if plain, err = f.Append(plain[:0], compressed, bounds); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range 20 {
				round()
			}
			if got := testing.AllocsPerRun(200, round); got >= 1 { // a garbage collection may empty a pool
				t.Errorf("takeover %v, bits %d: %v allocations for %d messages", takeover, bits, got, len(messages))
			}
		}
	}
}
