// A node among others: the broker that they share, what they tell each other, and what each announces of itself.

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/api"
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

// revokeEverywhere has tokens refused by this node, and by the others. Those that do not hear it now ask for it by learnRevocations.
func (s *Server) revokeEverywhere(ctx context.Context, asked api.Revocation) (missing []string, err error) {
	r := auth.Revocation{User: asked.User, Session: asked.Session, Token: asked.Token, Before: asked.Before, Until: asked.Until}
	if r.Before.IsZero() && r.User != "" { // the same everywhere
		r.Before = time.Now().Add(s.Config().Auth.Leeway)
	}
	if err := s.revoke(r); err != nil || s.peers == nil {
		return nil, err
	}
	text, err := json.Marshal([]auth.Revocation{r})
	if err != nil {
		return nil, err
	}
	_, missing = s.peers.Cluster.Ask(ctx, askRevoke, text)
	return missing, nil
}

// obeyRevocations refuses what another node refuses. Those of names that are held already are taken, too: they may go further.
func (s *Server) obeyRevocations(_ context.Context, _ string, text []byte) ([]byte, error) {
	var all []auth.Revocation
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	t := s.identities.tokens.Load()
	if t == nil || t.verifier == nil { // no token is taken here
		return nil, nil
	}
	held := t.verifier.Revocations()
	known := make(map[auth.Revocation]bool, len(held))
	for _, r := range held {
		known[comparable(r)] = true
	}
	var failed error
	for _, r := range all {
		if known[comparable(r)] || !r.Until.IsZero() && !r.Until.After(time.Now()) {
			continue
		}
		if err := s.revoke(r); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return nil, failed
}

// comparable is a revocation with times that compare by ==.
func comparable(r auth.Revocation) auth.Revocation {
	r.Before, r.Until = r.Before.Round(0).UTC(), r.Until.Round(0).UTC()
	return r
}

// maxTold is how many revocations fit into one message, whatever they name.
const maxTold = 10_000

// tellRevocations answers with the revocations that this node holds, the first so many that end last.
func (s *Server) tellRevocations(context.Context, string, []byte) ([]byte, error) {
	t := s.identities.tokens.Load()
	if t == nil || t.verifier == nil {
		return []byte("[]"), nil
	}
	all := t.verifier.Revocations()
	if len(all) > maxTold {
		slices.SortFunc(all, func(a, b auth.Revocation) int { return b.Until.Compare(a.Until) })
		all = all[:maxTold]
	}
	return json.Marshal(all)
}

// learnRetry is how long after some nodes have not answered they are asked again.
const learnRetry = 3 * time.Second

// learnRevocations asks the others what they refuse, after a start and whenever something may have been missed. It goes on until all
// that live have answered.
func (s *Server) learnRevocations(ctx context.Context) {
	for ctx.Err() == nil {
		answers, missing := s.peers.Cluster.Ask(ctx, askRevocations, nil)
		for _, a := range answers {
			if _, err := s.obeyRevocations(ctx, a.Node, a.Body); err != nil {
				s.log.Warn("not all revocations of another node could be taken", "node", a.Node, "cause", err)
			}
		}
		if len(missing) == 0 {
			return
		}
		select {
		case <-time.After(learnRetry):
		case <-ctx.Done():
		}
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
