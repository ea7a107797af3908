// The way from a connection to the hub: a few queues, so that a channel with very many subscribers does not hold all others up. All of
// one channel goes through one queue, in order.

package redis

import "sync"

const (
	// maxLanes is how many queues there are at most; there are no more than processors.
	maxLanes = 8
	// laneBytes is how much may wait in a queue. Beyond it the connection is not read, and Redis waits, or cuts it off.
	laneBytes = 16 << 20
)

// lane is a queue of what came for channels. Its goroutine ends when it is closed.
type lane struct {
	mu      sync.Mutex // guards what follows
	changed sync.Cond  // something was added, taken or closed
	items   []item
	bytes   int
	closed  bool
}

// item is what came for a subscription.
type item struct {
	to      target
	message string
}

// target is what an item is handed to.
type target interface{ receive(message string) }

func newLane() *lane {
	l := new(lane)
	l.changed.L = &l.mu
	return l
}

// add puts an item at the end, and waits if there is too much.
func (l *lane) add(i item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.bytes > laneBytes && !l.closed {
		l.changed.Wait()
	}
	if len(l.items) == 0 {
		defer l.changed.Broadcast()
	}
	l.items = append(l.items, i)
	l.bytes += len(i.message)
}

// run hands out what comes until the lane is closed.
func (l *lane) run() {
	var batch []item
	for {
		batch = l.take(batch)
		if batch == nil {
			return
		}
		for i := range batch {
			batch[i].to.receive(batch[i].message)
			batch[i] = item{}
		}
	}
}

// take waits for items, and returns all there are in exchange for a slice to fill. It returns nil once the lane is closed.
func (l *lane) take(free []item) []item {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.items) == 0 && !l.closed {
		l.changed.Wait()
	}
	if l.closed {
		return nil
	}
	if l.bytes > laneBytes {
		defer l.changed.Broadcast()
	}
	batch := l.items
	l.items, l.bytes = free[:0], 0
	if cap(free) > 4096 {
		l.items = nil
	}
	return batch
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.changed.Broadcast()
}

func (l *lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.items)
}
