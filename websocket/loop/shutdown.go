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
	// Close, if it is not nil, is called for each connection in place of closing it with Code and Reason, and is to call
	// [Conn.Close] after what else it has to say. It may be called while the handler is.
	Close func(c *Conn)
}

// patience is how long Shutdown waits, after it has cut what was left, for functions of the program to return.
const patience = 5 * time.Second

// Shutdown stops listening, closes every connection with 1001 and waits until all are gone, and the handlers and functions of
// [Conn.Go] and [Conn.Detach] have returned. When ctx ends first, what is left is cut and the error wraps ctx's. Functions that
// do not return then are left to themselves after five seconds: the server ends behind them.
//
// A second call waits for the end that is under way, and returns [http.ErrServerClosed]; when its ctx ends first, it cuts what
// is left at once, whatever the first call had time for.
func (s *Server) Shutdown(ctx context.Context) error { return s.ShutdownPaced(ctx, Drain{}) }

// ShutdownPaced is Shutdown as d says.
func (s *Server) ShutdownPaced(ctx context.Context, d Drain) error {
	first := s.stopListening()
	if first {
		if d.Code == 0 {
			d.Code = websocket.StatusGoingAway
		}
		if d.Close == nil {
			d.Close = func(c *Conn) { c.Close(d.Code, d.Reason) }
		}
		go s.end(ctx, d)
	}
	select {
	case <-s.ended:
	case <-ctx.Done():
		s.cut()
		select {
		case <-s.ended:
		case <-time.After(patience):
			return fmt.Errorf("websocket: handlers or functions of Go and Detach have not returned: %w", ctx.Err())
		}
	}
	if !first {
		return http.ErrServerClosed
	}
	if s.endErr != nil && ctx.Err() != nil { // endErr may say that it was cut, which was because of ctx
		return ctx.Err()
	}
	return s.endErr
}

// stopListening begins the end, and returns false if it had begun.
func (s *Server) stopListening() bool {
	s.mu.Lock()
	begun := s.closed
	s.closed = true
	servers := s.servers
	s.mu.Unlock()
	if begun {
		return false
	}
	for _, h := range servers {
		h.Close() // connections that were taken over are not its own any more
	}
	return true
}

// end is the end of the server. It takes as long as the program's functions do.
func (s *Server) end(ctx context.Context, d Drain) {
	defer close(s.ended)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.cutting, cancel)()
	s.adopting.Wait() // no longer than the answer to a handshake may take
	s.drain(ctx, d)
	s.endErr = s.await(ctx)
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
	s.cut()
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
	const shortest = 20 * time.Millisecond
	rounds := max(min(int(d.Window/shortest), len(found)), 1)
	pause := d.Window / time.Duration(rounds)
	for round := range rounds {
		for _, c := range found[len(found)*round/rounds : len(found)*(round+1)/rounds] {
			c.guard(func() { d.Close(c) })
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
