// The Server: where connections come from, and where they go at its end.

package loop

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/bridge"
	"github.com/ringdown/ringdown/websocket/internal/tlsshim"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
)

// Handler is what a program does with its connections. For one connection its functions are called in order, one at a
// time: Open, then Message for each message and Drained for each notice that was asked for, then Close. They run on the
// connection's event loop: a handler that blocks holds up the other connections of that loop (see [Conn.Go]). One that panics
// is logged, with its stack, and its connection closed with 1011; [http.ErrAbortHandler] cuts the connection without a word
// of either kind. Any of them may be nil.
type Handler struct {
	// Open is called before anything else.
	Open func(c *Conn)
	// Message is called for each message. The payload is lent: it is good only until Message returns.
	Message func(c *Conn, typ websocket.MessageType, payload []byte)
	// Received is called after Message has been, once for all messages that came together, before the handler is called for anything
	// else; but not behind a message whose handler has called [Conn.Go] or [Conn.Detach]. A Close frame that came with them is answered
	// afterwards, and only when a function given to Go has returned.
	Received func(c *Conn)
	// Close is called once, when the connection has ended: err is a [*websocket.CloseError] if the peer closed it, a
	// [*websocket.ProtocolError] if the peer broke the protocol or a limit, [ErrSlowConsumer], [websocket.ErrClosed],
	// [websocket.ErrKeepAlive], [websocket.ErrWriteTimeout], or an error of the network.
	Close func(c *Conn, err error)
	// Drained is called once after [Conn.NotifyDrained]: the peer has read up.
	Drained func(c *Conn)
	// Dropped tells of messages that a policy dropped instead of writing them. It is called on whichever goroutine made
	// the outbox full, one call at a time for a connection. What is dropped while it runs, also by what it writes itself, is
	// told by a later call: with the next drop, or a second later at most.
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
	judge   *websocket.Acceptor
	accept  func(http.ResponseWriter, *http.Request) (*bridge.Upgraded, error)
	set     *bridge.Settings

	clock      atomic.Uint32 // of tick
	stats      counters
	poll       poller // nil where every connection has goroutines of its own
	goroutines *goroutines
	stop       chan struct{}

	ended   chan struct{}      // closed when Shutdown is done
	endErr  error              // of Shutdown; written before that
	cutting context.Context    // over when Shutdown is to have no more patience
	cut     context.CancelFunc // of cutting

	adopting sync.WaitGroup // handshakes under way
	working  sync.WaitGroup // functions of Conn.Go and Conn.Detach
	running  sync.WaitGroup // loops
	ticking  sync.WaitGroup // the clock

	mu       sync.Mutex // guards what follows
	closed   bool
	servers  []*http.Server
	detached map[*websocket.Conn]struct{}
}

// poller is the event loops, where there are any.
type poller interface {
	// adopt takes u's connection over from Go's network poller, or returns false if it cannot.
	adopt(u *bridge.Upgraded, ready func(*Conn)) bool
	// each calls f for all connections, on the goroutines of their loops. When ctx ends it returns, and f is called later.
	each(ctx context.Context, f func(*Conn))
	// lag is how long the loops take to come to something new, the slowest of them; as long as was waited, if ctx ends before.
	lag(ctx context.Context) time.Duration
	// tick is called at each step of the clock.
	tick(now wheel.Tick)
	close()
}

// New returns a Server for handler. It runs until [Server.Shutdown].
func New(handler Handler, opts *Options) (*Server, error) {
	s := &Server{handler: handler, opts: opts.withDefaults(), stop: make(chan struct{}), ended: make(chan struct{}), detached: make(map[*websocket.Conn]struct{})}
	s.cutting, s.cut = context.WithCancel(context.Background())
	var err error
	if s.judge, err = websocket.NewAcceptor(&s.opts.Accept); err != nil {
		return nil, err
	}
	if s.accept, s.set, err = bridge.Acceptor(&s.opts.Accept); err != nil {
		return nil, err
	}
	s.handler.fill()
	s.clock.Store(1) // 0 stands for never
	s.goroutines = newGoroutines(s)
	if !s.opts.Goroutines {
		if s.poll, err = newPoller(s); err != nil {
			return nil, err
		}
	}
	s.ticking.Go(s.runClock)
	return s, nil
}

func (h *Handler) fill() {
	if h.Open == nil {
		h.Open = func(*Conn) {}
	}
	if h.Message == nil {
		h.Message = func(*Conn, websocket.MessageType, []byte) {}
	}
	if h.Received == nil {
		h.Received = func(*Conn) {}
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

// Check is [websocket.Acceptor.Check]: for a handler that wants to know that Accept would not refuse r for its handshake or its origin
// before it does anything else. What it refuses is counted as if Accept had.
func (s *Server) Check(w http.ResponseWriter, r *http.Request) error {
	err := s.judge.Check(w, r)
	if err != nil {
		s.stats.refused.Add(1)
	}
	return err
}

// adopt takes a connection over. ready, if it is not nil, is called before anything else is.
func (s *Server) adopt(u *bridge.Upgraded, ready func(*Conn)) {
	s.stats.opened.Add(1)
	adopted := false
	defer func() {
		if !adopted { // ready has panicked, which net/http survives
			s.stats.gone.Add(1)
		}
	}()
	if s.poll == nil || !s.poll.adopt(u, ready) {
		s.goroutines.adopt(u, ready)
	}
	adopted = true
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

// NewTLSListener returns a listener whose connections are TLS that the event loop can take over. Give it to an http.Server
// that leads to a [Server]; with the listener of tls.NewListener each connection would keep goroutines of its own.
//
// Without config.NextProtos clients get HTTP/1.1. If it lists "h2", those that offer it get HTTP/2 from the http.Server, for the
// rest of a site; browsers offer only HTTP/1.1 for a WebSocket, and only connections with that can be taken over.
//
// Handshakes run at most 4,096 at a time, 64 of them computing and the others waiting for their peers, and for at most 10 s.
// One more ends the oldest of them, so that peers which say nothing hold up nobody. config must have a certificate, and may replace it
// while the listener runs, through GetCertificate or GetConfigForClient.
func NewTLSListener(inner net.Listener, config *tls.Config) net.Listener {
	return tlsshim.NewListener(inner, config)
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
func (s *Server) now() wheel.Tick { return wheel.Tick(s.clock.Load()) }

// runClock moves the clock on.
func (s *Server) runClock() {
	ticker := time.NewTicker(wheel.Step)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			now := wheel.Tick(s.clock.Add(1))
			if now == 0 {
				now = wheel.Tick(s.clock.Add(1))
			}
			if s.poll != nil {
				s.poll.tick(now)
			}
			s.goroutines.tick(now)
		case <-s.stop:
			return
		}
	}
}
