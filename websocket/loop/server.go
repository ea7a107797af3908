// The Server: where connections come from, and where they go at its end.

package loop

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/bridge"
)

// Handler is what a program does with its connections. For one connection its functions are called in order, one at a
// time: Open, then Message for each message and Drained for each notice that was asked for, then Close. They run on the connection's event loop: a handler that blocks
// holds up the other connections of that loop (see [Conn.Go]). Any of them may be nil.
type Handler struct {
	// Open is called before anything else.
	Open func(c *Conn)
	// Message is called for each message. The payload is lent: it is good only until Message returns.
	Message func(c *Conn, typ websocket.MessageType, payload []byte)
	// Close is called once, when the connection has ended: err is a [*websocket.CloseError] if the peer closed it, a
	// [*websocket.ProtocolError] if the peer broke the protocol or a limit, [ErrSlowConsumer], [websocket.ErrClosed],
	// [websocket.ErrKeepAlive], [websocket.ErrWriteTimeout], or an error of the network.
	Close func(c *Conn, err error)
	// Drained is called once after [Conn.NotifyDrained]: the peer has read up.
	Drained func(c *Conn)
	// Dropped tells of messages that a policy dropped instead of writing them. It is called on whichever goroutine made
	// the outbox full.
	Dropped func(c *Conn, d Drop)
}

// Drop tells of messages that were not written.
type Drop struct {
	Messages  int
	Bytes     int
	Conflated bool // a newer message of the same key was written
}

// Server drives the connections of a handler. It is an http.Handler that answers every request by the opening handshake.
// Create one with [New].
type Server struct {
	handler Handler
	opts    Options
	accept  func(http.ResponseWriter, *http.Request) (*bridge.Upgraded, error)
	set     *bridge.Settings

	clock  atomic.Uint32 // of tick
	stats  counters
	poll   poller // nil where every connection has goroutines of its own
	hearts *hearts
	stop   chan struct{}

	adopting sync.WaitGroup // handshakes under way
	working  sync.WaitGroup // functions of Conn.Go and Conn.Detach
	running  sync.WaitGroup // loops and the clock

	mu       sync.Mutex // guards what follows
	closed   bool
	servers  []*http.Server
	detached map[*websocket.Conn]struct{}
}

// poller is the event loops, where there are any.
type poller interface {
	// adopt takes u's connection over from Go's network poller, or returns false if it cannot.
	adopt(u *bridge.Upgraded, ready func(*Conn)) bool
	// each calls f for all connections, on the goroutines of their loops.
	each(f func(*Conn))
	// tick is called at each step of the clock.
	tick(now tick)
	close()
}

// New returns a Server for handler. It runs until [Server.Shutdown].
func New(handler Handler, opts *Options) (*Server, error) {
	s := &Server{handler: handler, opts: opts.withDefaults(), stop: make(chan struct{}), detached: make(map[*websocket.Conn]struct{})}
	var err error
	if s.accept, s.set, err = bridge.Acceptor(&s.opts.Accept); err != nil {
		return nil, err
	}
	s.handler.fill()
	s.clock.Store(1) // 0 stands for never
	s.hearts = newHearts(s)
	if !s.opts.Goroutines {
		if s.poll, err = newPoller(s); err != nil {
			return nil, err
		}
	}
	s.running.Go(s.runClock)
	return s, nil
}

func (h *Handler) fill() {
	if h.Open == nil {
		h.Open = func(*Conn) {}
	}
	if h.Message == nil {
		h.Message = func(*Conn, websocket.MessageType, []byte) {}
	}
	if h.Drained == nil {
		h.Drained = func(*Conn) {}
	}
	if h.Close == nil {
		h.Close = func(*Conn, error) {}
	}
}

// ServeHTTP answers the opening handshake and takes the connection over. It returns at once; the HTTP server keeps
// nothing of the connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.Accept(w, r, nil) }

// Accept is ServeHTTP for a handler that has something to tell the connection: ready is called with it before the
// handler's Open, and may set [Conn.Data]. After an error the request has been answered with a status and a sentence.
func (s *Server) Accept(w http.ResponseWriter, r *http.Request, ready func(*Conn)) error {
	if !s.begin() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the server is shutting down; try again", http.StatusServiceUnavailable)
		return http.ErrServerClosed
	}
	defer s.adopting.Done()
	u, err := s.accept(w, r)
	if err != nil {
		s.stats.refused.Add(1)
		return err
	}
	s.adopt(u, ready)
	return nil
}

// adopt takes a connection over. ready, if it is not nil, is called before anything else is.
func (s *Server) adopt(u *bridge.Upgraded, ready func(*Conn)) {
	s.stats.opened.Add(1)
	if s.poll != nil && s.poll.adopt(u, ready) {
		return
	}
	s.hearts.adopt(u, ready)
}

// Serve accepts connections on l until Shutdown, and answers every request on them by the opening handshake. It always
// returns an error; after Shutdown it is [http.ErrServerClosed].
func (s *Server) Serve(l net.Listener) error {
	h := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10} // past 8 KiB the handshake refuses, in words
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		l.Close()
		return http.ErrServerClosed
	}
	s.servers = append(s.servers, h)
	s.mu.Unlock()
	return h.Serve(l)
}

// ServeTLS is Serve over TLS, on the event loop (see [NewTLSListener]).
func (s *Server) ServeTLS(l net.Listener, config *tls.Config) error {
	return s.Serve(NewTLSListener(l, config))
}

// ListenAndServe is Serve on a TCP address.
func (s *Server) ListenAndServe(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// begin announces a connection that will be adopted, so that Shutdown does not miss it; s.adopting is to be told of the
// end. It returns false if the server is shutting down.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.adopting.Add(1)
	}
	return !s.closed
}

// now is the time on the server's coarse clock.
func (s *Server) now() tick { return tick(s.clock.Load()) }

// runClock moves the clock on.
func (s *Server) runClock() {
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			now := tick(s.clock.Add(1))
			if now == 0 {
				now = tick(s.clock.Add(1))
			}
			if s.poll != nil {
				s.poll.tick(now)
			}
			s.hearts.tick(now)
		case <-s.stop:
			return
		}
	}
}

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

// Shutdown stops listening, closes every connection with 1001 and waits until all are gone. When ctx ends first, what is
// left is cut and the error is ctx's.
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
	s.adopting.Wait() // no longer than the answer to a handshake may take
	if d.Close == nil {
		d.Close = func(c *Conn) { c.Close(d.Code, d.Reason) }
	}
	s.drain(ctx, d)
	err := s.await(ctx)
	s.each(func(c *Conn) { c.CloseNow() })
	s.eachDetached(func(c *websocket.Conn) { c.CloseNow() })
	if late := s.await(context.Background()); late != nil {
		err = errors.Join(err, late)
	}
	close(s.stop)
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
	s.each(func(c *Conn) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, c)
	})
	const pause = 20 * time.Millisecond
	rounds := max(int(d.Window/pause), 1)
	for round := range rounds {
		for _, c := range all[len(all)*round/rounds : len(all)*(round+1)/rounds] {
			d.Close(c)
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

// each calls f for all connections.
func (s *Server) each(f func(*Conn)) {
	if s.poll != nil {
		s.poll.each(f)
	}
	s.hearts.each(f)
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
