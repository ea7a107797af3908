package line

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
)

func TestLineIsWaitedForWhileItCatchesUpAndNoLongerThanPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Line{lines: &Lines{outbox: 1000, started: time.Now()}}
		for i, c := range []struct {
			after   time.Duration
			waiting int
			drained bool // the connection has told that a quarter was reached
			want    hub.Reception
			armed   bool
		}{
			{0, 500, false, hub.Taken, false},
			{0, 501, false, hub.Late, true},
			{patience / 2, 300, false, hub.Late, false}, // not caught up yet
			{0, 250, false, hub.Taken, false},           // caught up, and the notice is on its way
			{0, 500, true, hub.Taken, false},
			{0, 900, false, hub.Late, true},
			{patience - time.Millisecond, 900, false, hub.Late, false},
			{2 * time.Millisecond, 900, false, hub.Overdue, false}, // patience has run out
			{time.Second, 600, false, hub.Overdue, false},
			{0, 0, true, hub.Taken, false},
			{0, 600, false, hub.Late, true}, // and has come back
		} {
			time.Sleep(c.after)
			if c.drained {
				l.behind.Store(0)
			}
			if got, armed := l.judge(c.waiting); got != c.want || armed != c.armed {
				t.Errorf("step %d: with %d waiting it is %v, notice asked for: %v", i, c.waiting, got, armed)
			}
		}
	})
}

func TestPublisherPausesForLateLinesAndForItsLoop(t *testing.T) {
	var p pause
	for i := range gather - 1 {
		if _, ok := p.after(hub.Receipt{Subscribers: breath}); ok {
			t.Fatalf("paused after %d publications, which may have come together", i+1)
		}
	}
	p = pause{publications: gather}
	if _, ok := p.after(hub.Receipt{Subscribers: breath - 1}); ok {
		t.Error("paused before it was time to breathe")
	}
	if wait, ok := p.after(hub.Receipt{Subscribers: 1}); !ok || wait != 0 {
		t.Errorf("after %d deliveries: %v, %v", breath, wait, ok)
	}
	if _, ok := p.after(hub.Receipt{Subscribers: 1}); ok {
		t.Error("paused again at once")
	}
	if wait, ok := p.after(hub.Receipt{Subscribers: 5, Lagging: 1, Late: 1}); !ok || wait != CatchUp {
		t.Errorf("with a late line: %v, %v", wait, ok)
	}
	if _, ok := p.after(hub.Receipt{Subscribers: 5, Lagging: 1}); ok {
		t.Error("paused for a line that is overdue")
	}
}
