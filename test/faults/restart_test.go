//go:build unix

// One node and its state file.

package faults

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/test/simulation"
)

const (
	window = 3 * time.Second // drain.window
	each   = 14              // readers of a transport
)

func TestNothingIsLostWhenANodeIsRestartedUnderTraffic(t *testing.T) {
	t.Parallel()
	flags := []string{"--set", "state.file=" + filepath.Join(t.TempDir(), "state"), "--set", "drain.window=" + window.String()}
	node := serve(t, "127.0.0.1:0", flags...)
	f := begin(t, node.address, each, simulation.Raw, simulation.Native, simulation.SSE, simulation.LongPoll, goClient)
	again := node
	f.under(t, func() {
		node.stop(t)
		again = serve(t, node.address, flags...)
	})
	f.end()
	f.crowd.cameBackAsTold(t)
	again.stop(t)
	if !strings.Contains(node.log.String(), "saved the state") || !strings.Contains(again.log.String(), "loaded the saved state") {
		t.Error("the logs do not tell of the state")
	}
}

// cameBackAsTold checks when the readers were told to come back, and that they tried then. How late a busy machine is does not matter.
func (c *crowd) cameBackAsTold(t *testing.T) {
	t.Helper()
	const parts = 6
	var told, returned [parts]int
	var first time.Time
	untold := 0
	for _, r := range c.readers {
		if r.gone.IsZero() && r.over == simulation.LongPoll {
			untold++ // it was between two polls when the node closed its port
			continue
		}
		if r.gone.IsZero() || r.back.IsZero() {
			t.Errorf("%s was not told to go, or has not come back", r.name)
			return
		}
		if first.IsZero() || r.gone.Before(first) {
			first = r.gone
		}
	}
	if untold == each {
		t.Error("nobody who polls was told to go")
	}
	timed := 0
	for _, r := range c.readers {
		if r.gone.IsZero() {
			continue
		}
		if r.told > window+client.DefaultMinBackoff || r.back.Sub(r.gone) < r.told {
			t.Errorf("%s was to come back after %v, and did after %v; the window is %v", r.name, r.told, r.back.Sub(r.gone), window)
		}
		returned[min(parts-1, int(r.back.Sub(first)*parts/(2*window)))]++
		if r.over != simulation.Raw { // which draws the time itself
			timed++
			told[min(parts-1, int(r.told*parts/window))]++
		}
	}
	t.Logf("told to come back, by sixths of the window: %v; back, by thirds of it: %v", told, returned)
	for i := range parts { // 9 of 56 are to be expected, with a deviation of 3
		if told[i] > timed/2 {
			t.Errorf("%d of %d were told to come back in part %d of %d of the window", told[i], timed, i+1, parts)
		}
	}
	if returned[0] > len(c.readers)*2/3 { // a third is to be expected at most; a slow machine moves them on
		t.Errorf("%d of %d came back in the first third of the window", returned[0], len(c.readers))
	}
}
