//go:build linux

package nats_test

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/brokertest"
	"github.com/ringdown/ringdown/broker/nats"
	"github.com/ringdown/ringdown/broker/nats/embedded"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

var prefixes atomic.Int64

// options are for nodes that share nothing with those of another test.
func options(url string) nats.Options {
	return nats.Options{URL: url, Prefix: fmt.Sprint("test", prefixes.Add(1)), Timeout: 20 * time.Second}
}

func newBroker(t testing.TB, o nats.Options) *nats.Broker {
	t.Helper()
	b, err := nats.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// harness runs each test under a prefix of its own. mortal is the scheme and the address of the server that a node dies behind.
func harness(of func() nats.Options, mortal string) brokertest.Harness {
	var o nats.Options // of the cluster that began last
	return brokertest.Harness{
		Cluster: func(t *testing.T, expiry time.Duration) func() hub.Broker {
			o = of()
			o.Expiry = expiry
			own := o
			return func() hub.Broker { return newBroker(t, own) }
		},
		Mortal: func(t *testing.T) (hub.Broker, func()) {
			if mortal == "" { // it is enough that its heart stops
				b := newBroker(t, o)
				return b, func() { nats.StopHeart(b) }
			}
			link := servers.NewLink(t, mortal)
			behind := o
			behind.URL, behind.Timeout = "nats://"+link.Addr, time.Second
			return newBroker(t, behind), link.Stall
		},
		Quiet: quiet,
	}
}

// quiet is short because there are many: what should not come is asked for by each of them.
const quiet = 50 * time.Millisecond

// Nearly all that the suite does is waiting, so it runs over all kinds of servers at once, however few processors there are.
func TestItIsABroker(t *testing.T) {
	t.Parallel()
	var suites sync.WaitGroup
	for name, harness := range map[string]func(t *testing.T) brokertest.Harness{
		"over a server": func(t *testing.T) brokertest.Harness {
			s := servers.StartNATS(t, "")
			return harness(func() nats.Options { return options(s.URL()) }, s.Addr)
		},
		"over TLS as a user that may do no more": func(t *testing.T) brokertest.Harness {
			s := servers.StartSecureNATS(t, permissions)
			return harness(func() nats.Options {
				o := options("tls://" + url.UserPassword(s.User, s.Password).String() + "@" + s.Addr)
				o.TLS = &tls.Config{RootCAs: s.CA}
				return o
			}, "")
		},
		"over an embedded server": func(t *testing.T) brokertest.Harness {
			return embeddedHarness([]*embedded.Server{startEmbedded(t, embedded.Options{Dir: t.TempDir()})})
		},
		"over three embedded servers": func(t *testing.T) brokertest.Harness { return embeddedHarness(threeServers(t)) },
	} {
		suites.Go(func() { t.Run(name, func(t *testing.T) { brokertest.Run(t, harness(t)) }) })
	}
	suites.Wait()
}

// permissions are those of docs/brokers.md, for the prefixes of the tests.
const permissions = `{
  publish: ["*.c.*", "*.m.*.*", "*.k.*.*", "*.v.*", "*.n.*", "*.tell.*", "*.all", "$JS.API.INFO", "$JS.API.STREAM.*.*", "$JS.API.STREAM.MSG.*.*", "$JS.API.CONSUMER.CREATE.*", "$JS.API.CONSUMER.INFO.*.*", "$JS.API.DIRECT.GET.>", "$JS.FC.>"]
  subscribe: ["_INBOX.>", "*.live.>", "*.tell.*", "*.all", "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.*"]
}`
