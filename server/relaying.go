// Clients that poll, behind a balancer that sends their requests to any node: how each comes to the node whose session it is.

package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/server/brokers"
	"github.com/ringdown/ringdown/server/relay"
)

// relaying is the listener for the other nodes, and the way to theirs.
type relaying struct {
	*relay.Relay
	listener net.Listener
	address  string // that the others are told
	http     *http.Server
	closed   sync.Once
}

// relayHead is how long a node may take to send the head of a request to another.
const relayHead = 10 * time.Second

// openRelay opens the listener for the other nodes, if there is to be one.
func (s *Server) openRelay() error {
	c := &s.config.Broker.Cluster
	if s.peers == nil || c.Listen == "" || s.sockets == nil {
		return nil
	}
	secret, err := brokers.ClusterSecret(c)
	if err != nil {
		return err
	}
	secure, err := brokers.ClusterTLS(c, s.log)
	if err != nil {
		return err
	}
	passing, err := relay.New(relay.Options{Self: s.peers.Node(), Secret: secret, Find: s.peers.address, TLS: secure,
		Timeout: s.config.SocketIO.PingInterval + s.config.SocketIO.PingTimeout, Log: s.log})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("broker.cluster.listen: %w", err)
	}
	r := &relaying{Relay: passing, listener: listener, address: c.Advertise}
	if r.address == "" {
		r.address = listener.Addr().String()
	}
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	mux := http.NewServeMux()
	base := strings.TrimSuffix(s.config.SocketIO.Path, "/")
	mux.Handle(base, s.sockets)
	mux.Handle(base+"/", s.sockets)
	r.http = &http.Server{Handler: r.Receive(mux), ReadHeaderTimeout: relayHead, ReadTimeout: s.config.Limits.RequestTimeout + relayHead, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 2 * int(s.config.Limits.HeaderSize), ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	s.peers.relaying = r
	go r.http.Serve(listener) // until closeRelay
	return nil
}

// stopRelaying cuts what this node passes on: its clients come back, to nodes that stay.
func (p *peers) stopRelaying() {
	if p != nil && p.relaying != nil {
		p.relaying.Stop()
	}
}

// closeRelay cuts what other nodes still ask here. It may be called more than once.
func (p *peers) closeRelay() {
	if p == nil || p.relaying == nil {
		return
	}
	p.relaying.closed.Do(func() {
		p.relaying.http.Close()
		p.relaying.listener.Close()
		p.relaying.Stop()
	})
}

// relayed passes requests of other nodes' sessions on, if that is configured.
func (s *Server) relayed(here http.Handler) http.Handler {
	if s.peers == nil || s.peers.relaying == nil {
		return here
	}
	return s.peers.relaying.Handler(func(r *http.Request) string {
		node, _ := engineio.NodeOf(r.URL.Query().Get("sid"))
		return node
	}, here)
}

// directory remembers for a moment where nodes are.
type directory struct {
	mu        sync.Mutex // guards what follows
	asked     time.Time  // when the broker has answered last, or has not
	answered  bool
	asking    chan struct{} // closed when it has; nil if it is not being asked
	addresses map[string]string
}

const (
	// directoryAge is how old what is remembered may be, and directoryPause how soon after a question the broker is asked again for a
	// node that is not in it.
	directoryAge   = 5 * time.Second
	directoryPause = 500 * time.Millisecond
	directoryWait  = 2 * time.Second
)

// address is where a node can be reached. The broker is asked by one request at a time; others wait for its answer, but not for a broker that has
// not answered before: what was known holds until it is back.
func (p *peers) address(ctx context.Context, node string) (string, bool) {
	d := &p.directory
	d.mu.Lock()
	address, age := d.addresses[node], time.Since(d.asked)
	asking, mine := d.asking, false
	if stale := age > directoryAge || address == "" && age > directoryPause; stale && asking == nil {
		asking, mine = make(chan struct{}), true
		d.asking = asking
	}
	wait := asking != nil && (address == "" || age > directoryAge && d.answered)
	d.mu.Unlock()
	if mine {
		p.look(ctx)
	} else if wait {
		select {
		case <-asking:
		case <-ctx.Done():
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	address = d.addresses[node]
	return address, address != ""
}

// look asks where the nodes are; if that is not to be had, what was known before holds.
func (p *peers) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), directoryWait)
	defer cancel()
	nodes, err := p.Nodes(ctx)
	addresses := make(map[string]string, len(nodes))
	for _, n := range nodes {
		var is announced
		if json.Unmarshal(n.Info, &is) == nil {
			addresses[n.Name] = is.Address
		}
	}
	d := &p.directory
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.addresses = addresses
	}
	d.asked, d.answered = time.Now(), err == nil
	close(d.asking)
	d.asking = nil
}
