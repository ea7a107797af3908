// The console's side of a node: what it is told, and where it is.

package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/server/console"
	"github.com/ringdown/ringdown/web"
	"github.com/ringdown/ringdown/websocket/loop"
)

// operated is the console of a node. The zero value is none.
type operated struct {
	token   string
	made    bool // the token, for dev mode
	memory  *console.Memory
	handler *console.Handler // nil before it is started
}

// enabled tells whether there is a console.
func (o *operated) enabled() bool { return o.token != "" }

// openConsole finds out whether there is to be a console, and returns a log of which it hears.
func openConsole(c *config.Config, log *slog.Logger) (o operated, heard *slog.Logger, err error) {
	o.token = string(c.Console.Token)
	if c.Console.TokenFile != "" {
		if o.token, err = readSecret(c.Console.TokenFile, "token", console.MinToken); err != nil {
			return operated{}, nil, fmt.Errorf("console.token_file: %w", err)
		}
	}
	if o.token == "" && c.Dev {
		o.token, o.made = rand.Text(), true
	}
	if !o.enabled() {
		return o, log, nil
	}
	o.memory = console.NewMemory()
	return o, slog.New(o.memory.Tap(log.Handler())), nil
}

// ended is for the hub; nil where there is no console.
func (o *operated) ended() func(hub.Ending) {
	if !o.enabled() {
		return nil
	}
	return o.memory.Ended
}

// startConsole begins to answer. It is called once everything is there that it asks.
func (s *Server) startConsole(version string) {
	if !s.operated.enabled() {
		return
	}
	o := console.Options{
		Token: s.operated.token, Memory: s.operated.memory, Log: s.log,
		Node: s.consoleNode(version), Counters: s.consoleCounters, Lag: s.loopLag, Values: s.configValues, Drain: s.askToDrain,
	}
	if s.peers != nil {
		o.Nodes = s.consoleNodes
	}
	s.operated.handler = console.New(s.hub, o)
}

// consoleRoutes adds the console and its pages to what operators find. Without one there is nothing.
func (s *Server) consoleRoutes(mux *http.ServeMux) {
	if s.operated.handler == nil {
		return
	}
	mux.Handle(console.Prefix+"/", s.operated.handler)
	pages := web.Embedded().Console()
	if s.admin.private != nil { // where the pages of clients are not served, whose scripts and styles it shares
		maps.Copy(pages, web.Embedded().Assets())
	}
	for path, page := range pages {
		mux.Handle("GET "+path, page)
	}
}

// stopConsole ends its streams, which would otherwise have to be waited for.
func (s *Server) stopConsole() {
	if s.operated.handler != nil {
		s.operated.handler.Close()
	}
}

// consoleBase is where operators on this machine find it.
func (s *Server) consoleBase() string {
	if s.admin.private == nil {
		return s.front.bases()[0]
	}
	if address, ok := s.admin.private.Addr().(*net.TCPAddr); ok {
		return "http://" + visible(address)
	}
	return "unix:" + s.admin.private.Addr().String()
}

// announceConsole says in the log where the console is; its token only where it was made up for this run, for there is no other way to
// know it.
func (s *Server) announceConsole() {
	if !s.operated.enabled() {
		return
	}
	address := s.consoleBase() + "/console/"
	if s.operated.made {
		address += "#token=" + url.QueryEscape(s.operated.token)
	}
	s.log.Info("console", "page", address)
}

// consoleNode tells what the node is.
func (s *Server) consoleNode(version string) func(context.Context) console.Node {
	started := time.Now()
	name, _ := os.Hostname() // none is fine
	if s.peers != nil {
		name = s.peers.Node()
	}
	return func(ctx context.Context) console.Node {
		c := s.Config()
		connections, _ := affordable(c.Limits.Connections, openFiles())
		n := console.Node{
			Name: name, Version: version, Started: started, Dev: s.dev, Draining: s.admin.draining.Load(), Broker: config.Memory,
			MaxSessions: connections, MaxSubscriptions: c.Limits.Subscriptions, MaxMessage: int(c.Limits.MessageSize),
			OutboxBytes: int(c.Limits.OutboxBytes), HistoryBytes: int(c.Limits.HistoryBytes),
		}
		if s.peers != nil {
			n.Broker, n.HistoryBytes = c.Broker.Kind(), 0
			n.BrokerError = s.peers.broker.Ready(ctx)
		}
		return n
	}
}

// registryWait is how much longer than for the nodes the registry is waited for.
const registryWait = time.Second

// consoleNodes tells of all nodes: what each answers, and those of the registry that do not.
func (s *Server) consoleNodes(ctx context.Context) ([]console.Peer, []string) {
	ctx, cancel := context.WithTimeout(ctx, s.Config().Broker.Cluster.QueryTimeout+registryWait)
	defer cancel()
	heard, asked := make(map[string]hub.Node), make(chan error, 1)
	go func() {
		registry, err := s.peers.Nodes(ctx)
		for _, n := range registry {
			heard[n.Name] = n
		}
		asked <- err
	}()
	answers, missing := s.admin.api.Nodes(ctx)
	if err := <-asked; err != nil {
		missing = append(missing, "*")
	}
	var all []console.Peer
	for _, n := range answers {
		p := console.Peer{Name: n.Name, Self: n.Name == s.peers.Node(), Version: n.Version, Started: n.Started, Heard: heard[n.Name].Heard,
			Health: console.Well, Sessions: n.Sessions, Channels: n.Channels, Subscriptions: n.Subscriptions, Publications: n.Publications, Deliveries: n.Deliveries}
		if n.Draining {
			p.Health = console.Leaving
		}
		delete(heard, n.Name)
		all = append(all, p)
	}
	for _, n := range heard {
		var said announced
		json.Unmarshal(n.Info, &said) // what cannot be read was not said
		all = append(all, console.Peer{Name: n.Name, Self: n.Name == s.peers.Node(), Version: said.Version, Started: said.Started, Heard: n.Heard,
			Health: console.NoAnswer, Sessions: said.Sessions})
	}
	slices.Sort(missing)
	return all, slices.Compact(missing)
}

// consoleCounters adds up what the gateways count.
func (s *Server) consoleCounters() console.Counters {
	var sum console.Counters
	for _, n := range []loop.Stats{s.channels.Stats(), s.native.Stats()} {
		sum.MessagesIn += n.MessagesIn
		sum.BytesIn += n.BytesIn
		sum.BytesOut += n.BytesOut
	}
	if s.sockets == nil {
		return sum
	}
	n := s.sockets.Stats().Engine
	sum.MessagesIn += n.Sockets.MessagesIn + n.Polled
	sum.BytesIn += n.Sockets.BytesIn
	sum.BytesOut += n.Sockets.BytesOut
	riding := min(n.Sockets.Connections, n.Sessions)
	sum.Connections = map[string]int{"socketio_websocket": riding, "socketio_polling": n.Sessions - riding}
	return sum
}

// lagWait is how long event loops are waited for that do not come to anything.
const lagWait = 500 * time.Millisecond

// loopLag asks all event loops at once how long they take, and returns the longest time.
func (s *Server) loopLag(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, lagWait)
	defer cancel()
	gateways := []func(context.Context) time.Duration{s.channels.Lag, s.native.Lag}
	if s.sockets != nil {
		gateways = append(gateways, s.sockets.Lag)
	}
	lags := make(chan time.Duration, len(gateways))
	for _, lag := range gateways {
		go func() { lags <- lag(ctx) }()
	}
	longest := time.Duration(0)
	for range gateways {
		longest = max(longest, <-lags)
	}
	return longest
}

// configValues is the configuration that holds.
func (s *Server) configValues() []console.Value {
	var all []console.Value
	for _, v := range config.Values(s.Config(), s.source) {
		all = append(all, console.Value{Key: v.Key, Value: v.Value, Source: v.Source})
	}
	return all
}

// DrainAsked is closed when an operator has asked, by the console, for the node to stop. Whoever runs the node then calls Shutdown.
func (s *Server) DrainAsked() <-chan struct{} { return s.drainAsked }

// askToDrain has /readyz say no from now on, and closes DrainAsked.
func (s *Server) askToDrain() {
	s.admin.draining.Store(true)
	s.askOnce.Do(func() { close(s.drainAsked) })
}
