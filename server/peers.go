// A node among others: the broker that they share, what they tell each other, and what each announces of itself.

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/brokers"
	"github.com/ringdown/ringdown/server/cluster"
)

// peers are the other nodes, seen from this one.
type peers struct {
	broker *brokers.Broker
	*cluster.Cluster
	relaying  *relaying     // nil without broker.cluster.listen
	sockets   *cluster.Line // for Socket.IO clients
	directory directory
}

// What nodes say to each other.
const (
	askAPI         = "api"         // to answer a question of the server API
	askRevoke      = "revoke"      // to refuse tokens from now on: a list of auth.Revocation
	askRevocations = "revocations" // which tokens are refused: such a list
)

// openBroker returns the broker that the configuration names, for the hub to start and to close.
func (s *Server) openBroker() (hub.Broker, error) {
	c := &s.config
	if !c.Broker.Shared() {
		return s.newBroker(), nil
	}
	if c.State.File != "" {
		s.log.Warn("state.file keeps no publications where broker.url is given: the broker has them, also while this node is away", "file", c.State.File)
	}
	b, err := brokers.Open(&c.Broker, s.log)
	if err != nil {
		return nil, fmt.Errorf("opening the broker: %w", err)
	}
	nodes := cluster.New(b, cluster.Options{Timeout: c.Broker.Cluster.QueryTimeout, Interrupted: s.learnRevocations, Log: s.log})
	nodes.Handle(askAPI, s.answerAPI)
	nodes.Handle(askRevoke, s.obeyRevocations)
	nodes.Handle(askRevocations, s.tellRevocations)
	s.peers = &peers{broker: b, Cluster: nodes, sockets: nodes.Line("socketio")}
	return &farewellBroker{Broker: nodes, save: s.saveState}, nil
}

// describe is for the log: by which name the others know this node, and how they reach it.
func (p *peers) describe() []any {
	about := []any{"node", p.Node(), "broker", p.broker.Name}
	if p.relaying != nil {
		about = append(about, "listens_to_nodes", p.relaying.listener.Addr().String(), "advertised", p.relaying.address)
	}
	return about
}

// Ask implements [api.Peers].
func (p *peers) Ask(ctx context.Context, text []byte) (answers [][]byte, missing []string) {
	all, missing := p.Cluster.Ask(ctx, askAPI, text)
	for _, a := range all {
		answers = append(answers, a.Body)
	}
	return answers, missing
}

// answerAPI answers what the API of another node asks. Nodes that are just starting say so.
func (s *Server) answerAPI(ctx context.Context, _ string, text []byte) ([]byte, error) {
	select {
	case <-s.started:
		return s.admin.api.Answer(ctx, text)
	default:
		return nil, errors.New("the node is starting")
	}
}

// announced is what a node says of itself in the registry.
type announced struct {
	Version  string    `json:"version,omitempty"`
	Started  time.Time `json:"started"`
	Address  string    `json:"address,omitempty"` // host:port for the other nodes; "" if they cannot reach it
	Sessions int       `json:"sessions"`
	Draining bool      `json:"draining,omitempty"`
}

// announceEvery is how often a node says anew what it is.
const announceEvery = 5 * time.Second

// announceSelf tells the others of this node, until it stops.
func (s *Server) announceSelf() {
	if s.peers == nil {
		return
	}
	self := announced{Version: s.version, Started: time.Now()}
	if s.peers.relaying != nil {
		self.Address = s.peers.relaying.address
	}
	ticker := time.NewTicker(announceEvery)
	defer ticker.Stop()
	for {
		self.Sessions, self.Draining = s.hub.Sessions(), s.admin.draining.Load()
		text, err := json.Marshal(self)
		if err == nil {
			s.peers.Announce(text)
		}
		select {
		case <-ticker.C:
		case <-s.stop:
			return
		}
	}
}
