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

// errExpired tells the client of a session that its end has come.
var errExpired error = &Error{Code: TokenExpired, Message: "the token has expired; come back with a new one"}

// set has the session end at a time, or not at all if that is zero.
func (e *expiry) set(s *Session, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.put(s, at)
}

// renew is set for a session that has an end. It reports false, and changes nothing, if that has come already.
func (e *expiry) renew(s *Session, at time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.expires == nil {
		return false
	}
	e.put(s, at)
	return true
}

// put is set with the lock.
func (e *expiry) put(s *Session, at time.Time) {
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
	wait := min(max(time.Until(next), 0), longestWait)
	e.due = time.Now().Add(wait)
	e.timer = time.AfterFunc(wait+time.Second, e.run)
}

// longestWait is after how long the queue is looked at in any case. Ends may be further away than a time.Duration can say.
const longestWait = time.Hour

// run ends those that are due.
func (e *expiry) run() {
	for _, s := range e.take(time.Now()) {
		s.End(errExpired)
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
