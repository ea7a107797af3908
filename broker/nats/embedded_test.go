//go:build linux

package nats_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/ringdown/ringdown/broker/brokertest"
	"github.com/ringdown/ringdown/broker/nats"
	"github.com/ringdown/ringdown/broker/nats/embedded"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

func startEmbedded(t *testing.T, o embedded.Options) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// three are the options of three servers that know each other.
func three(t *testing.T) (all []embedded.Options) {
	t.Helper()
	var addresses []string
	for range 3 {
		addresses = append(addresses, servers.FreeAddress(t))
	}
	for i, own := range addresses {
		others := slices.DeleteFunc(slices.Clone(addresses), func(a string) bool { return a == own })
		all = append(all, embedded.Options{Dir: t.TempDir(), Node: fmt.Sprint("node", i), Listen: own, Routes: others, Secret: "s3cret/@"})
	}
	return all
}

// forget deletes the streams of a test: servers do something for each of them all the time, so they would slow down the tests that follow.
func forget(t *testing.T, s *embedded.Server, prefix string) {
	o := s.BrokerOptions()
	token, _, _ := strings.Cut(strings.TrimPrefix(o.URL, "nats://"), "@")
	conn, err := client.Connect("", client.InProcessServer(o.InProcess), client.Token(token))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	for _, name := range []string{"_channels", "_members", "_state"} {
		if _, err := conn.Request("$JS.API.STREAM.DELETE."+prefix+name, nil, 20*time.Second); err != nil {
			t.Error(err)
		}
	}
}

// embeddedHarness makes nodes that use the servers in turn. Each test has a prefix of its own.
func embeddedHarness(servers []*embedded.Server) brokertest.Harness {
	var nodes atomic.Int64
	tests := 0
	var last func(t *testing.T) *nats.Broker
	node := func(t *testing.T, prefix string, expiry time.Duration) *nats.Broker {
		t.Helper()
		n := int(nodes.Add(1))
		o := servers[n%len(servers)].BrokerOptions()
		o.Prefix, o.Node, o.Timeout, o.Expiry = prefix, fmt.Sprint("n", n), 20*time.Second, expiry
		if len(servers) > 1 { // what is on several of three, and on disk, TestWhenOneOfThreeEnds needs; here each stream is led by another server
			o.Memory, o.Replicas = true, 1
		}
		b, err := nats.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return brokertest.Harness{
		Cluster: func(t *testing.T, expiry time.Duration) func() hub.Broker {
			tests++
			prefix := fmt.Sprint("test", tests)
			last = func(t *testing.T) *nats.Broker { return node(t, prefix, expiry) }
			t.Cleanup(func() { forget(t, servers[0], prefix) })
			return func() hub.Broker { return node(t, prefix, expiry) }
		},
		Mortal: func(t *testing.T) (hub.Broker, func()) {
			b := last(t)
			return b, func() { nats.StopHeart(b) }
		},
		Quiet: quiet,
	}
}

func threeServers(t *testing.T) (all []*embedded.Server) {
	for _, o := range three(t) {
		all = append(all, startEmbedded(t, o))
	}
	return all
}

// joined is a sink that tells who has come.
type joined struct {
	recorder
	came chan string
}

func (j *joined) Present(e hub.PresenceEvent) {
	if e.Joined {
		j.came <- e.Channel
	}
}

// Servers tell each other of subscriptions without waiting for anybody, so what is stored at once is repeated by a server that may not know yet.
func TestWhatFollowsASubscriptionComesFromEveryServer(t *testing.T) {
	t.Parallel()
	servers := threeServers(t)
	var nodes []*nats.Broker
	j := &joined{came: make(chan string, 1000)}
	for i, s := range servers {
		o := s.BrokerOptions()
		o.Memory, o.Timeout, o.Expiry = true, 20*time.Second, 10*time.Minute // no heartbeat compares meanwhile
		b := newBroker(t, o)
		if err := b.Start(map[bool]hub.Sink{true: j, false: new(recorder)}[i == 0]); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		nodes = append(nodes, b)
	}
	const rooms, atOnce = 320, 16
	var busy sync.WaitGroup
	for k := range atOnce {
		busy.Go(func() {
			for i := range rooms / atOnce {
				channel := fmt.Sprintf("room%d-%d", k, i)
				if _, err := nodes[0].Subscribe(t.Context(), channel, keeps.Retention); err != nil {
					t.Error(err)
				}
				if err := nodes[1+i%2].Join(t.Context(), channel, hub.Member{Session: "s", User: "ann"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	busy.Wait()
	for n := range rooms {
		select {
		case <-j.came:
		case <-time.After(30 * time.Second):
			t.Fatalf("the first to join was told in %d channels, not in %d", n, rooms)
		}
	}
}

// Servers that are to store on three elect leaders first, which takes until most of them are there.
func TestANodeWaitsForTheOthersToBegin(t *testing.T) {
	t.Parallel()
	all := three(t)
	o := startEmbedded(t, all[0]).BrokerOptions()
	b := newBroker(t, o)
	started := make(chan error, 1)
	go func() { started <- b.Start(new(recorder)) }()
	t.Cleanup(func() { b.Close() })
	for _, other := range all[1:] {
		startEmbedded(t, other)
		select {
		case err := <-started:
			t.Errorf("it did not wait for three: %v", err)
			return
		default:
		}
	}
	if err := <-started; err != nil {
		t.Error(err)
	}
	say(t, b, "x", keeps)
}

func TestWhenOneOfThreeEnds(t *testing.T) {
	t.Parallel()
	brokertest.RunFaults(t, []brokertest.Fault{{Name: "it ends, and comes back with what it had", Begin: func(t *testing.T) (func() hub.Broker, func(), func()) {
		all := three(t)
		servers := make([]*embedded.Server, len(all))
		for i, o := range all {
			servers[i] = startEmbedded(t, o)
		}
		started := 0
		node := func() hub.Broker {
			o := servers[started].BrokerOptions()
			started++
			o.Timeout, o.Expiry = 5*time.Second, 10*time.Second
			b, err := nats.New(o)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		return node, servers[2].Close, func() { servers[2] = startEmbedded(t, all[2]) }
	}}})
}
