//go:build linux

// Several nodes behind a balancer that knows nothing of sessions, and the Redis that they share.

package restart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
	"github.com/ringdown/ringdown/test/simulation"
)

// balancer hands each connection to the next node, whoever it is from.
type balancer struct {
	listener net.Listener
	working  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	nodes   []string
	next    int
	open    map[net.Conn]struct{}
	stopped bool
}

func balance(t *testing.T, nodes ...*process) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{listener: l, open: make(map[net.Conn]struct{})}
	for _, n := range nodes {
		b.nodes = append(b.nodes, n.address)
	}
	b.working.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.working.Go(func() { b.relay(c) })
		}
	})
	t.Cleanup(b.stop)
	return b
}

func (b *balancer) address() string { return b.listener.Addr().String() }

func (b *balancer) stop() {
	b.listener.Close()
	b.mu.Lock()
	b.stopped = true
	for c := range b.open {
		c.Close()
	}
	b.mu.Unlock()
	b.working.Wait()
}

// keep notes a connection, and reports whether it may go on.
func (b *balancer) keep(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[c] = struct{}{}
	return !b.stopped
}

func (b *balancer) drop(c net.Conn) {
	c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, c)
}

// dial connects to the next node that is there.
func (b *balancer) dial() net.Conn {
	for range b.nodes {
		b.mu.Lock()
		address := b.nodes[b.next%len(b.nodes)]
		b.next++
		b.mu.Unlock()
		if c, err := net.Dial("tcp", address); err == nil {
			return c
		}
	}
	return nil
}

func (b *balancer) relay(client net.Conn) {
	defer b.drop(client)
	node := b.dial()
	if node == nil {
		return
	}
	defer b.drop(node)
	if !b.keep(client) || !b.keep(node) {
		return
	}
	copied := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, node}, {node, client}} {
		go func() {
			io.Copy(pair[0], pair[1])
			pair[0].(*net.TCPConn).CloseWrite()
			copied <- struct{}{}
		}()
	}
	<-copied
	<-copied
}

// nodeTimeout is after how long a node is dead.
const nodeTimeout = 3 * time.Second

// join starts a node over a broker.
func join(t *testing.T, name, address, broker string, more ...string) *process {
	t.Helper()
	flags := []string{"--broker", broker, "--set", "broker.node=" + name, "--set", "broker.node_timeout=" + nodeTimeout.String(),
		"--set", "broker.timeout=2s", "--set", "drain.window=" + window.String()}
	return serve(t, address, append(flags, more...)...)
}

// ask sends a request to a node and reads its answer.
func (p *process) ask(t *testing.T, method, path, body string, into any, header ...string) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.address+path, bytes.NewReader([]byte(body)))
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

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// everyTransport are those of a fleet.
var everyTransport = append(transports[:len(transports):len(transports)], socketIO)

// traffic is a crowd that reads and writers that write, over a balancer.
type traffic struct {
	t       *testing.T
	log     *simulation.Log
	crowd   *crowd
	writers *writers
	writes  sync.WaitGroup
	reads   sync.WaitGroup
	stop    func()
}

// begin has a crowd read through a balancer, some of each transport, and writers publish.
func begin(t *testing.T, b *balancer, each int) *traffic {
	t.Helper()
	log := simulation.NewLog()
	log.Add(simulation.Entry{What: simulation.NodeStarted}) // once: the broker outlives the nodes
	f := &traffic{t: t, log: log, crowd: &crowd{address: b.address(), log: log},
		writers: &writers{address: b.address(), log: log, taken: make(map[string]simulation.Entry)}}
	ctx, cancel := newPatience(t)
	f.stop = cancel
	f.writers.begin(ctx, t)
	f.writers.publish(ctx, "opener", "quiet", "hello")
	for i := range each * len(everyTransport) {
		r := &reader{crowd: f.crowd, over: everyTransport[i%len(everyTransport)], channel: channels[i/len(everyTransport)%len(channels)]}
		r.name, r.cursor = fmt.Sprintf("%s-%d", r.over, i), f.writers.cursors[r.channel]
		f.crowd.readers = append(f.crowd.readers, r)
		f.reads.Go(func() { r.run(ctx, t) })
	}
	for i := range publishers {
		f.writes.Go(func() { f.writers.run(ctx, i) })
	}
	f.crowd.until(t, "everybody hears something", func(r *reader) bool { return r.seen() != "" })
	return f
}

// settle waits until everybody has heard everything, and has the log checked.
func (f *traffic) settle() {
	f.t.Helper()
	f.writes.Wait()
	ctx, cancel := newPatience(f.t)
	defer cancel()
	last := make(map[string]string)
	for i, channel := range channels {
		last[channel] = fmt.Sprint("final-", i)
		f.writers.publish(ctx, "closer", channel, last[channel])
	}
	f.crowd.until(f.t, "everybody is up to date", func(r *reader) bool { return r.seen() == last[r.channel] })
	f.stop()
	f.reads.Wait()
	for _, r := range f.crowd.readers {
		f.log.Add(simulation.Entry{What: simulation.Settled, Who: r.name, Leg: r.leg, Channel: r.channel})
	}
	f.writers.numbered(f.t)
	rule := hub.Rule{Publish: hub.Everyone, History: hub.Retention{Count: 1000, Age: 10 * time.Minute}}
	entries := f.log.Entries()
	f.t.Log(simulation.Summary(entries))
	faults := simulation.Check(func(string) hub.Rule { return rule }, entries)
	for _, fault := range faults[:min(5, len(faults))] {
		f.t.Errorf("%v\n%s", fault, simulation.Excerpt(entries, fault, 20))
	}
}

func redis(t *testing.T) *servers.Redis {
	t.Helper()
	return servers.StartRedis(t, servers.RedisOptions{Durable: true})
}

// brokers start what nodes can share, each by its name, and return its address.
var brokers = map[string]func(*testing.T) string{
	"redis":    func(t *testing.T) string { return redis(t).URL() },
	"nats":     func(t *testing.T) string { return servers.StartNATS(t, "").URL() },
	"rabbitmq": func(t *testing.T) string { return servers.StartRabbitMQ(t).URL() },
}
