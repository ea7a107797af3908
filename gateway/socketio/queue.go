// How much of what a client sends waits for the handlers of its sockets, and when no more of it is read.

package socketio

import "sync"

const (
	// maxQueueBytes is how many bytes of events may wait for a connection's handlers before it is held back.
	maxQueueBytes = 1 << 20
	// whileAsked is by how much the bounds are larger while a handler waits for an acknowledgement of the client, which comes
	// behind the events that the client has sent before it heard the question.
	whileAsked = 8
	// eventCost and argumentCost are what an event and each of its arguments take beside their bytes.
	eventCost, argumentCost = 256, 24
)

// queue counts the events of a connection that wait for handlers, and those that are with one.
type queue struct {
	most int32 // events that may wait

	// mu guards what follows; nothing else is locked under it.
	mu      sync.Mutex
	events  int32 // that wait
	asked   int32 // acknowledgements that are waited for
	room    chan struct{}
	bytes   int // of the events that wait
	handled int // bytes of events that are with a handler
}

// costOf is what an event counts.
func costOf(size, arguments int) int { return size + eventCost + arguments*argumentCost }

// add counts an event that waits from now on. What it returns is closed when more may be read; nil is at once.
func (q *queue) add(cost int) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.events++
	q.bytes += cost
	if !q.full() {
		return nil
	}
	if q.room == nil {
		q.room = make(chan struct{})
	}
	return q.room
}

// full is called with the lock. The events that are with a handler count only where it cannot be the client for whom that waits.
func (q *queue) full() bool {
	if q.asked > 0 {
		return q.events >= whileAsked*q.most || q.bytes >= whileAsked*maxQueueBytes
	}
	return q.events >= q.most || q.bytes+q.handled >= maxQueueBytes
}

// begin notes that an event is with a handler.
func (q *queue) begin(cost int) { q.change(-1, -cost, cost, 0) }

// done notes that it has been handled.
func (q *queue) done(cost int) { q.change(0, 0, -cost, 0) }

// ask notes how many more acknowledgements are waited for.
func (q *queue) ask(more int) { q.change(0, 0, 0, more) }

func (q *queue) change(events, bytes, handled, asked int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.events += int32(events)
	q.bytes += bytes
	q.handled += handled
	q.asked += int32(asked)
	if q.room != nil && !q.full() {
		close(q.room)
		q.room = nil
	}
}
