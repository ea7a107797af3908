// Package server makes a running node out of a configuration: a listener, an HTTP server, and the routes to the
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
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// Options are what a node is given beside its configuration.
type Options struct {
	// Log is where the node writes what it does; nil means slog.Default.
	Log *slog.Logger
	// Level is set to log.level whenever the configuration changes; nil leaves the level of Log alone.
	Level *slog.LevelVar
}

// Server is a node that holds its listener. Make one with New; run it once.
type Server struct {
	dev      bool
	log      *slog.Logger
	level    *slog.LevelVar
	listener net.Listener
	http     *http.Server
	hub      *hub.Hub
	channels *channelhttp.Gateway
	native   *native.Gateway
	origins  websocket.OriginList
	service  *service

	mu         sync.Mutex // guards what follows
	config     config.Config
	identities identities // itself to be read without the lock

	stop     chan struct{} // closed by Shutdown
	stopping sync.Once
}

// New checks the configuration and opens the listener. The errors are sentences that say what to change.
func New(c config.Config, o Options) (*Server, error) {
	if err := errors.Join(c.Check(), missing(c)); err != nil {
		return nil, err
	}
	listener, err := listen(&c)
	if err != nil {
		return nil, err
	}
	s := &Server{
		dev: c.Dev, log: cmp.Or(o.Log, slog.Default()), level: o.Level, listener: listener, config: c,
		stop: make(chan struct{}),
	}
	if err := s.start(); err != nil {
		listener.Close()
		s.service.abandon()
		return nil, err
	}
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

// start starts the hub, and the gateways to it.
func (s *Server) start() (err error) {
	c := &s.config
	s.identities.dev = c.Dev
	if err := s.setTokens(&c.Auth); err != nil {
		return err
	}
	if s.service, err = newService(&c.Backend, s.log); err != nil {
		return err
	}
	connections, _ := affordable(c.Limits.Connections, openFiles())
	s.hub, err = hub.New(hub.Options{
		Broker:           memory.New(memory.Options{MaxBytes: int(c.Limits.HistoryBytes)}),
		Rules:            rules(c),
		MaxSessions:      connections,
		MaxSubscriptions: c.Limits.Subscriptions,
		Authenticate:     s.identities.authenticate,
		Guards:           s.service.guards(),
		Call:             s.service.call(),
		Watch:            s.service.watch(),
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
	s.native, err = s.newNative()
	return err
}

func listen(c *config.Config) (net.Listener, error) {
	address, err := net.ResolveTCPAddr("tcp", c.Listen.Address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w; write it as host:port, for instance 127.0.0.1:8000", c.Listen.Address, err)
	}
	if c.Dev && !address.IP.IsLoopback() { // a name may mean any machine, so the check of the configuration is not enough
		return nil, fmt.Errorf("dev mode lets anybody publish, so it listens on loopback only, and %q is open to others; "+
			"use --listen 127.0.0.1:%d, or leave out --dev", c.Listen.Address, address.Port)
	}
	listener, err := net.ListenTCP("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d is taken by another program; stop it, or choose another port with --listen %s",
			address.Port, net.JoinHostPort(address.IP.String(), fmt.Sprint(address.Port+1)))
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("port %d needs privileges that this program does not have; choose a port above 1023 with --listen",
			address.Port)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w; choose an address of this machine with --listen", c.Listen.Address, err)
	}
	return listener, nil
}

// Addr is the address the node listens on, with the port that the system chose if the configuration left it 0.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers clients until Shutdown, and then returns nil.
func (s *Server) Serve() error {
	s.announce()
	go settle(s.stop, s.hub.Sessions)
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", s.listener.Addr(), err)
	}
	return nil
}

// Shutdown stops listening, says goodbye to every client (close code 1012) and returns when all have gone: first the HTTP server,
// of which the gateways' clients are a part until their connections are taken over, then the gateways, then the hub. When ctx ends
// first it cuts what is left and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.log.Info("shutting down", "connections", s.hub.Sessions())
	s.stopping.Do(func() { close(s.stop) })
	gateways := make(chan error, 2)
	s.http.RegisterOnShutdown(func() { gateways <- s.channels.Shutdown(ctx) }) // once nobody new can come
	s.http.RegisterOnShutdown(func() { gateways <- s.native.Shutdown(ctx) })
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	err = errors.Join(err, <-gateways, <-gateways, s.hub.Shutdown(ctx))
	err = errors.Join(err, s.service.close(ctx))
	s.identities.close()
	return err
}

// announce says in the log where the node is and how open it is.
func (s *Server) announce() {
	host := visible(s.listener.Addr().(*net.TCPAddr))
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
	s.log.Info("listening", "page", "http://"+host+"/", "channels", "http://"+host+"/channels/{channel}",
		"max_connections", connections)
}

// visible is an address that a client on this machine can use.
func visible(address *net.TCPAddr) string {
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, fmt.Sprint(address.Port))
}
