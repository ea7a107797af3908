package memory_test

import (
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/brokertest"
	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

func TestItIsABroker(t *testing.T) {
	brokertest.Run(t, brokertest.Harness{
		Cluster: func(*testing.T, time.Duration) func() hub.Broker {
			return func() hub.Broker { return memory.New(memory.Options{}) }
		},
		Single:  true,
		Virtual: true,
	})
}
