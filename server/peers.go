// A node among others: the broker that they share, what they tell each other, and what each announces of itself.

package server

import (
	"fmt"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/brokers"
	"github.com/ringdown/ringdown/server/cluster"
)

// peers are the other nodes, seen from this one.
type peers struct {
	broker *brokers.Broker
	*cluster.Cluster
}

// openBroker returns the broker that the configuration names, for the hub to start and to close.
func (s *Server) openBroker() (hub.Broker, error) {
	c := &s.config
	if !c.Broker.Shared() {
		return s.newBroker(), nil
	}
	if c.State.File != "" {
		s.log.Warn("state.file keeps no publications: the broker that the nodes share has them, also when this one is away", "broker", "broker.url", "file", c.State.File)
	}
	b, err := brokers.Open(&c.Broker, s.log)
	if err != nil {
		return nil, fmt.Errorf("opening the broker: %w", err)
	}
	s.peers = &peers{b, cluster.New(b, cluster.Options{Timeout: c.Broker.Cluster.QueryTimeout, Log: s.log})}
	return &farewellBroker{Broker: s.peers.Cluster, save: s.saveState}, nil
}
