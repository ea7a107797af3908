package line_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// client writes what it receives.
type client struct {
	line.Line
	opened bool
	gone   chan error
}

func (c *client) Receive(p *hub.Publication) hub.Reception {
	return c.Write(websocket.Prepare(websocket.Text, p.Payload))
}
func (c *client) Notify(*hub.Notice) {}
func (c *client) Opened()            { c.opened = true }
func (c *client) Closed(err error)   { c.gone <- err }

// accept has a client accepted over which early has been before its connection was there, and returns its peer.
func accept(t *testing.T, outbox int, early func(*hub.Hub, *client)) (*client, *websocket.Conn) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{}), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := line.New(h, line.Options{OutboxBytes: outbox, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{gone: make(chan error, 1)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := lines.Open(c, hub.Identity{}); err != nil {
			t.Error(err)
			return
		}
		early(h, c)
		lines.Accept(w, r, c)
	}))
	t.Cleanup(func() {
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(lines.Shutdown(ctx), h.Shutdown(ctx)); err != nil {
			t.Error(err)
		}
	})
	peer, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.CloseNow() })
	return c, peer
}

func subscribe(t *testing.T, c *client) {
	if err := c.Session().Subscribe(t.Context(), "lobby", hub.SubscribeOptions{}); err != nil {
		t.Error(err)
	}
}

func publish(t *testing.T, h *hub.Hub, text string) {
	if _, err := h.Publish(t.Context(), &hub.Publication{Channel: "lobby", Payload: []byte(text)}, hub.PublishOptions{}); err != nil {
		t.Error(err)
	}
}

func TestWhatComesBeforeTheConnectionIsThereIsWrittenFirst(t *testing.T) {
	var node *hub.Hub
	_, peer := accept(t, 0, func(h *hub.Hub, c *client) {
		node = h
		subscribe(t, c)
		for i := range 3 {
			publish(t, h, fmt.Sprint(i))
		}
	})
	publish(t, node, "3")
	for i := range 4 {
		if _, payload, err := peer.Read(t.Context()); err != nil || string(payload) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q, %v", i, payload, err)
		}
	}
}

func TestASessionThatEndsBeforeItsConnectionIsThereIsToldWhy(t *testing.T) {
	c, peer := accept(t, 0, func(h *hub.Hub, c *client) {
		subscribe(t, c)
		publish(t, h, "last words")
		c.End(hub.Errorf(hub.NotAllowed, "not today"))
		publish(t, h, "too late")
	})
	if _, payload, err := peer.Read(t.Context()); err != nil || string(payload) != "last words" {
		t.Errorf("%q, %v", payload, err)
	}
	_, _, err := peer.Read(t.Context())
	if closed, ok := errors.AsType[*websocket.CloseError](err); !ok || closed.Code != websocket.StatusPolicyViolation || closed.Reason != "not today" {
		t.Errorf("closed with %v", err)
	}
	<-c.gone
	if c.opened {
		t.Error("it was opened all the same")
	}
}

func TestWhatWaitsForTheConnectionIsBounded(t *testing.T) {
	_, peer := accept(t, 10_000, func(h *hub.Hub, c *client) {
		subscribe(t, c)
		for range 500 {
			publish(t, h, "x") // each is charged something
		}
	})
	_, _, err := peer.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
		t.Errorf("closed with %v, want 1013", err)
	}
}
