// A channel's writer: what this node publishes there, one message at a time. It lives while there is something to write and for a while
// after, because it knows where the channel is.

package nats

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// writer is made by the first publication in a channel. Its goroutine ends when there is nothing to write.
type writer struct {
	broker  *Broker
	channel string

	mu    sync.Mutex // guards what follows
	queue []*request
	runs  bool      // its goroutine does
	used  time.Time // when it last ended

	// What follows belongs to the goroutine.
	at         place  // where the channel was last known to be
	known      bool   // at is up to date as far as we know
	stale      uint64 // the sequence of a place that was not the newest; what a subscription knows must be beyond it
	reconnects uint64 // how often the connection had been made anew when known was last believed
	untrimmed  int    // messages since the last trim
	trimming   atomic.Bool
}

// writers are those of a broker.
type writers struct {
	mu  sync.Mutex // guards what follows; taken before that of a writer
	all map[string]*writer
}

// writerIdle is how long a writer is remembered that has nothing to write.
const writerIdle = time.Minute

// write queues a request.
func (b *Broker) write(channel string, requests ...*request) {
	b.writers.mu.Lock()
	w := b.writers.all[channel]
	if w == nil {
		w = &writer{broker: b, channel: channel}
		b.writers.all[channel] = w
	}
	w.mu.Lock()
	b.writers.mu.Unlock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, requests...)
	if !w.runs {
		w.runs = true
		b.working.Go(w.run)
	}
}

// run writes until nothing is left.
func (w *writer) run() {
	for {
		a := w.take()
		if a == nil {
			return
		}
		w.commit(a)
	}
}

// take takes what one message holds: several publications, or one with a key, whose claim has the id of the message.
func (w *writer) take() *attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 && w.queue[0].ctx.Err() != nil { // nobody waits any more
		w.queue[0].finish(outcome{err: w.queue[0].ctx.Err()})
		w.queue = w.queue[1:]
	}
	if len(w.queue) == 0 {
		w.runs, w.used, w.queue = false, time.Now(), nil
		return nil
	}
	n, bytes := 1, len(w.queue[0].content)
	id := hub.NewEpoch() + hub.NewEpoch()
	if c := w.queue[0].claim; c != nil {
		id = c.id
	} else {
		limit := min(maxSaidBytes, int(w.broker.conn.MaxPayload())-overhead)
		for ; n < min(len(w.queue), maxSaid) && w.queue[n].claim == nil; n++ {
			if bytes += len(w.queue[n].content) + overhead; bytes > limit {
				break
			}
		}
	}
	a := &attempt{id: id, requests: w.queue[:n:n]}
	for _, r := range a.requests {
		r.taken.Store(true)
	}
	w.queue = w.queue[n:]
	return a
}

// sweep forgets writers that have not been used for a while.
func (all *writers) sweep() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for channel, w := range all.all {
		w.mu.Lock()
		if !w.runs && time.Since(w.used) > writerIdle {
			delete(all.all, channel)
		}
		w.mu.Unlock()
	}
}

// last is where the channel is, as far as this node can tell without asking, if it knows.
func (w *writer) last() (place, error) {
	if s := w.broker.subscriptions.byToken(token(w.channel)); s != nil {
		if at := s.place(); at.seq > max(w.at.seq, w.stale) {
			w.at, w.known = at, true
		}
	}
	if w.known {
		return w.at, nil
	}
	now, err := w.broker.tail(w.broker.ctx, w.channel)
	if err != nil {
		return place{}, err
	}
	if !forgot(now.at, w.at) {
		w.at, w.known = now.at, true
	}
	return now.at, nil
}

// seen is the newest that this node has seen of the channel.
func (w *writer) seen() place {
	seen := w.at
	if s := w.broker.subscriptions.byToken(token(w.channel)); s != nil {
		if at := s.place(); at.Epoch == seen.Epoch && at.Offset > seen.Offset || seen.Epoch == "" {
			seen = at
		}
	}
	return seen
}

// doubt has it asked where the channel is if the connection was made anew: the server may be back at a copy of what it had, and give sequences
// again that stood for something else.
func (w *writer) doubt() {
	now := w.broker.conn.Stats().Reconnects
	if now == w.reconnects {
		return
	}
	w.reconnects, w.known = now, false
	if s := w.broker.subscriptions.byToken(token(w.channel)); s != nil {
		w.stale = max(w.stale, s.place().seq)
	}
}

// know notes where the channel is.
func (w *writer) know(at place) { w.at, w.known = at, true }

// forget has it asked where the channel is; refused, because it was not where it was thought to be.
func (w *writer) forget()           { w.known = false }
func (w *writer) refused(old place) { w.known, w.stale = false, old.seq }
