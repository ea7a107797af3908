// Where events of other nodes wait for their handlers. These may take long, and may themselves ask other nodes, which have the same to do: so they hold up
// nothing else that nodes say.

package socketio

import (
	"errors"
	"sync"

	"github.com/ringdown/ringdown/internal/sparing"
)

// Bounds of what waits; more is lost, as it may be between nodes.
const (
	maxNotices     = 1024
	maxNoticeBytes = 16 << 20
)

// notices are handled one after the other, on a goroutine that is there while there are some.
type notices struct {
	lines sparing.Lines // of the log, about what is lost

	mu      sync.Mutex // guards what follows
	waiting []notice
	bytes   int
	running bool
	over    bool // no more are taken
}

type notice struct {
	run   func()
	bytes int
}

var errNotices = errors.New("too many events of other nodes wait for their handlers, or the server shuts down")

// add has f called in its turn.
func (q *notices) add(h *hands, bytes int, f func()) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over || len(q.waiting) >= maxNotices || q.bytes+bytes > maxNoticeBytes && len(q.waiting) > 0 {
		return errNotices
	}
	q.waiting = append(q.waiting, notice{f, bytes})
	q.bytes += bytes
	if !q.running {
		q.running = true
		h.all.Go(q.work)
	}
	return nil
}

func (q *notices) work() {
	for {
		n, ok := q.next()
		if !ok {
			return
		}
		n.run()
	}
}

func (q *notices) next() (n notice, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.running, q.waiting = false, nil
		return n, false
	}
	n, q.waiting[0] = q.waiting[0], notice{}
	q.waiting = q.waiting[1:]
	q.bytes -= n.bytes
	return n, true
}

// end has no more taken. Those that wait are still handled.
func (q *notices) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
}
