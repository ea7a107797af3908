package sparing_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/internal/sparing"
)

func TestSoManyLinesASecondAreWrittenAndTheRestIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines sparing.Lines
		for second := range 3 {
			for i := range 1000 {
				unlogged, ok := lines.Due()
				if ok != (i < sparing.PerSecond) {
					t.Fatalf("line %d of second %d: %v", i, second, ok)
				}
				if want := map[bool]int{true: 1000 - sparing.PerSecond}[i == 0 && second > 0]; unlogged != want {
					t.Fatalf("line %d of second %d tells of %d that were not written, want %d", i, second, unlogged, want)
				}
			}
			time.Sleep(time.Second)
		}
	})
}
