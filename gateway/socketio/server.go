// The server: its options, its way in, and its end.

package socketio

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
	"github.com/ringdown/ringdown/hub"
)

// What an [Options] field is when it is left zero.
const (
	DefaultConnectTimeout   = 45 * time.Second
	DefaultAckTimeout       = 30 * time.Second
	DefaultMaxNamespaces    = 16
	DefaultMaxAcks          = 1000
	DefaultMaxAuth          = 16 << 10 // bytes
	DefaultMaxQueue         = 256      // events
	DefaultMaxDisconnection = 2 * time.Minute
	DefaultMaxKept          = 10_000
)

// pacedOutbox is by how many waiting bytes a client is paced where Options.Engine.OutboxBytes does not say: publishers begin to wait for it, and its
// handlers for what they send, long before as much waits as may.
const pacedOutbox = 1 << 20

// Options are the rules of a server. The zero value is safe.
type Options struct {
	// Engine is how clients connect: transports, origins, heartbeats, sizes.
	Engine engineio.Options
	// ConnectTimeout is how long a connection may be in no namespace, after it was opened or has left its last one. 0 means DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// Identify tells who the client is that connects to a namespace, by the request that opened its connection and by its auth, a JSON object or
	// nil. An error refuses it: an [*hub.Error] is told with its code, a [*Refusal] with its data; another one is in the log, and the client is
	// told nothing of it. It may wait. nil makes everybody anonymous.
	Identify func(ctx context.Context, h *engineio.Handshake, auth json.RawMessage) (hub.Identity, error)
	// Recovery has clients that were away for a moment get back their id, their rooms, their data and what they have missed. It needs
	// rules that keep a history. nil switches it off.
	Recovery *Recovery
	// Direct leaves it to the clients in which channels they are; see there. nil is for programs with handlers.
	Direct *Direct
	// Origin gives events that come from channels one more argument, an object that says where they come from:
	// {"channel":…,"offset":…,"time":…}. Events that a socket alone is sent have none.
	Origin bool
	// AckTimeout is how long answers are waited for where nothing else says so. 0 means DefaultAckTimeout.
	AckTimeout time.Duration

	MaxNamespaces int // of one connection; 0 means DefaultMaxNamespaces
	MaxAcks       int // of one socket, waited for; 0 means DefaultMaxAcks
	MaxAuth       int // bytes of auth; 0 means DefaultMaxAuth
	// MaxQueue is how many events of one connection may wait for handlers before no more is read of it. While handlers wait for its
	// acknowledgements, which may come behind more events, it is eight times as many. 0 means DefaultMaxQueue.
	MaxQueue int
	// MaxAttachments is how many an event may have, in both directions. 0 means 10, which is what the official clients take.
	MaxAttachments int

	// Cluster is the way to the other nodes: to sockets of theirs, to their servers' handlers, and to what they keep of clients that come back here; nil if
	// there are none.
	Cluster Cluster
	// Log is told of what goes wrong; nil means slog.Default.
	Log *slog.Logger
}

// Recovery says how long and for how many clients that have gone is kept what they need to go on.
type Recovery struct {
	MaxDisconnection time.Duration // 0 means DefaultMaxDisconnection
	MaxKept          int           // sockets that are away; the one that went first is forgotten first. 0 means DefaultMaxKept
	// Store, if not nil, lets clients recover on any node that shares it, also when the one that they left is no more. While that lives, Options.Cluster lets
	// them recover as well, and then with what was emitted meanwhile to the ids of their sockets, and when it has not noticed that they have gone.
	Store           Store
	SkipMiddlewares bool // for clients that recover; [Options.Identify] is asked in any case
}

// Server serves Socket.IO clients. Its namespace "/" is its own: see [Namespace] for what can be done with it. Make one with New; it is an
// [http.Handler].
type Server struct {
	*root
	hub     *hub.Hub
	options Options
	log     *slog.Logger
	engine  *engineio.Server
	limits  packet.Limits
	outbox  int
	started time.Time
	keeper  *keeper       // nil without recovery
	journal *line.Journal // of what is refused
	ids     atomic.Uint64 // of acknowledgements that are waited for
	marks   atomic.Uint64 // see trail
	counts  counts

	ctx    context.Context // over when the server is
	cancel context.CancelFunc
	hands  hands // run handlers

	strangers strangers // connections in no namespace
	searches  searches  // for clients of other nodes
	notices   notices   // events of other nodes

	mu         sync.RWMutex // guards what follows
	namespaces map[string]*Namespace
	families   []*Family
}

// root is the namespace "/", under a name that keeps programs from setting another.
type root = Namespace

// counts are what a server has counted.
type counts struct{ parseErrors, wrongArguments, unrecovered, recovered atomic.Uint64 }

// came counts a client that came back.
func (c *counts) came(recovered bool) {
	if recovered {
		c.recovered.Add(1)
	} else {
		c.unrecovered.Add(1)
	}
}

// Stats are a server's counters.
type Stats struct {
	Engine         engineio.Stats
	Kept           int    // sockets that are away and may come back
	Recovered      uint64 // sockets that came back and lost nothing
	Unrecovered    uint64 // sockets that tried to
	ParseErrors    uint64 // connections that were closed because of what they sent
	WrongArguments uint64 // events whose arguments no handler took
}

// New returns a server of the sessions of h. The error says which option is wrong.
func New(h *hub.Hub, options Options) (*Server, error) {
	options.ConnectTimeout = cmp.Or(options.ConnectTimeout, DefaultConnectTimeout)
	options.AckTimeout = cmp.Or(options.AckTimeout, DefaultAckTimeout)
	options.MaxNamespaces = cmp.Or(options.MaxNamespaces, DefaultMaxNamespaces)
	options.MaxAcks = cmp.Or(options.MaxAcks, DefaultMaxAcks)
	options.MaxAuth = cmp.Or(options.MaxAuth, DefaultMaxAuth)
	options.MaxQueue = cmp.Or(options.MaxQueue, DefaultMaxQueue)
	options.Log = cmp.Or(options.Log, slog.Default())
	options.Engine.Log = cmp.Or(options.Engine.Log, options.Log)
	if options.Identify == nil {
		options.Identify = func(context.Context, *engineio.Handshake, json.RawMessage) (hub.Identity, error) {
			return hub.Identity{}, nil
		}
	}
	s := &Server{hub: h, options: options, log: options.Log, started: time.Now(), namespaces: make(map[string]*Namespace)}
	s.journal = line.NewJournal(h, options.Log)
	s.limits.Attachments = cmp.Or(options.MaxAttachments, packet.DefaultMaxAttachments)
	s.outbox = cmp.Or(options.Engine.OutboxBytes, pacedOutbox)
	if options.Recovery != nil {
		if name := channelOf("/", ""); options.Direct == nil && h.Rule(name).History.Count == 0 {
			return nil, fmt.Errorf("socketio: recovery reads what was missed from history, and the channel %q keeps none; give its rule a History, or leave Recovery out", name)
		}
		s.keeper = newKeeper(*options.Recovery)
		if options.Recovery.Store != nil || options.Cluster != nil {
			s.marks.Store(firstMark())
		}
	}
	s.hands.init()
	s.searches.init()
	s.strangers.patience, s.strangers.cut = options.ConnectTimeout, (*conn).estranged
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.root = s.Of("/")
	var err error
	s.engine, err = engineio.New(engineio.Handler{Open: s.opened, Message: heard, Drained: drained, Close: closed}, &options.Engine)
	if err != nil {
		return nil, fmt.Errorf("socketio: %w", err)
	}
	if options.Cluster != nil {
		if err := options.Cluster.Start(s.serverSide, s.answer); err != nil {
			return nil, fmt.Errorf("socketio: %w", err)
		}
	}
	return s, nil
}

// ServeHTTP answers the requests of clients. Give it the path /socket.io/, and /socket.io for clients that leave the slash out.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Stats are the server's counters.
func (s *Server) Stats() Stats {
	return Stats{
		Engine:         s.engine.Stats(),
		Kept:           s.keeper.count(),
		Recovered:      s.counts.recovered.Load(),
		Unrecovered:    s.counts.unrecovered.Load(),
		ParseErrors:    s.counts.parseErrors.Load(),
		WrongArguments: s.counts.wrongArguments.Load(),
	}
}

// Lag is how long the event loops take to come to something new; see [loop.Server.Lag].
func (s *Server) Lag(ctx context.Context) time.Duration { return s.engine.Lag(ctx) }

// Shutdown refuses new connections, closes those that are open so that their clients come back, and waits until all handlers have
// returned. When ctx ends first, the rest is not waited for, and the error is ctx's. Of the hub's two ends this comes first.
func (s *Server) Shutdown(ctx context.Context) error { return s.ShutdownOver(ctx, 0) }

// ShutdownOver is Shutdown, which closes the connections evenly over a window, so that their clients do not all come back in the same moment; few take
// less, 10 ms for each session of the hub. Give ctx longer than the window.
func (s *Server) ShutdownOver(ctx context.Context, window time.Duration) error {
	defer s.cancel()
	err := s.engine.ShutdownPaced(ctx, line.Spread(window, s.hub.Sessions()), nil)
	if errors.Is(err, http.ErrServerClosed) { // it was called before
		err = nil
	}
	done := make(chan struct{})
	s.notices.end()
	go func() {
		defer close(done)
		s.hands.wait()
	}()
	select {
	case <-done:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// Of returns the namespace of a name, which clients can connect to from now on. It panics if it cannot be a name: one begins with "/" and
// holds no comma.
func (s *Server) Of(name string) *Namespace {
	if err := checkNamespace(name); err != nil {
		panic(err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.namespaces[name]
	if n == nil {
		n = newNamespace(s, name, new(life))
		s.namespaces[name] = n
		s.checkHistory(n)
	}
	n.lasting = true
	return n
}

// checkHistory tells of a namespace in which nobody can recover. That of "/" is refused by New.
func (s *Server) checkHistory(n *Namespace) {
	if s.keeper != nil && s.options.Direct == nil && s.hub.Rule(n.every).History.Count == 0 {
		s.log.Warn("clients of a namespace will not recover, for the channel of all its sockets keeps no history; give its rule a History", "namespace", n.name, "channel", n.every)
	}
}

// OfPattern has clients connect to every namespace for which match says so and that is not there by [Server.Of]; a namespace is made when its first client
// comes and gone after its last. match is asked for each client, and may wait; auth is what the client sent. The names are those of channels, so they are no longer than
// [hub.MaxChannelName] allows.
func (s *Server) OfPattern(match func(name string, auth json.RawMessage) bool) *Family {
	f := &Family{server: s, match: match, life: new(life)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.families = append(s.families[:len(s.families):len(s.families)], f)
	return f
}

// acquire returns the namespace that a client asks for, or nil. It is there until it is released.
func (s *Server) acquire(name string, auth json.RawMessage) *Namespace {
	s.mu.Lock()
	n, families := s.namespaces[name], s.families
	if n != nil && n.lasting {
		n.users++
		s.mu.Unlock()
		return n
	}
	s.mu.Unlock()
	if checkNamespace(name) != nil {
		return nil
	}
	for _, f := range families {
		if f.match(name, auth) {
			return s.found(name, f)
		}
	}
	return nil
}

// found adds a namespace of a family, unless somebody has meanwhile.
func (s *Server) found(name string, f *Family) *Namespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.namespaces[name]
	if n == nil {
		n = newNamespace(s, name, f.life)
		s.namespaces[name] = n
		s.checkHistory(n)
	}
	n.users++
	return n
}

// release ends acquire.
func (s *Server) release(n *Namespace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.users--; n.users == 0 && !n.lasting && s.namespaces[n.name] == n {
		delete(s.namespaces, n.name)
	}
}

func (s *Server) all() []*Namespace {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Namespace, 0, len(s.namespaces))
	for _, n := range s.namespaces {
		all = append(all, n)
	}
	return all
}
