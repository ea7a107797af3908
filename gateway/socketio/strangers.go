// Connections that are in no namespace, which they may be for a while. All may be for equally long, so they stand in one list in the order of
// their times, and one timer serves its head.

package socketio

import (
	"container/list"
	"sync"
	"time"
)

// strangers are the connections of a server that are in no namespace.
type strangers struct {
	patience time.Duration
	cut      func(*conn) // is called for each whose time is over

	mu    sync.Mutex // guards what follows, and conn.place; nothing else is locked under it
	all   list.List  // of stranger
	timer *time.Timer
}

type stranger struct {
	*conn
	until time.Time
}

// add begins a connection's time, unless it has begun.
func (w *strangers) add(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.place != nil {
		return
	}
	c.place = w.all.PushBack(stranger{c, time.Now().Add(w.patience)})
	if w.all.Len() == 1 {
		w.arm(w.patience)
	}
}

// remove ends a connection's time.
func (w *strangers) remove(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.place == nil {
		return
	}
	w.all.Remove(c.place)
	if c.place = nil; w.all.Len() == 0 {
		w.timer.Stop()
	}
}

// arm is called with the lock.
func (w *strangers) arm(after time.Duration) {
	if w.timer == nil {
		w.timer = time.AfterFunc(after, w.sweep)
	} else {
		w.timer.Reset(after)
	}
}

// sweep cuts those whose time is over. The timer calls it.
func (w *strangers) sweep() {
	for _, c := range w.due() {
		w.cut(c)
	}
}

// due takes those out of the list whose time is over.
func (w *strangers) due() (over []*conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for front := w.all.Front(); front != nil; front = w.all.Front() {
		first := front.Value.(stranger)
		if wait := first.until.Sub(now); wait > 0 {
			w.arm(wait)
			break
		}
		w.all.Remove(front)
		first.place = nil
		over = append(over, first.conn)
	}
	return over
}
