// What a socket's handlers have to do, one after the other, on a goroutine that is there while there is something to do.
//
// Handlers may wait, for an acknowledgement of the same client, too, so they are kept off the connection, which goes on being read. Only
// when too many events wait is the connection held back; see queue.

package socketio

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// task is something that is done in the socket's order.
type task struct {
	run func()
	// otherwise it is an event
	event string
	args  Args
	ack   Ack
	cost  int // as its connection's queue counts
}

// tasks are those that wait. The zero value is empty.
type tasks struct {
	mu      sync.Mutex
	waiting []task
	running bool
}

// post adds a task.
func (s *Socket) post(t task) {
	q := &s.tasks
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, t)
	if !q.running {
		q.running = true
		s.conn.server.hands.work(s)
	}
}

// work does the tasks there are.
func (s *Socket) work() {
	for {
		batch := s.tasks.take()
		if batch == nil {
			return
		}
		for i := range batch {
			s.do(&batch[i])
		}
	}
}

// take takes all that wait; nil, if none do, ends the work.
func (q *tasks) take() []task {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch := q.waiting
	q.waiting = nil
	q.running = batch != nil
	return batch
}

// do does a task. What panics in the program's handlers harms nobody else.
func (s *Socket) do(t *task) {
	defer func() {
		if cause := recover(); cause != nil {
			s.conn.server.log.Error("a handler panicked", "namespace", s.nsp, "socket", s.id, "event", t.event, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
			t.ack.fail(internalProblem)
		}
	}()
	if t.run != nil {
		t.run()
		return
	}
	s.conn.queue.begin(t.cost)
	defer s.conn.queue.done(t.cost)
	s.dispatch(t.event, t.args, t.ack)
	s.rest()
}
