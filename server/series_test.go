package server

import (
	"context"
	"testing"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/brokers"
	"github.com/ringdown/ringdown/server/cluster"
)

// atOnce is a broker between nodes that takes several publications at once.
type atOnce struct {
	brokers.Shared
	taken int
}

func (b *atOnce) PublishSeries(ctx context.Context, all []*hub.Publication, s hub.Storing) ([]hub.Published, error) {
	b.taken += len(all)
	return make([]hub.Published, len(all)), nil
}

func TestASeriesReachesTheBrokerThroughAllThatStandsBeforeIt(t *testing.T) {
	b := &atOnce{}
	before := &farewellBroker{Broker: cluster.New(&brokers.Broker{Shared: b}, cluster.Options{})}
	all := []*hub.Publication{{Channel: "lobby", Payload: []byte("1")}, {Channel: "lobby", Payload: []byte("2")}}
	done, err := hub.PublishSeries(t.Context(), before, all, hub.Storing{})
	if err != nil || len(done) != len(all) || b.taken != len(all) {
		t.Errorf("%d were published and %d came at once: %v", len(done), b.taken, err)
	}
}
