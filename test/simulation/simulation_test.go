package simulation

import (
	"flag"
	"math/rand/v2"
	"strconv"
	"testing"
)

var seedFlag = flag.Uint64("seed", 0, "play this `seed` alone")

func TestNothingIsLostUnnoticedWhateverTheNetworkDoes(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, rand.Uint64N(1_000_000)}
	if *seedFlag != 0 {
		seeds = []uint64{*seedFlag}
	}
	for _, seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			log, err := Run(t.Context(), seed)
			entries := log.Entries()
			faults := Check(ruleOf, entries)
			if err != nil || len(faults) > 0 {
				t.Errorf("seed %d; replay it by: go test ./test/simulation -run Whatever -seed %[1]d", seed)
			}
			if err != nil {
				t.Error(err)
			}
			if len(faults) > 0 {
				t.Errorf("%d faults; the first is: %v\n%s", len(faults), faults[0], Excerpt(entries, faults[0], 40))
			}
			for _, f := range faults[min(1, len(faults)):min(10, len(faults))] {
				t.Logf("then: %v", f)
			}
			t.Log(Summary(entries))
		})
	}
}
