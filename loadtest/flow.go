// When messages flow and when they stop: what echo and fan-out have in common.

package loadtest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// flow counts what is on its way. Once it is stopped nothing more is sent, and it is dry when all has arrived.
type flow struct {
	stopped chan struct{}
	dry     chan struct{}
	drying  sync.Once
	onWay   atomic.Int64 // includes one that stands for the flow itself, until it is stopped
}

func newFlow() *flow {
	f := &flow{stopped: make(chan struct{}), dry: make(chan struct{})}
	f.onWay.Store(1)
	return f
}

// begin says that n messages will be on their way; false means that they must not be sent.
func (f *flow) begin(n int) bool {
	f.onWay.Add(int64(n))
	select {
	case <-f.stopped:
		f.end(n)
		return false
	default:
		return true
	}
}

// end says that n messages have arrived, or never will.
func (f *flow) end(n int) {
	if f.onWay.Add(-int64(n)) == 0 {
		f.drying.Do(func() { close(f.dry) })
	}
}

// run lets messages flow for a time, and then waits for what is on its way. It returns how many messages were then still
// missing. ctx ends it early; so does enough, after which what is on its way is still waited for, and over, after which
// nothing is.
func (f *flow) run(ctx context.Context, d, patience time.Duration, enough, over <-chan struct{}) (missing int) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-enough:
	case <-over:
	}
	close(f.stopped)
	f.end(1)
	timer.Reset(patience)
	select {
	case <-f.dry:
		return 0
	case <-over:
		return 0 // what was on the way has been lost together with its connection, and was counted
	case <-ctx.Done():
		return 0 // somebody is impatient
	case <-timer.C:
		return int(f.onWay.Load())
	}
}

// A pace says when messages are due. The zero pace is as fast as can be.
type pace struct {
	start    time.Time
	interval time.Duration
}

// newPace spreads rate messages a second over a number of senders, of which this is the one with an index.
func newPace(start time.Time, rate float64, sender, senders int) pace {
	if rate == 0 {
		return pace{}
	}
	each := float64(time.Second) / rate
	return pace{
		start:    start.Add(time.Duration(each * float64(sender))),
		interval: max(time.Duration(each*float64(senders)), 1),
	}
}

// wait waits until message n is due and returns when that was, or zero when the message has no such time. It returns
// false when the flow has stopped.
func (p pace) wait(n int, f *flow, gone <-chan struct{}) (due time.Time, ok bool) {
	if p.interval == 0 {
		return due, true
	}
	due = p.start.Add(time.Duration(n) * p.interval)
	left := time.Until(due)
	if left <= 0 {
		return due, true
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return due, true
	case <-f.stopped:
	case <-gone:
	}
	return due, false
}
