package channelhttp

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
)

func TestLineIsWaitedForWhileItCatchesUpAndNoLongerThanPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{gateway: &Gateway{options: Options{OutboxBytes: 1000}, started: time.Now().Add(-time.Hour)}}
		for i, c := range []struct {
			after   time.Duration
			waiting int
			late    bool
		}{
			{0, 500, false},
			{0, 501, true},
			{patience / 2, 300, true}, // not caught up yet
			{0, 250, false},           // caught up
			{0, 500, false},
			{0, 900, true},
			{patience - 1, 900, true},
			{1, 900, false}, // patience has run out
			{time.Second, 600, false},
			{0, 0, false},
			{0, 600, true}, // and has come back
		} {
			time.Sleep(c.after)
			if got := l.lags(c.waiting); got != c.late {
				t.Errorf("step %d: with %d waiting, late is %v", i, c.waiting, got)
			}
		}
	})
}

func TestPublisherPausesForLateLinesAndForItsLoop(t *testing.T) {
	var p pause
	if _, ok := p.after(hub.Receipt{Taken: breath - 1}); ok {
		t.Error("paused before it was time to breathe")
	}
	if wait, ok := p.after(hub.Receipt{Taken: 1}); !ok || wait != 0 {
		t.Errorf("after %d deliveries: %v, %v", breath, wait, ok)
	}
	if _, ok := p.after(hub.Receipt{Taken: 1}); ok {
		t.Error("paused again at once")
	}
	if wait, ok := p.after(hub.Receipt{Taken: 5, Late: 1}); !ok || wait != catchUp {
		t.Errorf("with a late line: %v, %v", wait, ok)
	}
}
