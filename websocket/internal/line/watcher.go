// Contexts that interrupt: the bridge from a context to a connection's deadline.

package line

import (
	"context"
	"sync"
	"time"
)

// longAgo as a deadline interrupts at once.
var longAgo = time.Unix(1, 0)

// watcher interrupts one direction of a connection when its context ends. It is kept from one call to the next: callers
// use the same context again and again, and setting up the interruption costs more than a small read.
type watcher struct {
	done <-chan struct{} // of the context; tells whether a call comes with the same one
	stop func() bool

	mu      sync.Mutex
	set     func(time.Time) error // nil once released
	tripped bool                  // the deadline is in the past by our doing
}

// watch makes ctx the one that interrupts, in place of whichever was before. The error is that of a ctx that has ended.
func watch(slot **watcher, ctx context.Context, set func(time.Time) error) error {
	done := ctx.Done()
	if w := *slot; w != nil {
		if w.done == done {
			return ctx.Err()
		}
		w.release()
		*slot = nil
	}
	if done == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &watcher{done: done, set: set}
	w.stop = context.AfterFunc(ctx, w.trip)
	*slot = w
	return nil
}

// trip runs when the context ends.
func (w *watcher) trip() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.set != nil {
		w.tripped = true
		w.set(longAgo)
	}
}

// release ends the watch and undoes what it did to the connection.
func (w *watcher) release() {
	if w == nil {
		return
	}
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tripped {
		w.set(time.Time{})
		w.tripped = false
	}
	w.set = nil
}
