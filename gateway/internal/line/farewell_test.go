package line

import (
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
)

func TestAFarewellTakesTheWindowOrLessWhereClientsAreFew(t *testing.T) {
	for _, c := range []struct {
		proves         string
		window         time.Duration
		clients        int
		spread, within time.Duration
	}{
		{"many take all of it", 10 * time.Second, 100_000, 10 * time.Second, 10 * time.Second},
		{"few take 10 ms each, and come back over three seconds", 10 * time.Second, 7, 70 * time.Millisecond, 3 * time.Second},
		{"what lies between", 10 * time.Second, 500, 5 * time.Second, 5 * time.Second},
		{"a window below three seconds bounds both", time.Second, 7, 70 * time.Millisecond, time.Second},
		{"nobody is there", time.Second, 0, 0, time.Second},
		{"no window", 0, 1000, 0, 0},
		{"less than none", -time.Second, 1000, 0, 0},
	} {
		if f := farewellOver(c.window, c.clients); f.spread != c.spread || f.within != c.within {
			t.Errorf("%s: %+v, want %v and %v", c.proves, f, c.spread, c.within)
		}
	}
}

func TestTimesToComeBackAreSpreadOverTheWindow(t *testing.T) {
	f := farewellOver(8*time.Second, 10_000)
	ls := new(Lines)
	ls.farewell.Store(&f)
	const draws, parts = 8000, 8
	var back, turns [parts]int
	for range draws {
		back[ls.ComeBack()/time.Second]++ // beyond the window it panics
		turns[ls.Turn()/time.Second]++
	}
	for i := range parts {
		for what, n := range map[string]int{"come back": back[i], "are told": turns[i]} {
			if n < draws/parts/2 || n > draws/parts*2 {
				t.Errorf("of %d clients %d %s in second %d of %d", draws, n, what, i, parts)
			}
		}
	}
}

func TestRefusalsOfAShutdownAreToldARandomTime(t *testing.T) {
	f := farewellOver(20*time.Second, 10_000)
	ls := new(Lines)
	ls.farewell.Store(&f)
	seen := make(map[string]bool)
	for range 1000 {
		seen[ls.RetryAfter(hub.Errorf(hub.ShuttingDown, "going"))] = true
	}
	if len(seen) < 15 || seen["0"] || seen["21"] {
		t.Errorf("Retry-After is one of %v", seen)
	}
	if got := ls.RetryAfter(hub.Errorf(hub.Full, "full")); got != "5" {
		t.Errorf("Retry-After of another refusal is %q", got)
	}
	if got := ls.RetryAfter(hub.Errorf(hub.NotAllowed, "no")); got != "" {
		t.Errorf("Retry-After where it does not help is %q", got)
	}
}
