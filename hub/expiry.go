// The end of sessions whose identity has one.

package hub

import (
	"container/heap"
	"sync"
	"time"
)

// expiry ends sessions at the end of their identity, up to a second late. The zero value is ready.
type expiry struct {
	mu    sync.Mutex // guards what follows
	queue byExpiry
	timer *time.Timer
	due   time.Time // when the timer is
}

// expiring is a session in the queue.
type expiring struct {
	session *Session
	at      time.Time
	index   int
}

// set has the session end at a time, or not at all if that is zero.
func (e *expiry) set(s *Session, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case s.expires == nil && at.IsZero():
		return
	case s.expires == nil:
		s.expires = &expiring{session: s, at: at}
		heap.Push(&e.queue, s.expires)
	case at.IsZero():
		heap.Remove(&e.queue, s.expires.index)
		s.expires = nil
	default:
		s.expires.at = at
		heap.Fix(&e.queue, s.expires.index)
	}
	e.arm()
}

// arm sets the timer for the first in the queue. Called with the lock.
func (e *expiry) arm() {
	if len(e.queue) == 0 {
		return
	}
	next := e.queue[0].at
	if e.timer != nil && !next.Before(e.due) {
		return
	}
	if e.timer != nil {
		e.timer.Stop()
	}
	e.due = next
	e.timer = time.AfterFunc(max(time.Until(next), 0)+time.Second, e.run)
}

// run ends those that are due.
func (e *expiry) run() {
	for _, s := range e.take(time.Now()) {
		s.End(Errorf(TokenExpired, "the token has expired; come back with a new one"))
	}
}

func (e *expiry) take(now time.Time) (due []*Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.queue) > 0 && !e.queue[0].at.After(now) {
		first := heap.Pop(&e.queue).(*expiring)
		first.session.expires = nil
		due = append(due, first.session)
	}
	e.timer = nil
	e.arm()
	return due
}

// byExpiry is a heap, the first to end on top.
type byExpiry []*expiring

func (q byExpiry) Len() int           { return len(q) }
func (q byExpiry) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q byExpiry) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *byExpiry) Push(x any) {
	x.(*expiring).index = len(*q)
	*q = append(*q, x.(*expiring))
}

func (q *byExpiry) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return x
}
