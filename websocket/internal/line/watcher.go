// Contexts that interrupt: the bridge from a context to a connection's deadline.

package line

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// longAgo as a deadline interrupts at once.
var longAgo = time.Unix(1, 0)

// interrupter lets contexts interrupt one direction of a connection. Its zero value is ready.
type interrupter struct{ watcher atomic.Pointer[watcher] }

// watch makes ctx the one that interrupts, in place of whichever was before. The error is that of a ctx that has ended.
func (i *interrupter) watch(ctx context.Context, l *Line, writes bool) error {
	if i.watcher.Load() == nil && ctx.Done() == nil { // the common case, made small enough to be inlined
		return nil
	}
	return i.change(ctx, l, writes)
}

func (i *interrupter) change(ctx context.Context, l *Line, writes bool) error {
	done := ctx.Done()
	if w := i.watcher.Load(); w != nil {
		if w.done == done {
			return ctx.Err()
		}
		i.forget()
	}
	if done == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &watcher{done: done, line: l, writes: writes}
	w.stop = context.AfterFunc(ctx, w.trip)
	i.watcher.Store(w)
	if l.left.Load() { // whoever left may have been too early to see it
		i.forget()
	}
	return nil
}

// settle gives an error of the socket the name of its cause: the context, if it was that which interrupted.
func (i *interrupter) settle(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if cause := ctx.Err(); cause != nil {
			i.forget() // takes the past deadline away again
			return cause
		}
	}
	return err
}

// forget takes the present context off. It may be called from any goroutine.
func (i *interrupter) forget() {
	if w := i.watcher.Swap(nil); w != nil {
		w.release()
	}
}

// watcher interrupts when its context ends. It is kept from one call to the next: callers use the same context again and
// again, and setting up the interruption costs more than a small read.
type watcher struct {
	done   <-chan struct{} // of the context; tells whether a call comes with the same one
	stop   func() bool
	line   *Line
	writes bool

	mu       sync.Mutex
	released bool
	tripped  bool // the deadline is in the past by our doing
}

// trip runs when the context ends.
func (w *watcher) trip() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.released {
		w.tripped = true
		w.setDeadline(longAgo)
	}
}

// release ends the watch and undoes what it did to the connection.
func (w *watcher) release() {
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.released = true
	if w.tripped {
		w.setDeadline(time.Time{})
	}
}

func (w *watcher) setDeadline(t time.Time) {
	l := w.line
	l.deadlines.Lock()
	defer l.deadlines.Unlock()
	switch {
	case l.left.Load():
	case w.writes:
		l.nc.SetWriteDeadline(t)
	default:
		l.nc.SetReadDeadline(t)
	}
}
