// The end of a server, and what it has counted until then.

package engineio

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/websocket/loop"
)

// counters are what a server counts.
type counters struct {
	opened, upgraded, refused, polled     atomic.Uint64
	timeouts, parseErrors, tooLarge, slow atomic.Uint64
}

// Stats is what a server has done so far.
type Stats struct {
	Sessions     int        // there are now, those whose Close has not returned included
	Opened       uint64     // since the start
	Upgraded     uint64     // from polling to a WebSocket
	Refused      uint64     // requests
	Polled       uint64     // messages that came with POSTs
	PingTimeouts uint64     // sessions that ended so
	ParseErrors  uint64     // likewise
	TooLarge     uint64     // likewise, by what was larger than MaxPayload
	Slow         uint64     // likewise, by more than OutboxBytes that waited
	Sockets      loop.Stats // of the WebSockets, probes included
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	n := &s.counts
	stats := Stats{
		Sessions: int(s.sessions.live.Load()), Opened: n.opened.Load(), Upgraded: n.upgraded.Load(), Refused: n.refused.Load(), Polled: n.polled.Load(),
		PingTimeouts: n.timeouts.Load(), ParseErrors: n.parseErrors.Load(), TooLarge: n.tooLarge.Load(), Slow: n.slow.Load(),
	}
	if s.sockets != nil {
		stats.Sockets = s.sockets.Stats()
	}
	return stats
}

// Lag is how long the event loops of the WebSockets take to come to something new; see [loop.Server.Lag].
func (s *Server) Lag(ctx context.Context) time.Duration {
	if s.sockets == nil {
		return 0
	}
	return s.sockets.Lag(ctx)
}

const (
	// closingPause is the time between two rounds of a shutdown that is spread over a window.
	closingPause = 20 * time.Millisecond
	// lastGets is how long polling clients have for the GET that tells them of the end.
	lastGets = 2 * time.Second
)

// Shutdown refuses new sessions, closes those there are with [ServerShutdown], and waits until all are gone and the handler has
// returned. When ctx ends first, what is left is cut and the error is ctx's.
func (s *Server) Shutdown(ctx context.Context) error { return s.ShutdownPaced(ctx, 0, nil) }

// ShutdownPaced is Shutdown, which closes the sessions evenly over a window, so that their clients do not all come back at once. close,
// if it is not nil, is called for each session in place of closing it, and is to call [Conn.Close] after what else it has to say.
func (s *Server) ShutdownPaced(ctx context.Context, window time.Duration, close func(*Conn)) error {
	if close == nil {
		close = func(c *Conn) { c.Close(ServerShutdown) }
	}
	s.sessions.closed.Store(true)
	all := s.sessions.everyone()
	rounds := max(int(window/closingPause), 1)
	for round := range rounds {
		for _, c := range all[len(all)*round/rounds : len(all)*(round+1)/rounds] {
			close(c)
		}
		if round < rounds-1 && !sleep(ctx, closingPause) {
			break
		}
	}
	err := s.await(ctx, func() bool { return s.sessions.live.Load() == 0 })
	for _, c := range s.sessions.everyone() { // ctx has ended
		c.end(ending{reason: ServerShutdown, local: true})
	}
	if err == nil {
		patience, cancel := context.WithTimeout(ctx, lastGets)
		s.await(patience, func() bool { return len(s.sessions.everyone()) == 0 })
		cancel()
	}
	s.beats.stop()
	if s.sockets != nil {
		if e := s.sockets.Shutdown(ctx); err == nil {
			err = e
		}
	}
	return err
}

// await waits until done says so.
func (s *Server) await(ctx context.Context, done func() bool) error {
	for !done() {
		if !sleep(ctx, 5*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

// sleep returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
