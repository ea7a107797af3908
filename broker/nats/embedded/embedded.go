// Package embedded runs a NATS server inside the process, so that a few nodes of Ringdown form a cluster with nothing else installed.
//
//	s, err := embedded.Start(embedded.Options{Dir: "/var/lib/ringdown", Node: "a", Listen: ":6222", Routes: []string{"b:6222", "c:6222"}})
//	b, err := nats.New(s.BrokerOptions())
//
// Each node connects to its own server without a network; the servers connect to each other by routes. With three nodes or more everything
// is stored on three of them, and one may be lost; with two it is stored on both, and the loss of either stops publishing until it is back; with
// one there is nothing to lose but what is in Dir.
//
// Routes carry everything that is published. They are open to whoever can reach the port and knows the secret; without a secret or TLS
// they belong into a network of their own.
package embedded

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/ringdown/ringdown/broker/nats"
)

// Options say where the server stores and whom it knows. Dir is needed; with Routes also Node and Listen.
type Options struct {
	Dir    string   // where everything is stored; of this node alone
	Node   string   // this node's name, the same each time it is started, unique in the cluster
	Listen string   // host:port for the routes of the other nodes; not listened at all if it is ""
	Routes []string // host:port of the other nodes, or of some of them; all nodes should name the same cluster

	// Nodes is of how many nodes the cluster is; by default one more than Routes. It decides on how many of them everything is stored.
	Nodes int

	// Secret is what the nodes of a cluster have in common and others do not know. "" lets everybody in.
	Secret string

	// TLS is for the routes, in both directions; nil for none. It needs a certificate, and ClientCAs to ask the others for theirs.
	TLS *tls.Config

	// MaxPayload is how large a publication may be, in bytes, 1 MiB by default. It must be the same on all nodes.
	MaxPayload int32

	// Log takes what an operator should know. By default nothing is logged.
	Log *slog.Logger
}

// Server is a running server.
type Server struct {
	server  *server.Server
	options Options
	token   string // that clients need; "" if only this process can be one
}

// clusterName is the name that servers of one cluster have in common.
const clusterName = "ringdown"

// mostReplicas is on how many nodes everything is stored at most, unless a broker's options say more.
const mostReplicas = 3

// patience is how long a server may take to begin.
const patience = 30 * time.Second

// Start starts a server. It does not wait for the others; a broker's Start does, for a while.
func Start(o Options) (*Server, error) {
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	if err := o.tryListening(); err != nil {
		return nil, err
	}
	s, err := server.NewServer(config)
	if err != nil {
		return nil, fmt.Errorf("embedded: the NATS server does not take its configuration: %w", err)
	}
	fatal := make(chan string, 1)
	s.SetLoggerV2(&logger{o.Log, fatal}, false, false, false)
	s.Start()
	if err := begun(s, fatal); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("embedded: the NATS server has not begun; see that %s can be written and that nobody else listens at %q: %w", o.Dir, o.Listen, err)
	}
	return &Server{s, o, config.Authorization}, nil
}

// tryListening finds out whether somebody else listens where the server is to, before it opens its store: that may be the store of the same node,
// which was started twice.
func (o *Options) tryListening() error {
	if o.Listen == "" {
		return nil
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("embedded: cannot listen for the routes of the other nodes; is this node running already?: %w", err)
	}
	return l.Close()
}

// begun waits until a server has begun, or says why it cannot.
func begun(s *server.Server, fatal <-chan string) error {
	ready := make(chan bool, 1)
	go func() { ready <- s.ReadyForConnections(patience) }()
	select {
	case ok := <-ready:
		if !ok {
			return fmt.Errorf("it has taken longer than %v", patience)
		}
	case text := <-fatal:
		return errors.New(text)
	}
	return nil
}

// config is the server's configuration.
func (o *Options) config() (*server.Options, error) {
	if o.Dir == "" {
		return nil, fmt.Errorf("embedded: no folder is given; say where the NATS server is to store")
	}
	if len(o.Routes) > 0 && (o.Node == "" || o.Listen == "") {
		return nil, fmt.Errorf("embedded: a node with routes needs a name that stays the same, and an address to listen at for the routes of the others")
	}
	config := &server.Options{ServerName: cmp.Or(o.Node, "ringdown"), DontListen: true, NoSigs: true, JetStream: true, StoreDir: filepath.Clean(o.Dir),
		MaxPayload: cmp.Or(o.MaxPayload, 1<<20), DisableJetStreamBanner: true}
	if o.Listen == "" {
		return config, nil
	}
	// A server of a cluster does not begin its routes before it listens to clients. It does so on the loopback, to who knows a secret of this run.
	config.DontListen, config.Host, config.Port, config.Authorization = false, "127.0.0.1", server.RANDOM_PORT, rand.Text()
	host, port, err := split(o.Listen)
	if err != nil {
		return nil, err
	}
	config.Cluster = server.ClusterOpts{Name: clusterName, Host: cmp.Or(host, "0.0.0.0"), Port: port, NoAdvertise: true, TLSConfig: o.TLS, TLSTimeout: 5}
	if o.Secret != "" {
		config.Cluster.Username, config.Cluster.Password = clusterName, o.Secret
	}
	for _, route := range o.Routes {
		if _, _, err := split(route); err != nil {
			return nil, err
		}
		u := &url.URL{Scheme: "nats-route", Host: route}
		if o.Secret != "" {
			u.User = url.UserPassword(clusterName, o.Secret)
		}
		config.Routes = append(config.Routes, u)
	}
	return config, nil
}

func split(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("embedded: the address %.80q cannot be read; write host:port", address)
	}
	return host, port, nil
}

// BrokerOptions are those with which a broker uses this server. More may be set.
func (s *Server) BrokerOptions() nats.Options {
	o := nats.Options{InProcess: s.server, Node: s.options.Node, Log: s.options.Log}
	if s.token != "" {
		o.URL = "nats://" + s.token + "@127.0.0.1" // the address is not used
	}
	o.Replicas = min(cmp.Or(s.options.Nodes, 1+len(s.options.Routes)), mostReplicas)
	return o
}

// Close ends the server, after the broker that uses it. It hands on what it leads to the others, and waits until it has ended.
func (s *Server) Close() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// logger has the server's log go to ours, if there is one. The server's way to give up is to log why.
type logger struct {
	to    *slog.Logger
	fatal chan<- string
}

func (l *logger) log(level slog.Level, format string, values []any) (text string) {
	text = strings.TrimSpace(fmt.Sprintf(format, values...))
	if l.to != nil {
		l.to.Log(context.Background(), level, "nats: "+text)
	}
	return text
}

func (l *logger) Noticef(format string, values ...any) { l.log(slog.LevelDebug, format, values) }
func (l *logger) Warnf(format string, values ...any)   { l.log(slog.LevelWarn, format, values) }
func (l *logger) Debugf(string, ...any)                {}
func (l *logger) Tracef(string, ...any)                {}

// Errorf takes a node that is not there for nothing worse than a warning: it may be about to start.
func (l *logger) Errorf(format string, values ...any) {
	level := slog.LevelError
	if strings.HasPrefix(format, "Error trying to connect to route") {
		level = slog.LevelWarn
	}
	l.log(level, format, values)
}

func (l *logger) Fatalf(format string, values ...any) {
	select {
	case l.fatal <- l.log(slog.LevelError, format, values):
	default:
	}
}
