//go:build linux

package rabbitmq_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/brokertest"
	"github.com/ringdown/ringdown/broker/rabbitmq"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

var prefixes atomic.Int64

// options are for nodes that share nothing with those of another test.
func options(url string) rabbitmq.Options {
	return rabbitmq.Options{URL: url, Prefix: fmt.Sprint("test.", prefixes.Add(1)), Timeout: 20 * time.Second}
}

func lastPrefix() string { return fmt.Sprint("test.", prefixes.Load()) }

func newBroker(t testing.TB, o rabbitmq.Options) *rabbitmq.Broker {
	t.Helper()
	b, err := rabbitmq.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// silent is a sink that does not care.
type silent struct{}

func (silent) Deliver(*hub.Publication)  {}
func (silent) Present(hub.PresenceEvent) {}
func (silent) Interrupted(string)        {}

func start(t testing.TB, o rabbitmq.Options) *rabbitmq.Broker {
	t.Helper()
	b := newBroker(t, o)
	if err := b.Start(silent{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not after a minute: %s", what)
		}
	}
}

// publishSoon publishes, and waits only for a moment.
func publishSoon(b *rabbitmq.Broker, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	b.Publish(ctx, &hub.Publication{Channel: "lobby", Payload: []byte(text)}, hub.Storing{})
}

// harness runs each test under a prefix of its own. mortal is the server that a node dies behind.
func harness(of func() rabbitmq.Options, r *servers.RabbitMQ) brokertest.Harness {
	var o rabbitmq.Options
	return brokertest.Harness{
		Cluster: func(t *testing.T) func() hub.Broker {
			o = of()
			o.Expiry = 3 * time.Second
			return func() hub.Broker { return newBroker(t, o) }
		},
		Mortal: func(t *testing.T) (hub.Broker, func()) {
			link := servers.NewLink(t, r.Addr)
			behind := o
			behind.URL, behind.Timeout = r.URLAt(link.Addr), time.Second
			return newBroker(t, behind), link.Stall
		},
		Quiet: 100 * time.Millisecond,
	}
}

func TestItIsABroker(t *testing.T) {
	r := servers.StartRabbitMQ(t)
	brokertest.Run(t, harness(func() rabbitmq.Options { return options(r.URL()) }, r))
}
