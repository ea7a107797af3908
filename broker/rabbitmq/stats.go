// How the broker is, for readiness and metrics.

package rabbitmq

import (
	"fmt"
	"sync/atomic"
	"time"
)

// counters are what a broker has done since it was made.
type counters struct {
	published, failed, received, interrupted, reconnects, unreadable atomic.Uint64
	publishing                                                       atomic.Int64
}

// Stats is what a broker is doing now, and has done since it was made.
type Stats struct {
	Connected   bool          // there are connections
	Blocked     bool          // RabbitMQ takes nothing, because it is short of memory or disk
	Logs        int           // that there are
	Following   int           // of these, that have been read up to now
	Channels    int           // subscribed to
	Numbered    int           // channels of the whole cluster that have a numbering
	Kept        int           // publications that this node holds
	Publishing  int64         // calls of Publish under way
	Pending     int           // records that have not come back yet
	Latency     time.Duration // of the last heartbeat until it came back
	Published   uint64        // calls of Publish that were done
	Failed      uint64        // that were not
	Received    uint64        // publications that were delivered
	Interrupted uint64        // times that the hub was told to look at histories
	Reconnects  uint64        // connections that were made anew
	Unreadable  uint64        // messages that could not be read
}

// Stats returns the counters. It walks over the channels.
func (b *Broker) Stats() Stats {
	c := &b.counters
	n := Stats{Connected: b.session.Load() != nil, Blocked: b.blocked.Load(), Logs: len(b.partitions), Publishing: c.publishing.Load(),
		Latency: time.Duration(b.latency.Load()), Published: c.published.Load(), Failed: c.failed.Load(), Received: c.received.Load(),
		Interrupted: c.interrupted.Load(), Reconnects: c.reconnects.Load(), Unreadable: c.unreadable.Load()}
	for _, p := range b.partitions {
		p.count(&n)
	}
	return n
}

func (p *partition) count(n *Stats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n.Channels += len(p.subs)
	n.Pending += len(p.pending)
	if p.live {
		n.Following++
	}
	if p.state == nil {
		return
	}
	n.Numbered += len(p.state.Channels)
	for _, c := range p.state.Channels {
		n.Kept += len(c.Kept)
	}
}

// Health is nil if all logs are followed and RabbitMQ takes what is written. The error says what is wrong.
func (b *Broker) Health() error {
	if problem := b.problem.Load(); problem != nil {
		return fmt.Errorf("rabbitmq: there is no connection: %w", *problem)
	}
	if b.closed.Load() || b.session.Load() == nil {
		return fmt.Errorf("rabbitmq: the broker is not connected")
	}
	if b.blocked.Load() {
		return fmt.Errorf("rabbitmq: %w", errBlocked)
	}
	for _, p := range b.partitions {
		if !p.isLive() {
			return fmt.Errorf("rabbitmq: log %d is being read", p.index)
		}
	}
	return nil
}
