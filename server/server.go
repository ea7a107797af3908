// Package server makes a running node out of a configuration: a listener, an HTTP server, and the routes to the
// gateways and pages.
//
//	node, err := server.New(server.Config{Dev: true})
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
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/hub"
)

// The bounds of plain HTTP. WebSocket lines have their own once they are open.
const (
	headerTimeout  = 10 * time.Second // to send the head of a request
	requestTimeout = 15 * time.Second // to send a whole request
	answerTimeout  = 30 * time.Second // to take the answer
	idleTimeout    = 60 * time.Second // between two requests of one connection
	maxHeaderBytes = 32 << 10         // more than a handshake may have, so that its refusal comes with a sentence
)

// Server is a node that holds its listener. Make one with New; run it once.
type Server struct {
	config   Config
	log      *slog.Logger
	listener net.Listener
	http     *http.Server
	hub      *hub.Hub
	channels *channelhttp.Gateway
	native   *native.Gateway

	identities identities

	stop     chan struct{} // closed by Shutdown
	stopping sync.Once

	maxConnections int
	limited        string // why there are not as many as were asked for, for the log
}

// New checks the configuration and opens the listener. The errors are sentences that say what to change.
func New(config Config) (*Server, error) {
	config.Listen = cmp.Or(config.Listen, DefaultListen)
	if err := config.check(); err != nil {
		return nil, err
	}
	listener, err := listen(&config)
	if err != nil {
		return nil, err
	}
	s := &Server{
		config:   config,
		log:      cmp.Or(config.Log, slog.Default()),
		listener: listener,
		stop:     make(chan struct{}),
	}
	s.maxConnections, s.limited = affordable(config.MaxConnections, openFiles())
	if err := s.start(); err != nil {
		listener.Close()
		return nil, err
	}
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// start starts the hub, and the gateways to it.
func (s *Server) start() (err error) {
	s.identities = identities{sources: s.config.Tokens, dev: s.config.Dev, known: s.config.RequireToken}
	options := hub.Options{
		Broker:      memory.New(memory.Options{}),
		Rules:       s.config.rules(),
		MaxSessions: s.maxConnections,
		Log:         s.log,
	}
	if len(s.config.Auth.Keys) > 0 {
		s.config.Auth.OnRevoke, s.config.Auth.Log = s.revoked, s.log
		if s.identities.verifier, err = auth.New(s.config.Auth); err != nil {
			return err
		}
		options.Authenticate = s.identities.authenticate
	}
	s.hub, err = hub.New(options)
	if err != nil {
		return err
	}
	if s.channels, err = s.newChannels(); err != nil {
		return err
	}
	s.native, err = s.newNative()
	return err
}

func listen(config *Config) (net.Listener, error) {
	address, err := config.address()
	if err != nil {
		return nil, err
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
		return nil, fmt.Errorf("cannot listen on %s: %w; choose an address of this machine with --listen", config.Listen, err)
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
	return errors.Join(err, <-gateways, <-gateways, s.hub.Shutdown(ctx))
}

// announce says in the log where the node is and how open it is.
func (s *Server) announce() {
	host := visible(s.listener.Addr().(*net.TCPAddr))
	if s.config.Dev {
		s.log.Warn("DEV MODE: anybody on this machine may publish, without a token; do not use it in production")
	} else {
		s.log.Info("clients may listen but not publish: publishing needs authentication, which this version does not have yet; " +
			"start with --dev to try it on this machine")
	}
	if asked := s.config.MaxConnections; s.limited != "" && asked != 0 && asked != DefaultMaxConnections {
		s.log.Warn(s.limited)
	} else if s.limited != "" {
		s.log.Info(s.limited)
	}
	s.log.Info("listening", "page", "http://"+host+"/", "channels", "http://"+host+"/channels/{channel}",
		"max_connections", s.maxConnections)
}

// visible is an address that a client on this machine can use.
func visible(address *net.TCPAddr) string {
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, fmt.Sprint(address.Port))
}
