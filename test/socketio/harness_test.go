// The official client of Socket.IO at work in client.js, and servers for it.

package socketio

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/node"
)

// patience is how long anything may take.
const patience = time.Minute

// service is a server of Socket.IO with its hub.
type service struct {
	*socketio.Server
	url  string
	host string
}

// serve starts a server. Every channel keeps a history.
func serve(t *testing.T, o socketio.Options) *service {
	t.Helper()
	h, err := hub.New(hub.Options{
		Broker: memory.New(memory.Options{}),
		Rules:  []hub.Rule{{Pattern: "*", History: hub.Retention{Count: 1000, Age: time.Hour}}},
		Log:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Shutdown(context.Background()) })
	return serveOver(t, h, o)
}

func serveOver(t *testing.T, h *hub.Hub, o socketio.Options) *service {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	server, err := socketio.New(h, o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutting down: %v", err)
		}
		web.CloseClientConnections()
		web.Close()
	})
	return &service{server, web.URL, web.Listener.Addr().String()}
}

// client is a client in client.js.
type client struct {
	t        *testing.T
	script   *node.Peer
	name     string
	recovery bool
}

type arguments = map[string]any

// dial begins to connect a client; url ends with the namespace.
func dial(t *testing.T, script *node.Peer, name, url string, options arguments, recovery bool) client {
	t.Helper()
	c := client{t, script, name, recovery}
	c.do("open", arguments{"url": url, "options": options, "recovery": recovery})
	return c
}

func (c client) do(command string, args arguments) {
	c.t.Helper()
	if args == nil {
		args = arguments{}
	}
	args["name"] = c.name
	node.Do(c.t, c.script, command, args)
}

// want waits for the next events, which must be these: arrays in JSON.
func (c client) want(events ...string) {
	c.t.Helper()
	for _, want := range events {
		got := node.Call[json.RawMessage](c.t, c.script, "next", arguments{"name": c.name})
		if string(got) != want {
			c.t.Fatalf("%s: %s, want %s", c.name, got, want)
		}
	}
}

// emit sends an event; args is an array in JSON.
func (c client) emit(event, args string) {
	c.t.Helper()
	c.do("emit", arguments{"event": event, "args": json.RawMessage(args)})
}

// ask sends an event and returns the answer, {"args":[…]} or {"error":"…"}.
func (c client) ask(event, args string, timeout int) string {
	c.t.Helper()
	call := arguments{"name": c.name, "event": event, "args": json.RawMessage(args)}
	if timeout > 0 {
		call["timeout"] = timeout
	}
	return string(node.Call[json.RawMessage](c.t, c.script, "ask", call))
}

// wantAnswer asks, and fails if the answer has other arguments.
func (c client) wantAnswer(event, args, want string) {
	c.t.Helper()
	if got := c.ask(event, args, 0); got != `{"args":`+want+`}` {
		c.t.Errorf("%s: %s%s is answered %.300s, want %s", c.name, event, args, got, want)
	}
}

// state is what a client says of itself.
type state struct {
	ID        string `json:"id"`
	Connected bool   `json:"connected"`
	Recovered bool   `json:"recovered"`
	Active    bool   `json:"active"` // it is connected, or tries to be
}

func (c client) state() state {
	c.t.Helper()
	return node.Call[state](c.t, c.script, "state", arguments{"name": c.name})
}

// await waits for something that a handler does.
func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("it did not come")
		panic("unreachable")
	}
}
