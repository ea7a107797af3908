// The end of a Server.

package loop

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// Drain says how [Server.Shutdown] lets connections go.
type Drain struct {
	// Code and Reason of the Close frames. The zero Code is 1001.
	Code   websocket.StatusCode
	Reason string
	// Window is the time over which the connections are closed, evenly, so that they do not all come back at once. 0
	// closes them all at once.
	Window time.Duration
}

// patience is how long Shutdown waits, after it has cut what was left, for functions of the program to return.
const patience = 5 * time.Second

// Shutdown stops listening, closes every connection with 1001 and waits until all are gone, and the handlers and functions of
// [Conn.Go] and [Conn.Detach] have returned. When ctx ends first, what is left is cut and the error wraps ctx's. Functions that
// do not return then are left to themselves after five seconds: the server ends behind them.
func (s *Server) Shutdown(ctx context.Context) error { return s.ShutdownPaced(ctx, Drain{}) }

// ShutdownPaced is Shutdown as d says.
func (s *Server) ShutdownPaced(ctx context.Context, d Drain) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return http.ErrServerClosed
	}
	s.closed = true
	servers := s.servers
	s.mu.Unlock()
	for _, h := range servers {
		h.Close() // connections that were taken over are not its own any more
	}
	if d.Code == 0 {
		d.Code = websocket.StatusGoingAway
	}
	ended := make(chan error, 1)
	go func() { ended <- s.end(ctx, d) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		return fmt.Errorf("websocket: handlers or functions of Go and Detach have not returned: %w", ctx.Err())
	}
}

// end is the end of the server. It takes as long as the program's functions do.
func (s *Server) end(ctx context.Context, d Drain) error {
	s.adopting.Wait() // no longer than the answer to a handshake may take
	s.drain(ctx, d)
	err := s.await(ctx)
	s.each(context.Background(), func(c *Conn) { c.CloseNow() })
	s.eachDetached(func(c *websocket.Conn) { c.CloseNow() })
	s.await(context.Background())
	close(s.stop)
	s.ticking.Wait() // it wakes the loops
	if s.poll != nil {
		s.poll.close()
	}
	s.running.Wait()
	s.working.Wait()
	return err
}

// drain closes the connections, spread over the window.
func (s *Server) drain(ctx context.Context, d Drain) {
	s.eachDetached(func(c *websocket.Conn) { c.Close(d.Code, d.Reason) })
	var all []*Conn
	var mu sync.Mutex
	s.each(ctx, func(c *Conn) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, c)
	})
	mu.Lock()
	found := all // a loop that was held up until ctx ended finds its own later, when they are cut
	mu.Unlock()
	const pause = 20 * time.Millisecond
	rounds := max(int(d.Window/pause), 1)
	for round := range rounds {
		for _, c := range found[len(found)*round/rounds : len(found)*(round+1)/rounds] {
			c.Close(d.Code, d.Reason)
		}
		if round < rounds-1 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
	}
}

// each calls f for all connections, and returns when it has or ctx ends.
func (s *Server) each(ctx context.Context, f func(*Conn)) {
	if s.poll != nil {
		s.poll.each(ctx, f)
	}
	s.goroutines.each(f)
}

// await waits until no connection is left.
func (s *Server) await(ctx context.Context) error {
	check := time.NewTicker(5 * time.Millisecond)
	defer check.Stop()
	for s.stats.live() > 0 {
		select {
		case <-check.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
