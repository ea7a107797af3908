// The way from the connection to the hub: a few queues, so that a channel with very many subscribers does not hold all others up. All of
// one channel goes through one queue, in order.

package nats

import (
	"sync"

	"github.com/nats-io/nats.go"
)

const (
	// maxLanes is how many queues for channels there are at most; there are no more than processors.
	maxLanes = 8
	// laneBytes is how much may wait in a queue. The connection is shared with answers, so it is read on: what is more is dropped, and the
	// channels that it was for are asked where they are.
	laneBytes = 64 << 20
	// laneLength is how many messages may be between the client library and a queue, which takes them at once.
	laneLength = 4 << 10
	// weight is about what a message takes beside its body, in bytes.
	weight = 512
)

// lane is a queue of what came for subscriptions. It has two goroutines: one that takes, and never waits for the hub; one that hands out.
type lane struct {
	in chan *nats.Msg // where subscriptions send to; nil is the last

	mu      sync.Mutex // guards what follows
	changed sync.Cond  // something was added, or it is closed
	limit   int        // in bytes
	bytes   int
	items   []*nats.Msg
	lost    map[*nats.Subscription]bool // of which something was dropped after the items
	closed  bool
}

func newLane(limit int) *lane {
	l := &lane{in: make(chan *nats.Msg, laneLength), limit: limit}
	l.changed.L = &l.mu
	return l
}

// start has what comes handed out, one message at a time; of subscriptions of which something was dropped, lost is told in its place.
func (l *lane) start(goroutines *sync.WaitGroup, receive func(*nats.Msg), lost func(*nats.Subscription)) {
	goroutines.Go(func() {
		for m := <-l.in; m != nil; m = <-l.in {
			l.add(m)
		}
		l.close()
	})
	goroutines.Go(func() {
		for {
			items, dropped, open := l.take()
			for i, m := range items {
				receive(m)
				items[i] = nil
			}
			for s := range dropped {
				lost(s)
			}
			if !open {
				return
			}
		}
	})
}

// add puts a message at the end, or drops it. Once one is dropped all are, until there is room for something in its place.
func (l *lane) add(m *nats.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.items) > 0 && l.bytes+len(m.Data)+weight > l.limit || l.lost != nil {
		if l.lost == nil {
			l.lost = make(map[*nats.Subscription]bool)
		}
		l.lost[m.Sub] = true
		return
	}
	l.items = append(l.items, m)
	l.bytes += len(m.Data) + weight
	l.changed.Signal()
}

// take waits for messages, and takes all there are. open is false once there will be no more.
func (l *lane) take() (items []*nats.Msg, lost map[*nats.Subscription]bool, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.items) == 0 && !l.closed {
		l.changed.Wait()
	}
	items, lost = l.items, l.lost
	l.items, l.lost, l.bytes = nil, nil, 0
	return items, lost, !l.closed
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.changed.Signal()
}

func (l *lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.in) + len(l.items)
}
