// Counters, for metrics.

package loop

import (
	"context"
	"sync/atomic"
	"time"
)

// Stats is what a server has done so far.
type Stats struct {
	Connections  int           // open now, lingering ones included
	Opened       uint64        // since the start
	Refused      uint64        // opening handshakes of WebSockets
	Waiting      int64         // bytes in the outboxes of connections whose peers read too slowly, as of when each was last looked at
	MessagesIn   uint64        // received whole
	BytesIn      uint64        // of payload received, inflated
	BytesOut     uint64        // written to the lines; of TLS that rides the loop, as encrypted
	Writes       uint64        // system calls that wrote them; with goroutines, writes of as much as goes out together
	Dropped      uint64        // messages dropped or conflated by a policy
	SlowHandlers uint64        // times a handler held up its loop for longer than Options.SlowHandler
	LoopLag      time.Duration // longest time that a loop was found busy with one round, so far
}

// counters are shared by all loops.
type counters struct {
	opened       atomic.Uint64
	refused      atomic.Uint64
	waiting      atomic.Int64
	gone         atomic.Uint64
	messagesIn   atomic.Uint64
	bytesIn      atomic.Uint64
	bytesOut     atomic.Uint64
	writes       atomic.Uint64
	dropped      atomic.Uint64
	slowHandlers atomic.Uint64
	lag          atomic.Int64
}

func (n *counters) live() int {
	gone := n.gone.Load() // first: what is opened meanwhile may be counted, what is gone may not
	return int(n.opened.Load() - gone)
}

func (n *counters) received(messages, bytes int) {
	n.messagesIn.Add(uint64(messages))
	n.bytesIn.Add(uint64(bytes))
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	n := &s.stats
	return Stats{
		Connections:  n.live(),
		Opened:       n.opened.Load(),
		Refused:      n.refused.Load(),
		Waiting:      n.waiting.Load(),
		MessagesIn:   n.messagesIn.Load(),
		BytesIn:      n.bytesIn.Load(),
		BytesOut:     n.bytesOut.Load(),
		Writes:       n.writes.Load(),
		Dropped:      n.dropped.Load(),
		SlowHandlers: n.slowHandlers.Load(),
		LoopLag:      time.Duration(n.lag.Load()),
	}
}

// Lag is how long something new has to wait until every event loop has come to it, now: the rest of the rounds that they are in. It wakes
// each loop once. If ctx ends before, it is how long was waited; without loops, or once the server has shut down, it is 0.
func (s *Server) Lag(ctx context.Context) time.Duration {
	select {
	case <-s.stop:
		return 0
	default:
	}
	if s.poll == nil {
		return 0
	}
	return s.poll.lag(ctx)
}

func (n *counters) wrote(bytes int) {
	n.writes.Add(1)
	n.bytesOut.Add(uint64(bytes))
}
