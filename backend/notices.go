// Notices: disconnects are told, and nobody waits for an answer.

package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// noticeSenders send notices at the same time.
const noticeSenders = 8

// notices is a bounded queue and those who send what is in it.
type notices struct {
	hooks   *Hooks
	senders sync.WaitGroup
	ctx     context.Context // ends when close gives up
	cancel  context.CancelFunc
	givenUp atomic.Int64 // notices that could not be sent

	mu     sync.RWMutex // held to read by those who add, so that the queue is closed after them
	queue  chan *Request
	closed bool
}

// newNotices starts senders, which end with close, if the hook is configured.
func newNotices(h *Hooks, most int) *notices {
	n := &notices{hooks: h, queue: make(chan *Request, most)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if k := h.hooks[Disconnect]; k != nil {
		for range noticeSenders {
			n.senders.Go(func() { n.send(k) })
		}
	}
	return n
}

func (n *notices) add(r *Request) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.closed {
		return unavailable(Disconnect, errors.New("the hooks are closed, for the server is shutting down"))
	}
	select {
	case n.queue <- r:
		return nil
	default:
		return unavailable(Disconnect, fmt.Errorf("%d notices wait, which is the limit: this one is dropped; make the service faster, or raise MaxNotices", cap(n.queue)))
	}
}

func (n *notices) send(k *hook) {
	for r := range n.queue {
		if n.ctx.Err() != nil {
			n.givenUp.Add(1)
			continue
		}
		began := time.Now()
		asking, over := n.hooks.trace(n.ctx, r)
		_, err := k.ask(asking, r)
		over(err)
		n.hooks.observe(Disconnect, time.Since(began), err)
		if err != nil {
			n.givenUp.Add(1)
			k.endpoint.complain(r.ID, err)
		}
	}
}

// close sends what waits, until ctx ends.
func (n *notices) close(ctx context.Context) error {
	n.mu.Lock()
	n.closed = true
	close(n.queue)
	n.mu.Unlock()
	stop := context.AfterFunc(ctx, n.cancel)
	n.senders.Wait()
	n.cancel()
	if !stop() {
		return fmt.Errorf("backend: %d disconnects were not told: %w", n.givenUp.Load(), ctx.Err())
	}
	return nil
}
