// How the broker is, for readiness and metrics.

package nats

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// counters are what a broker has done since it was made.
type counters struct {
	published, failed, retries, conflicts, received, interrupted, reconnects, unreadable, fetched atomic.Uint64
	publishing                                                                                    atomic.Int64
}

// Stats is what a broker is doing now, and has done since it was made.
type Stats struct {
	Connected   bool          // to a server
	Channels    int           // subscribed to
	Unsettled   int           // of these, that wait for a server to tell their position
	Publishing  int64         // calls of Publish under way
	Waiting     int           // messages that have come and are not delivered yet
	Latency     time.Duration // of one stored message at the last heartbeat
	Published   uint64        // calls of Publish that were done
	Failed      uint64        // that were not
	Retries     uint64        // attempts beyond the first because a server did not answer
	Conflicts   uint64        // attempts beyond the first because another node was faster
	Received    uint64        // publications that were delivered
	Interrupted uint64        // times that the hub was told to look at a channel's history
	Reconnects  uint64        // connections that were made anew
	Unreadable  uint64        // messages that could not be read
	Fetched     uint64        // messages that were late and therefore fetched
}

// Stats returns the counters. It walks over the channels.
func (b *Broker) Stats() Stats {
	c := &b.counters
	n := Stats{Publishing: c.publishing.Load(), Published: c.published.Load(), Failed: c.failed.Load(), Retries: c.retries.Load(),
		Conflicts: c.conflicts.Load(), Received: c.received.Load(), Interrupted: c.interrupted.Load(), Reconnects: c.reconnects.Load(),
		Unreadable: c.unreadable.Load(), Fetched: c.fetched.Load()}
	if b.streams.Load() == nil { // Start has not returned
		return n
	}
	n.Connected = b.conn.IsConnected()
	n.Latency, _ = b.alive.health()
	for _, lane := range b.lanes {
		n.Waiting += lane.waiting()
	}
	for _, s := range b.subscriptions.list() {
		n.Channels++
		if !s.isSettled() {
			n.Unsettled++
		}
	}
	return n
}

func (s *subscription) isSettled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standing != asking
}

// Health is nil if a server answered the last heartbeat, and the positions of all channels are known. The error says what is not so.
func (b *Broker) Health() error {
	if b.streams.Load() == nil || b.closed.Load() {
		return errors.New("nats: the broker is not connected")
	}
	if !b.conn.IsConnected() {
		return fmt.Errorf("nats: there is no connection to %s now; it is being made again", b.server.name())
	}
	if _, err := b.alive.health(); err != nil {
		return fmt.Errorf("nats: %s does not answer: %w", b.server.name(), err)
	}
	for _, s := range b.subscriptions.list() {
		if !s.isSettled() {
			return fmt.Errorf("nats: it is being found out what was missed of some channels")
		}
	}
	return nil
}
