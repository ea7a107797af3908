//go:build linux

package redis_test

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/brokertest"
	"github.com/ringdown/ringdown/broker/redis"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

var prefixes atomic.Int64

// options are for nodes that share nothing with those of another test.
func options(url string) redis.Options {
	return redis.Options{URL: url, Prefix: fmt.Sprint("test:", prefixes.Add(1)), Timeout: 20 * time.Second}
}

func newBroker(t testing.TB, o redis.Options) *redis.Broker {
	t.Helper()
	b, err := redis.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// harness runs each test under a prefix of its own. mortal is the server that a node dies behind, if there is only one.
func harness(of func() redis.Options, mortal string) brokertest.Harness {
	var o redis.Options // of the cluster that began last
	return brokertest.Harness{
		Cluster: func(t *testing.T, expiry time.Duration) func() hub.Broker {
			o = of()
			o.Expiry = expiry
			own := o
			return func() hub.Broker { return newBroker(t, own) }
		},
		Mortal: func(t *testing.T) (hub.Broker, func()) {
			if mortal == "" { // several servers: it is enough that its heart stops
				b := newBroker(t, o)
				return b, func() { redis.StopHeart(b) }
			}
			link := servers.NewLink(t, mortal)
			behind := o
			behind.URL, behind.Timeout = "redis://"+link.Addr, time.Second
			return newBroker(t, behind), link.Stall
		},
		Quiet: 100 * time.Millisecond,
	}
}

func TestItIsABroker(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	brokertest.Run(t, harness(func() redis.Options { return options(r.URL()) }, r.Addr))
}

func TestItIsABrokerOverSeveralServers(t *testing.T) {
	t.Parallel()
	one, two := servers.StartRedis(t, servers.RedisOptions{}), servers.StartRedis(t, servers.RedisOptions{})
	brokertest.Run(t, harness(func() redis.Options { return options("redis://" + one.Addr + "," + two.Addr + "/3") }, ""))
}

func TestItIsABrokerOverACluster(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, 3)
	brokertest.Run(t, harness(func() redis.Options { return options(c.URL()) }, ""))
}

// Redis 6.2 has no sharded Pub/Sub: every server of a cluster hears every publication.
func TestItIsABrokerOverAClusterWithoutShardedPubSub(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, 2, "--rename-command", "SPUBLISH", "")
	brokertest.Run(t, harness(func() redis.Options { return options(c.URL()) }, ""))
}

// rules are those of docs/brokers.md, for the prefix of the tests.
const rules = "~test:* &test:* -@all +@read +@write +@pubsub +@connection +@scripting +time -@dangerous +cluster|slots +cluster|shards +command|info"

func TestItIsABrokerOverTLSAsAUserThatMayDoNoMore(t *testing.T) {
	t.Parallel()
	s := servers.StartSecureRedis(t, rules)
	brokertest.Run(t, harness(func() redis.Options {
		o := options("rediss://" + url.UserPassword(s.User, s.Password).String() + "@" + s.Addr)
		o.TLS = &tls.Config{RootCAs: s.CA}
		return o
	}, ""))
}
