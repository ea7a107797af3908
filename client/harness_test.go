package client_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/hub"
)

const patience = 20 * time.Second // for what should come at once

var rules = []hub.Rule{
	{Pattern: "kept*", Publish: hub.Everyone, History: hub.Retention{Count: 10_000, Age: time.Hour}, Presence: true},
	{Pattern: "short", Publish: hub.Everyone, History: hub.Retention{Count: 3, Age: time.Hour}},
	{Pattern: "live*", Publish: hub.Everyone},
	{Pattern: "served"},
}

// node is a server that can be replaced by another one at the same address.
type node struct {
	t       testing.TB
	hub     *hub.Hub
	gateway *native.Gateway
	plain   *channelhttp.Gateway
	http    *http.Server
	address string
	hanging chan struct{} // told of each call that hangs
}

func startNode(t testing.TB) *node {
	t.Helper()
	n := &node{t: t, address: "127.0.0.1:0", hanging: make(chan struct{}, 8)}
	n.start()
	t.Cleanup(n.stop)
	return n
}

func (n *node) start() {
	n.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{}), Rules: rules, Log: quiet, Call: n.answerCall, Authenticate: authenticate})
	if err != nil {
		n.t.Fatal(err)
	}
	g, err := native.New(h, native.Options{Log: quiet, Identify: identify})
	if err != nil {
		n.t.Fatal(err)
	}
	plain, err := channelhttp.New(h, channelhttp.Options{Log: quiet, Identify: identify})
	if err != nil {
		n.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/channels", plain)
	mux.Handle("/channels/{channel}", plain)
	mux.Handle("/", g)
	l, err := net.Listen("tcp", n.address)
	if err != nil {
		n.t.Fatal(err)
	}
	n.hub, n.gateway, n.plain, n.address = h, g, plain, l.Addr().String()
	n.http = &http.Server{Handler: mux}
	go n.http.Serve(l)
}

func (n *node) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n.http.Close()
	if err := errors.Join(n.gateway.Shutdown(ctx), n.plain.Shutdown(ctx), n.hub.Shutdown(ctx)); err != nil {
		n.t.Error(err)
	}
}

// restart replaces the server by one that knows nothing of the first.
func (n *node) restart() {
	n.t.Helper()
	n.stop()
	n.start()
}

func (n *node) answerCall(ctx context.Context, _ *hub.Session, call hub.Call) (hub.Kind, []byte, error) {
	switch call.Method {
	case "echo":
		return call.Kind, call.Payload, nil
	case "hang":
		n.hanging <- struct{}{}
		<-ctx.Done()
	}
	return 0, nil, hub.Errorf(hub.CallFailed, "no")
}

func (n *node) publish(channel, text string) {
	n.t.Helper()
	_, err := n.hub.Publish(n.t.Context(), &hub.Publication{Channel: channel, Payload: []byte(text)}, hub.PublishOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
}

// proxy is on the way to a server, and can be cut.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	lines []net.Conn
	deaf  bool // pass on nothing of what the server says
}

func startProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target}
	go p.serve()
	t.Cleanup(func() {
		l.Close()
		p.cut()
	})
	return p
}

func (p *proxy) url() string { return "ws://" + p.listener.Addr().String() + "/connect" }

func (p *proxy) serve() {
	for {
		from, err := p.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", p.target)
		if err != nil {
			from.Close()
			continue
		}
		p.mu.Lock()
		p.lines = append(p.lines, from, to)
		p.mu.Unlock()
		go p.pass(to, from, false)
		go p.pass(from, to, true)
	}
}

func (p *proxy) pass(to, from net.Conn, answers bool) {
	defer to.Close()
	defer from.Close()
	io.Copy(writerFunc(func(b []byte) (int, error) {
		p.mu.Lock()
		deaf := p.deaf
		p.mu.Unlock()
		if answers && deaf {
			return len(b), nil
		}
		return to.Write(b)
	}), from)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// cut cuts all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.lines {
		c.Close()
	}
	p.lines, p.deaf = nil, false
}

// swallow lets nothing of what the server says through until the next cut.
func (p *proxy) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = true
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// quick are options under which a client is soon back.
var quick = client.Options{MinBackoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond}

func dial(t testing.TB, url string, options client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(within(t), url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func subscribe(t testing.TB, c *client.Client, channel string, o client.SubscribeOptions) *client.Subscription {
	t.Helper()
	s, err := c.Subscribe(within(t), channel, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func next(t testing.TB, s *client.Subscription) client.Event {
	t.Helper()
	e, err := s.Next(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func nextText(t testing.TB, s *client.Subscription, want string) *client.Message {
	t.Helper()
	e := next(t, s)
	m, ok := e.(*client.Message)
	if !ok || m.Text() != want {
		t.Fatalf("got %+v, want the message %q", e, want)
	}
	return m
}

// serveFunc runs a server of the test's own.
func serveFunc(t testing.TB, f http.HandlerFunc) string {
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/connect"
}

// until waits for something that no event tells of.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// stateLog notes what an observer is told.
type stateLog struct {
	mu      sync.Mutex
	changes []client.Change
}

func (l *stateLog) note(c client.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = append(l.changes, c)
}

func (l *stateLog) all() (states []client.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.changes {
		states = append(states, c.To)
	}
	return states
}

func (l *stateLog) last() client.Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes[len(l.changes)-1]
}

// first is the first change to a state.
func (l *stateLog) first(to client.State) client.Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.changes, func(c client.Change) bool { return c.To == to })
	return l.changes[i]
}

func (l *stateLog) wait(t testing.TB, s client.State) {
	t.Helper()
	until(t, "the state is "+s.String(), func() bool {
		for _, is := range l.all() {
			if is == s {
				return true
			}
		}
		return false
	})
}
