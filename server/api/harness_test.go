package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/api"
)

// The keys of the tests.
const (
	allKey     = "all-0123456789abcdefghijkl"
	publishKey = "publish-0123456789abcdefghijkl"
	boundKey   = "bound-0123456789abcdefghijkl"
)

// node is a handler with a hub behind it.
type node struct {
	t       testing.TB
	hub     *hub.Hub
	broker  *failing
	handler *api.Handler
	log     *bytes.Buffer
}

// failing is a broker that can be made to fail.
type failing struct {
	hub.Broker
	fails atomic.Bool
}

var errBroken = errors.New("connection refused by secret.internal")

func (f *failing) Publish(ctx context.Context, p *hub.Publication, s hub.Storing) (hub.Published, error) {
	if f.fails.Load() {
		return hub.Published{}, errBroken
	}
	return f.Broker.Publish(ctx, p, s)
}

func (f *failing) History(ctx context.Context, channel string, q hub.Query) (hub.History, error) {
	if f.fails.Load() {
		return hub.History{}, errBroken
	}
	return f.Broker.History(ctx, channel, q)
}

func (f *failing) Presence(ctx context.Context, channel string, limit int) (hub.Presence, error) {
	if f.fails.Load() {
		return hub.Presence{}, errBroken
	}
	return f.Broker.Presence(ctx, channel, limit)
}

// start returns a node with the three keys. Channels named plain:… have neither history nor presence.
func start(t testing.TB, change func(*api.Options)) *node {
	t.Helper()
	n := &node{t: t, broker: &failing{Broker: memory.New(memory.Options{})}, log: new(bytes.Buffer)}
	log := slog.New(slog.NewTextHandler(n.log, nil))
	var err error
	n.hub, err = hub.New(hub.Options{Broker: n.broker, Log: log, Linger: -1, Rules: []hub.Rule{
		{Pattern: "plain:*"},
		{Pattern: "*", History: hub.Retention{Count: 100}, Presence: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.hub.Shutdown(context.Background())
		for _, secret := range []string{allKey, publishKey, boundKey} {
			if strings.Contains(n.log.String(), secret) {
				t.Error("the log holds the secret of a key")
			}
		}
	})
	keys, err := api.NewKeys([]api.Key{
		{Name: "all", Secret: allKey, Rights: []api.Right{api.Publish, api.Read, api.Manage}},
		{Name: "publisher", Secret: publishKey, Rights: []api.Right{api.Publish}},
		{Name: "bound", Secret: boundKey, Rights: []api.Right{api.Publish, api.Read, api.Manage}, Channels: []string{"chat:*", "news"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	options := api.Options{Keys: keys, Log: log}
	if change != nil {
		change(&options)
	}
	n.handler = api.New(n.hub, options)
	return n
}

// client is a session that keeps what it is told.
type client struct {
	session *hub.Session
	fixed   bool
	notices []hub.Notice
	ended   error
}

func (c *client) Receive(*hub.Publication) hub.Reception { return hub.Taken }
func (c *client) Notify(n *hub.Notice)                   { c.notices = append(c.notices, *n) }
func (c *client) End(cause error)                        { c.ended = cause; c.session.Close() }
func (c *client) Describe() hub.Description {
	return hub.Description{Transport: "websocket", Protocol: "native", Remote: "192.0.2.7:4711", Fixed: c.fixed}
}

func (n *node) open(user string, channels ...string) *client {
	n.t.Helper()
	return n.join(new(client), user, channels...)
}

func (n *node) join(c *client, user string, channels ...string) *client {
	n.t.Helper()
	var err error
	if c.session, err = n.hub.Open(c, hub.Identity{User: user}); err != nil {
		n.t.Fatal(err)
	}
	for _, channel := range channels {
		if err := c.session.Subscribe(n.t.Context(), channel, hub.SubscribeOptions{}); err != nil {
			n.t.Fatal(err)
		}
	}
	return c
}

// do sends a request with a key, if it is not "", and header fields, as "Name: value".
func (n *node) do(key, method, path, body string, fields ...string) *http.Response {
	n.t.Helper()
	r := httptest.NewRequest(method, api.Prefix+path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if name == "Host" {
			r.Host = value
		} else if name == "Remote" {
			r.RemoteAddr = value
		} else {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	n.handler.ServeHTTP(w, r)
	return w.Result()
}

// ask is do with the key for everything; it reads the answer, whose status must be as wanted.
func (n *node) ask(status int, into any, method, path, body string, fields ...string) {
	n.t.Helper()
	response := n.do(allKey, method, path, body, fields...)
	text, _ := io.ReadAll(response.Body)
	if response.StatusCode != status {
		n.t.Fatalf("%s %s %s: %s %s", method, path, body, response.Status, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		n.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}
