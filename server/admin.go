// The side of a node that is not for clients: the server API, metrics, health and profiles, and the private listener for them.

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/api"
	sockets "github.com/ringdown/ringdown/server/listen"
	"github.com/ringdown/ringdown/server/metrics"
	"github.com/ringdown/ringdown/websocket/loop"
)

// admin is what operators and the programs behind a node use. Only draining changes once it is started; keys guards itself.
type admin struct {
	broker   *memory.Broker // nil where the broker is shared
	keys     *api.Keys
	api      *api.Handler
	open     *api.Handler // as api, for dev mode without keys: it asks none of this machine
	metrics  *metrics.Metrics
	health   metrics.Health
	draining atomic.Bool

	private net.Listener // nil where listen.private is empty
	http    *http.Server // behind private
}

// keep notes the broker, of which the metrics tell.
func (a *admin) keep(b *memory.Broker) *memory.Broker {
	a.broker = b
	return b
}

// profileTimeout bounds answers on the private listener, where a profile may take minutes.
const profileTimeout = 5 * time.Minute

// startAdmin opens the private listener, if there is to be one, and prepares what the routes lead to. It is called once, when
// the hub and the gateways are there.
func (s *Server) startAdmin(version string) (err error) {
	a := &s.admin
	keys, err := apiKeys(&s.config.API)
	if err != nil {
		return err
	}
	if a.keys, err = api.NewKeys(keys); err != nil {
		return err
	}
	a.health.Checks = []metrics.Check{{Name: "drain", Ready: s.notDraining}, {Name: "keys", Ready: s.identities.keysLoaded}}
	if s.peers != nil {
		a.health.Checks = append(a.health.Checks, metrics.Check{Name: "broker", Ready: s.peers.broker.Ready},
			metrics.Check{Name: "name", Ready: s.peers.Cluster.Ready})
	}
	sources := metrics.Sources{
		Hub:     s.hub,
		Loops:   map[string]func() loop.Stats{"channels": s.channels.Stats, "native": s.native.Stats},
		Version: version,
		Ready:   func() bool { return len(a.health.Reasons(context.Background())) == 0 },
	}
	if s.sockets != nil {
		sources.Loops["socketio"] = func() loop.Stats { return s.sockets.Stats().Engine.Sockets }
		sources.SocketIO = s.sockets.Stats
	}
	s.addSources(&sources)
	a.metrics = metrics.New(sources)
	a.api, a.open = s.newAPI(version, false), s.newAPI(version, true)
	s.startConsole(version)
	if s.config.Listen.Private == "" {
		return nil
	}
	return s.openPrivate()
}

// addSources adds the sources of metrics that a node has only where it is configured so.
func (s *Server) addSources(to *metrics.Sources) {
	if s.admin.broker != nil {
		to.Store = s.admin.broker.Stats
	}
	if s.peers != nil {
		to.Broker = s.peers.broker.Stats
		to.BrokerReady = func() bool { return s.peers.broker.Health() == nil }
	}
	if s.service.hooks != nil {
		to.Endpoints = s.service.hooks.Endpoints
	}
	if s.service.events != nil {
		to.Events = s.service.events.Stats
	}
	if s.front.limiter != nil {
		to.Limited = s.front.limiter.Refused
	}
	if s.tracer != nil {
		to.Traces = s.tracer.Stats
	}
}

// openPrivate opens the private listener.
func (s *Server) openPrivate() error {
	opened, err := sockets.Open([]sockets.Spec{{Address: s.config.Listen.Private}}, s.log)
	if err != nil {
		return fmt.Errorf("listen.private: %w", err)
	}
	limits := &s.config.Limits
	s.admin.private = opened[0]
	s.admin.http = &http.Server{
		Handler:           s.privateRoutes(),
		ReadHeaderTimeout: limits.HandshakeTimeout,
		ReadTimeout:       limits.RequestTimeout,
		WriteTimeout:      profileTimeout,
		IdleTimeout:       limits.IdleTimeout,
		MaxHeaderBytes:    int(limits.HeaderSize),
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	return nil
}

// newAPI returns the API, either for whoever has a key or for every program on this machine.
func (s *Server) newAPI(version string, open bool) *api.Handler {
	started := time.Now()
	name, _ := os.Hostname() // none is fine
	o := api.Options{
		Keys:   s.admin.keys,
		Open:   open,
		Revoke: s.revokeEverywhere,
		Node: func() api.Node {
			return api.Node{Name: name, Version: version, Started: started, Draining: s.admin.draining.Load()}
		},
		Observe: s.admin.metrics.ObserveAPI,
		Log:     s.log,
	}
	if s.tracer != nil {
		o.Trace = s.tracer.Operation
	}
	if s.peers != nil {
		o.Peers, name = s.peers, s.peers.Node()
	}
	return api.New(s.hub, o)
}

// serveAPI answers requests to the API. Keys may come and go while the node runs, and the first one closes the API of dev mode.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	if s.apiIsOpen() {
		s.admin.open.ServeHTTP(w, r)
		return
	}
	s.admin.api.ServeHTTP(w, r)
}

// apiIsOpen tells whether programs on this machine need no key for the API.
func (s *Server) apiIsOpen() bool { return s.dev && s.admin.keys.Len() == 0 }

// adminRoutes adds what of all this is on the listeners for clients: health always, the rest where there is no private listener.
func (s *Server) adminRoutes(mux *http.ServeMux) {
	mux.HandleFunc("/livez", s.admin.health.Live)
	mux.HandleFunc("/readyz", s.admin.health.Ready)
	if s.admin.private != nil {
		return
	}
	mux.HandleFunc(api.Prefix+"/", s.serveAPI)
	s.consoleRoutes(mux)
	if s.config.Metrics.Public {
		mux.Handle("/metrics", s.admin.metrics)
	} else {
		mux.Handle("/metrics", s.admin.api.Reading("metrics", s.admin.metrics))
	}
}

// privateRoutes is what the private listener serves. The command line, which pprof would show, too, is not there: it may hold secrets.
func (s *Server) privateRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", s.admin.health.Live)
	mux.HandleFunc("/readyz", s.admin.health.Ready)
	mux.Handle("/metrics", s.admin.metrics)
	mux.HandleFunc(api.Prefix+"/", s.serveAPI)
	s.consoleRoutes(mux)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "there is nothing here; on this address there are /livez, /readyz, /metrics, "+api.Prefix+"/, /console/ if it has a token, and /debug/pprof/", http.StatusNotFound)
	})
	return s.guard(mux)
}

// PrivateAddr is the address of the private listener, with the port that the system chose if the configuration left it 0; nil if
// there is none.
func (s *Server) PrivateAddr() net.Addr {
	if s.admin.private == nil {
		return nil
	}
	return s.admin.private.Addr()
}

// servePrivate serves the private listener, until stopAdmin. A node whose private listener fails goes on serving its clients.
func (s *Server) servePrivate() {
	if s.admin.private == nil {
		return
	}
	if err := s.admin.http.Serve(s.admin.private); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("the private listener has failed; metrics and the API are gone until a restart", "address", s.admin.private.Addr(), "error", err)
	}
}

// stopAdmin closes the private listener and cuts what is asked there, at the very end, so that a node can be watched while it drains.
func (s *Server) stopAdmin() {
	s.stopConsole()
	if s.admin.private != nil {
		s.admin.http.Close()
		s.admin.private.Close() // it may never have been served
	}
}

// keysLoaded tells why tokens of some issuer could not be verified. Which one is not for everybody to know; the log has it.
func (i *identities) keysLoaded(context.Context) error {
	t := i.tokens.Load()
	if t.verifier == nil {
		return nil
	}
	if without, all := sourcesWithout(t.verifier); without > 0 {
		return fmt.Errorf("of %d sources of token keys (auth.keys) %d have none yet; the log says why", all, without)
	}
	return nil
}

// revoke has tokens refused and ends the sessions that they opened, by way of [Server.revoked]; where no further revocation can be held
// the sessions end all the same.
func (s *Server) revoke(r auth.Revocation) error {
	verifier := s.identities.tokens.Load().verifier
	if verifier == nil {
		return hub.Errorf(hub.NotFound, "this server takes no tokens, so there is nothing to revoke; give it keys (auth.keys), or use disconnect")
	}
	err := verifier.Revoke(r)
	if errors.Is(err, auth.ErrTooManyRevocations) {
		return hub.Errorf(hub.Unavailable, "%d revocations are held, as many as may be: sessions are ended, but their tokens still taken; "+
			"revoke again when others have run out, or change the signing key, which revokes all", auth.DefaultMaxRevocations)
	}
	return err
}

// announceAdmin says in the log where all this is, and how open.
func (s *Server) announceAdmin() {
	if s.apiIsOpen() {
		s.log.Warn("DEV MODE: programs on this machine may use the server API without a key, until one is configured (api.keys)")
	}
	if s.admin.private != nil {
		s.log.Info("listening for operators", "address", s.admin.private.Addr().String(), "serves", "/metrics /api/v1/ /console/ /debug/pprof/ /livez /readyz")
		return
	}
	if address, ok := s.Addr().(*net.TCPAddr); ok && !address.IP.IsLoopback() && s.config.Metrics.Public {
		s.log.Warn("whoever can reach this node can read /metrics; give it an address of its own with listen.private, or leave out metrics.public")
	}
}
