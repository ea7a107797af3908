// How the broker is, for readiness and metrics.

package redis

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// counters are what a broker has done since it was made.
type counters struct {
	published, failed, retries, received, interrupted, reconnects, unreadable atomic.Uint64
	publishing                                                                atomic.Int64
}

// health is how a server is, as the last heartbeats found it.
type health struct {
	latency atomic.Int64 // of one call, in nanoseconds

	mu       sync.Mutex // guards what follows
	problems map[*partition]error
}

// set notes what a heartbeat has come to. It reports whether all was well before and is not now.
func (h *health) set(p *partition, err error) (fell bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.problems, p)
		return false
	}
	if h.problems == nil {
		h.problems = make(map[*partition]error)
	}
	fell = len(h.problems) == 0
	h.problems[p] = err
	return fell
}

// get is a problem, or nil.
func (h *health) get() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, err := range h.problems {
		return err
	}
	return nil
}

// Stats is what a broker is doing now, and has done since it was made.
type Stats struct {
	Servers     int           // that it uses
	Links       int           // connections that publications come over, or should
	Connected   int           // of these, with all subscriptions in place
	Channels    int           // subscribed to
	Unsettled   int           // of these, that wait for a server to tell their position
	Publishing  int64         // calls of Publish under way
	Waiting     int           // messages that have come and are not delivered yet
	Latency     time.Duration // of one call at the last heartbeat, of the slowest server
	Published   uint64        // calls of Publish that were done
	Failed      uint64        // that were not
	Retries     uint64        // attempts beyond the first
	Received    uint64        // publications that were delivered
	Interrupted uint64        // times that the hub was told to look at a channel's history
	Reconnects  uint64        // connections that were made anew
	Unreadable  uint64        // messages that could not be read
}

// Stats returns the counters. It walks over the channels.
func (b *Broker) Stats() Stats {
	c := &b.counters
	n := Stats{Publishing: c.publishing.Load(), Published: c.published.Load(), Failed: c.failed.Load(), Retries: c.retries.Load(),
		Received: c.received.Load(), Interrupted: c.interrupted.Load(), Reconnects: c.reconnects.Load(), Unreadable: c.unreadable.Load()}
	b.mu.RLock()
	defer b.mu.RUnlock()
	n.Servers = len(b.servers)
	for _, l := range b.lanes {
		n.Waiting += l.waiting()
	}
	for _, s := range b.shards {
		n.Latency = max(n.Latency, time.Duration(s.health.latency.Load()))
		for _, p := range s.partitions {
			channels, begun := p.link.count()
			n.Channels += channels
			if begun {
				n.Links++
				n.Unsettled += p.link.unsettled()
			}
			if p.link.up.Load() {
				n.Connected++
			}
		}
	}
	return n
}

func (l *link) count() (channels int, begun bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.wanted), l.begun
}

// Health is nil if every server answered the last heartbeat, and all publications can come. The error says which one does not.
func (b *Broker) Health() error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.ending || len(b.shards) == 0 {
		return fmt.Errorf("redis: the broker is not connected")
	}
	for _, s := range b.shards {
		if err := s.health.get(); err != nil {
			return fmt.Errorf("redis: %s does not answer: %w", s.server.name(), err)
		}
		for _, p := range s.partitions {
			if _, begun := p.link.count(); begun && !p.link.up.Load() {
				return fmt.Errorf("redis: publications do not come from %s now; the connection is being made again", s.server.name())
			}
		}
	}
	return nil
}
