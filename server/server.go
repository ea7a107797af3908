// Package server makes a running node out of a configuration: listeners, an HTTP server, and the routes to the
// gateways and pages.
//
//	c := config.Default()
//	c.Dev = true
//	node, err := server.New(c, server.Options{})
//	if err != nil {
//		return err
//	}
//	go node.Serve()
//	...
//	err = node.Shutdown(ctx)
package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/gateway/socketio/commands"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/server/state"
	"github.com/ringdown/ringdown/server/tracing"
	"github.com/ringdown/ringdown/web/feeds"
	"github.com/ringdown/ringdown/websocket"
)

// Options are what a node is given beside its configuration.
type Options struct {
	// Log is where the node writes what it does; nil means slog.Default.
	Log *slog.Logger
	// Level is set to log.level whenever the configuration changes; nil leaves the level of Log alone.
	Level *slog.LevelVar
	// Version of the program, for the API and the metrics; "" if it is not known.
	Version string
	// Source tells where the value of a key of the configuration came from, as [config.Loaded.Source] does; nil is not known.
	Source func(key string) string
	// Keepers have sections of their own in state.file.
	Keepers []state.Keeper
	// Clients makes the command of a process that runs [measure.Clients] with these arguments, for /compare/ in dev mode; nil: the page
	// cannot simulate clients.
	Clients func(way, url string, clients int) *exec.Cmd
}

// Server is a node that holds its listener. Make one with New; run it once.
type Server struct {
	dev      bool
	version  string
	log      *slog.Logger
	level    *slog.LevelVar
	front    *front
	http     *http.Server
	hub      *hub.Hub
	channels *channelhttp.Gateway
	native   *native.Gateway
	sockets  *commands.Gateway // nil where Socket.IO is not served
	origins  websocket.OriginList
	admin    admin
	peers    *peers // nil where the node is by itself
	service  *service
	tracer   *tracing.Tracer // nil if nothing is traced
	operated operated        // the console
	source   func(string) string
	keepers  []state.Keeper // of the parts of the node, and those of Options
	loaded   bool           // the keepers have what the process before has left; set before the node is started
	clients  func(way, url string, clients int) *exec.Cmd

	mu         sync.Mutex // guards what follows
	config     config.Config
	identities identities // itself to be read without the lock

	drainAsked chan struct{} // closed by askOnce
	askOnce    sync.Once

	started  chan struct{} // closed when all parts are there
	stopping atomic.Bool
	stop     chan struct{} // closed when Shutdown begins to take leave
	stopped  chan struct{} // closed at its end
	requests atomic.Int64  // under way
}

// New checks the configuration and opens the listener. The errors are sentences that say what to change.
func New(c config.Config, o Options) (*Server, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	operated, log, err := openConsole(&c, cmp.Or(o.Log, slog.Default()))
	if err != nil {
		return nil, err
	}
	front, err := openFront(&c, log)
	if err != nil {
		return nil, err
	}
	s := &Server{
		dev: c.Dev, log: log, operated: operated, level: o.Level, front: front, config: c,
		source: o.Source, drainAsked: make(chan struct{}),
		started: make(chan struct{}), stop: make(chan struct{}), stopped: make(chan struct{}), version: o.Version, keepers: o.Keepers, clients: o.Clients,
	}
	if s.source == nil {
		s.source = func(string) string { return "" }
	}
	if err := s.start(o.Version); err != nil {
		s.abandon()
		return nil, err
	}
	close(s.started)
	s.setLevel(c.Log.Level)
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: c.Limits.HandshakeTimeout,
		ReadTimeout:       c.Limits.RequestTimeout,
		WriteTimeout:      c.Limits.AnswerTimeout,
		IdleTimeout:       c.Limits.IdleTimeout,
		MaxHeaderBytes:    int(c.Limits.HeaderSize), // more than a handshake may have, so that its refusal comes with a sentence
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// abandonTimeout is a bound of what takes no time: nobody is connected yet.
const abandonTimeout = 5 * time.Second

// abandon closes what was opened of a node that does not start, the last first.
func (s *Server) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), abandonTimeout)
	defer cancel()
	s.stopConsole()
	if s.admin.private != nil {
		s.admin.private.Close()
	}
	if s.native != nil {
		s.native.Shutdown(ctx)
	}
	if s.sockets != nil {
		s.sockets.Shutdown(ctx)
	}
	if s.channels != nil {
		s.channels.Shutdown(ctx)
	}
	s.peers.closeRelay()
	if s.hub != nil {
		s.hub.Shutdown(ctx)
	}
	s.service.abandon()
	if s.tracer != nil {
		s.tracer.Close(ctx)
	}
	s.identities.close()
	s.front.close()
}

// start starts the hub, and the gateways to it.
func (s *Server) start(version string) (err error) {
	c := &s.config
	s.identities.dev = c.Dev
	if err := s.setTokens(&c.Auth); err != nil {
		return err
	}
	if s.tracer, err = newTracer(&c.Tracing, version, s.log); err != nil {
		return err
	}
	if s.service, err = newService(&c.Backend, s.tracer, s.observeHook, s.log); err != nil {
		return err
	}
	broker, err := s.openBroker()
	if err != nil {
		return err
	}
	connections, _ := affordable(c.Limits.Connections, openFiles())
	s.hub, err = hub.New(hub.Options{
		Broker:           broker,
		Rules:            rules(c),
		MaxSessions:      connections,
		MaxSubscriptions: c.Limits.Subscriptions,
		Authenticate:     s.authenticate,
		Confirm:          s.identities.confirm,
		Guards:           append(s.front.guards(), s.service.guards()...),
		Call:             s.service.call(),
		Watch:            s.service.watch(),
		Ended:            s.operated.ended(),
		Log:              s.log,
	})
	if err != nil {
		return err
	}
	if err := s.origins.Set(c.Origins); err != nil {
		return err
	}
	if s.channels, err = s.newChannels(); err != nil {
		return err
	}
	if s.native, err = s.newNative(); err != nil {
		return err
	}
	if s.sockets, err = s.newSockets(); err != nil {
		return err
	}
	if err := s.openRelay(); err != nil {
		return err
	}
	lines := s.lines
	s.front.files.lines.Store(&lines)
	if err := s.startAdmin(version); err != nil {
		return err
	}
	return s.loadState() // at the very end: a node that does not start must not use it up
}

// Addr is the address the node listens on (listen.address), with the port that the system chose if the configuration left it 0.
func (s *Server) Addr() net.Addr { return s.front.listeners[0].Addr() }

// Serve answers clients until Shutdown, and then returns nil.
func (s *Server) Serve() error {
	s.announce()
	s.announceAdmin()
	s.announceConsole()
	go s.servePrivate()
	go settle(s.stop, s.hub.Sessions)
	if s.dev {
		go feeds.Run(s.stop, s.hub, s.log, feeds.All()...)
	}
	go s.announceSelf()
	return s.front.serve(s.http)
}

// announce says in the log where the node is and how open it is.
func (s *Server) announce() {
	bases := s.front.bases()
	c := s.Config()
	switch {
	case s.dev && len(c.Rules) == 0:
		s.log.Warn("DEV MODE: anybody on this machine may publish, without a token; do not use it in production")
	case s.dev:
		s.log.Warn("DEV MODE: anybody on this machine may pass for any user, without a token; do not use it in production")
	case len(c.Rules) == 0:
		s.log.Info("clients may listen but not publish: there are no rules that let them; start with --dev to try it on this machine")
	}
	connections, limited := affordable(c.Limits.Connections, openFiles())
	if limited != "" && c.Limits.Connections != config.Default().Limits.Connections {
		s.log.Warn(limited)
	} else if limited != "" {
		s.log.Info(limited)
	}
	if s.peers != nil {
		s.log.Info("one of several nodes", s.peers.describe()...)
	}
	s.log.Info("listening", append(places(bases[0]), "max_connections", connections)...)
	for _, base := range bases[1:] {
		s.log.Info("listening as well", places(base)[:2]...)
	}
}

// places are what is to be found at a base, for the log. A socket file has no URL.
func places(base string) []any {
	if file, ok := strings.CutPrefix(base, "unix:"); ok {
		return []any{"socket", file}
	}
	return []any{"page", base + "/", "channels", base + "/channels/{channel}"}
}

// visible is an address that a client on this machine can use.
func visible(address *net.TCPAddr) string {
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, fmt.Sprint(address.Port))
}
