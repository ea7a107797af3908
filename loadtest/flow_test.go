package loadtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFlowWaitsForWhatIsOnItsWay(t *testing.T) {
	const duration, patience = 10 * time.Second, 5 * time.Second
	closed := make(chan struct{})
	close(closed)
	for _, test := range []struct {
		name         string
		arrivesAfter time.Duration // 0: never
		enough, over <-chan struct{}
		cancelAfter  time.Duration
		missing      int
		took         time.Duration
	}{
		{name: "all arrives early", arrivesAfter: time.Second, took: duration},
		{name: "all arrives late", arrivesAfter: 12 * time.Second, took: 12 * time.Second},
		{name: "nothing arrives", missing: 3, took: duration + patience},
		{name: "enough", enough: closed, arrivesAfter: 2 * time.Second, took: 2 * time.Second},
		{name: "over", over: closed},
		{name: "cancelled", cancelAfter: 4 * time.Second, took: 4 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				f := newFlow()
				if !f.begin(3) {
					t.Fatal("a fresh flow lets nothing through")
				}
				if test.arrivesAfter > 0 {
					time.AfterFunc(test.arrivesAfter, func() { f.end(3) })
				}
				if test.cancelAfter > 0 {
					time.AfterFunc(test.cancelAfter, cancel)
				}
				began := time.Now()
				missing := f.run(ctx, duration, patience, test.enough, test.over)
				if took := time.Since(began); missing != test.missing || took != test.took {
					t.Errorf("%d missing after %v, want %d after %v", missing, took, test.missing, test.took)
				}
				if f.begin(1) {
					t.Error("a flow that has stopped lets a message through")
				}
				time.Sleep(time.Minute) // the fake clock's: for the timers
			})
		})
	}
}

func TestAPaceSpreadsMessagesOverSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow()
		start := time.Now()
		for sender, want := range []time.Duration{0, 100 * time.Millisecond} {
			p := newPace(start, 10, sender, 2) // 10 a second, by two in turn
			for n := range 3 {
				due, ok := p.wait(n, f, nil)
				if want := want + time.Duration(n)*200*time.Millisecond; !ok || due.Sub(start) != want || time.Since(start) < want {
					t.Errorf("message %d of sender %d is due after %v and sent after %v, want %v", n, sender, due.Sub(start), time.Since(start), want)
				}
			}
		}
		close(f.stopped)
		if _, ok := newPace(time.Now(), 0.001, 1, 2).wait(0, f, nil); ok {
			t.Error("a message is due after the flow has stopped")
		}
		if due, ok := (pace{}).wait(0, f, nil); !ok || !due.IsZero() {
			t.Error("without a rate a message has to wait")
		}
	})
}
