package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/console"
)

const token = "a-token-of-the-console"

// node is a console with a hub behind it.
type node struct {
	t       testing.TB
	hub     *hub.Hub
	console *console.Handler
	memory  *console.Memory
	log     *slog.Logger
	written *written // by the log
	address string   // whence requests come
}

// written is a buffer that many may write.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// start returns a node whose channels named plain:… keep nothing. No log of it holds the token.
func start(t testing.TB, change ...func(*console.Options)) *node {
	t.Helper()
	n := &node{t: t, memory: console.NewMemory(), written: new(written), address: "192.0.2.1:4711"}
	n.log = slog.New(n.memory.Tap(slog.NewTextHandler(n.written, nil)))
	var err error
	n.hub, err = hub.New(hub.Options{Broker: memory.New(memory.Options{}), Log: n.log, Linger: -1, MaxSessions: 1_000_000, Ended: n.memory.Ended, Rules: []hub.Rule{
		{Pattern: "plain:*"},
		{Pattern: "*", History: hub.Retention{Count: 100, Age: time.Minute}, Presence: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	options := console.Options{Token: token, Memory: n.memory, Log: n.log}
	for _, f := range change {
		f(&options)
	}
	n.console = console.New(n.hub, options)
	t.Cleanup(func() {
		n.console.Close()
		n.hub.Shutdown(context.WithoutCancel(t.Context()))
		if strings.Contains(n.written.String(), token) {
			t.Error("the log holds the token")
		}
	})
	return n
}

// client is a session that answers pings after a while, if it does.
type client struct {
	session *hub.Session
	about   hub.Description
	trip    time.Duration
}

func (c *client) Receive(*hub.Publication) hub.Reception { return hub.Taken }
func (c *client) Notify(*hub.Notice)                     {}
func (c *client) End(error)                              { c.session.Close() }
func (c *client) Describe() hub.Description              { return c.about }
func (c *client) RoundTrip(context.Context) (time.Duration, bool) {
	return c.trip, c.trip > 0
}

func (n *node) open(who hub.Identity, about hub.Description, channels ...string) *client {
	n.t.Helper()
	c := &client{about: about, trip: 20 * time.Millisecond}
	var err error
	if c.session, err = n.hub.Open(c, who); err != nil {
		n.t.Fatal(err)
	}
	for _, channel := range channels {
		if err := c.session.Subscribe(context.Background(), channel, hub.SubscribeOptions{}); err != nil {
			n.t.Fatal(err)
		}
	}
	return c
}

// someone is an identity at an address.
func someone(user, address string) hub.Identity {
	return hub.Identity{User: user, Address: netip.MustParseAddr(address)}
}

var overWebSocket = hub.Description{Transport: "websocket", Protocol: "native", Remote: "192.0.2.7:1234", Waiting: 7, Subprotocol: "ringdown.v1", Compression: true}

// do sends a request with the token and header fields, as "Name: value"; one without a value is taken away.
func (n *node) do(method, path, body string, fields ...string) *http.Response {
	n.t.Helper()
	r := httptest.NewRequestWithContext(n.t.Context(), method, "http://node.example:8000"+console.Prefix+path, strings.NewReader(body))
	r.RemoteAddr = n.address
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
	}
	w := httptest.NewRecorder()
	n.console.ServeHTTP(w, r)
	return w.Result()
}

// ask reads an answer, whose status must be as wanted.
func (n *node) ask(status int, into any, method, path, body string, fields ...string) {
	n.t.Helper()
	response := n.do(method, path, body, fields...)
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		n.t.Fatalf("%s %s %s: %s, want %d: %s %v", method, path, body, response.Status, status, text, err)
	}
	if response.Header.Get("Cache-Control") != "no-store" {
		n.t.Errorf("%s %s may be kept by caches", method, path)
	}
	if err := json.Unmarshal(text, into); err != nil {
		n.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

// problem is a refusal.
type problem struct{ Code, Detail string }
