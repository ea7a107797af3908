//go:build linux

// Several nodes behind a balancer, and what they share.

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/test/servers"
	"github.com/ringdown/ringdown/test/simulation"
)

// nodeTimeout is after how long a node is dead.
const nodeTimeout = 3 * time.Second

// join starts a node over a broker.
func join(t *testing.T, name, address, broker string, more ...string) *process {
	t.Helper()
	flags := []string{"--broker", broker, "--set", "broker.cluster.listen=127.0.0.1:0",
		"--set", "broker.cluster.secret=correct-horse-battery-staple-32-bytes-at-least", "--set", "broker.node=" + name, "--set", "broker.node_timeout=" + nodeTimeout.String(),
		"--set", "broker.timeout=2s", "--set", "drain.window=1s"}
	return serve(t, address, append(flags, more...)...)
}

// ask sends a request to a node and reads its answer.
func (p *process) ask(t *testing.T, method, path, body string, into any, header ...string) (status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+p.address+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	if strings.HasPrefix(path, "/api/") && body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if s, ok := into.(*string); ok {
		*s = string(text)
	} else if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s %s: %d, %v in %s", method, path, response.StatusCode, err, text)
	}
	return response.StatusCode
}

// say publishes a text, which no other publication of the channel has, until the node has taken it.
func (p *process) say(t *testing.T, channel, text string) (at message) {
	t.Helper()
	eventually(t, text+" is published", func() bool {
		at = message{}
		return p.ask(t, "POST", "/channels/"+channel, text, &at, "Content-Type: text/plain", "Idempotency-Key: "+text)/100 == 2
	})
	return at
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// shared is a server that nodes share.
type shared struct {
	*servers.Process
	address string
	url     func(address string) string // the address for brokers, directly or by a link
	forget  func()                      // loses everything at once; nil if it cannot
	flags   []string                    // of the nodes
	settle  func()                      // has it write down what a kill would lose; nil if there is no such thing
}

// brokers start what nodes can share, each by its name.
var brokers = map[string]func(*testing.T) *shared{
	"redis": func(t *testing.T) *shared {
		r := redis(t)
		return &shared{Process: r.Process, address: r.Addr, url: func(address string) string { return "redis://" + address }, forget: r.Flush}
	},
	"nats": func(t *testing.T) *shared {
		n := servers.StartNATS(t, "")
		return &shared{Process: n.Process, address: n.Addr, url: func(address string) string { return "nats://" + address },
			forget: func() { n.Kill(); n.Forget(); n.Start() },
			// A writer whose idempotency key belongs to a node that does not go on waits for four times as long.
			flags: []string{"--set", "broker.timeout=1s"}}
	},
	"rabbitmq": func(t *testing.T) *shared {
		r := servers.StartRabbitMQ(t)
		return &shared{Process: r.Process, address: r.Addr, url: r.URLAt, settle: r.Settle}
	},
}

func redis(t *testing.T) *servers.Redis {
	t.Helper()
	return servers.StartRedis(t, servers.RedisOptions{Durable: true})
}

// fleet are three nodes over a server, with a crowd and writers behind a balancer. One reader more of each node says what that one hears.
type fleet struct {
	*traffic
	t     *testing.T // outlives that of a fault
	urls  []string   // of the server, as each node is given it
	flags []string
	nodes []*process
	names []string
}

// everyTransport are all ways to read.
var everyTransport = []simulation.Transport{simulation.Raw, simulation.Native, simulation.SSE, simulation.LongPoll, goClient, socketIO, socketIOPolling}

// assemble starts a node for each address of a server.
func assemble(t *testing.T, flags []string, urls ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, flags: flags, urls: urls, nodes: make([]*process, len(urls))}
	for i := range urls {
		f.names = append(f.names, string(rune('a'+i)))
		f.join(i, "127.0.0.1:0")
	}
	f.known(t, f.nodes...)
	f.traffic = begin(t, balance(t, f.nodes...).address(), len(channels), everyTransport...)
	for _, n := range f.nodes {
		f.read(t, &reader{over: simulation.Native, channel: "quiet", address: n.address})
	}
	f.goesOn(t, f.nodes...)
	return f
}

// join starts a node.
func (f *fleet) join(i int, address string) {
	f.t.Helper()
	f.nodes[i] = join(f.t, f.names[i], address, f.urls[i], f.flags...)
}

// rejoin starts a node that has ended.
func (f *fleet) rejoin(i int) {
	f.t.Helper()
	f.join(i, f.nodes[i].address)
}

// known waits until each of these nodes knows exactly these.
func (f *fleet) known(t *testing.T, nodes ...*process) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, "the nodes know each other", func() bool {
			var is whole
			return n.ask(t, "GET", "/api/v1/nodes", "", &is) == 200 && len(is.Nodes) == len(nodes)
		})
	}
}

// ready waits until nodes answer like this whether they are.
func (f *fleet) ready(t *testing.T, status int, nodes ...*process) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, fmt.Sprint("a node is ready or not: ", status), func() bool {
			var text string
			return n.ask(t, "GET", "/readyz", "", &text) == status
		})
	}
}

// goesOn publishes by the first of these nodes, and waits until each of them has told its reader.
func (f *fleet) goesOn(t *testing.T, nodes ...*process) {
	t.Helper()
	id := f.writers.id("steady-")
	ctx, cancel := newPatience(t)
	defer cancel()
	f.writers.publishAt(ctx, nodes[0].address, "herald", "quiet", id)
	f.crowd.until(t, "the nodes hear each other", func(r *reader) bool {
		return r.seen() == id || !slices.ContainsFunc(nodes, func(n *process) bool { return n.address == r.address })
	})
}

// stop ends all nodes, which must end well.
func (f *fleet) stop(t *testing.T) {
	t.Helper()
	f.end()
	for _, n := range f.nodes {
		n.stop(t)
	}
}
