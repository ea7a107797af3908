// Clients that do all sorts of things at once, most of them wrong: each ends at most its own session, once, and nothing is left over.

package engineio_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/websocket"
)

// misdeeds are what a client may do to its session next; the WebSocket is nil before there is one.
var misdeeds = []func(ctx context.Context, c *client, s *socket){
	func(ctx context.Context, c *client, _ *socket) { c.try(ctx, "GET", c.query(), nil) },
	func(ctx context.Context, c *client, _ *socket) {
		ctx, cancel := context.WithTimeout(ctx, rand.N(5*time.Millisecond))
		defer cancel()
		c.try(ctx, "GET", c.query(), nil)
	},
	func(ctx context.Context, c *client, _ *socket) {
		c.try(ctx, "POST", c.query(), strings.NewReader("4a\x1e4b"))
	},
	func(ctx context.Context, c *client, _ *socket) { c.try(ctx, "POST", c.query(), strings.NewReader("3")) },
	func(ctx context.Context, c *client, _ *socket) {
		c.try(ctx, "POST", c.query(), strings.NewReader("4go"))
	},
	func(ctx context.Context, c *client, _ *socket) { c.try(ctx, "POST", c.query(), strings.NewReader("1")) },
	func(ctx context.Context, c *client, _ *socket) { c.try(ctx, "POST", c.query(), strings.NewReader("x")) },
	func(ctx context.Context, c *client, _ *socket) { c.try(ctx, "PUT", c.query(), nil) },
	func(ctx context.Context, _ *client, s *socket) { s.Write(ctx, websocket.Text, []byte("2probe")) },
	func(ctx context.Context, _ *client, s *socket) { s.Write(ctx, websocket.Text, []byte("5")) },
	func(ctx context.Context, _ *client, s *socket) { s.Write(ctx, websocket.Text, []byte("4go")) },
	func(ctx context.Context, _ *client, s *socket) { s.Write(ctx, websocket.Binary, []byte("b")) },
	func(ctx context.Context, _ *client, s *socket) { s.CloseNow() },
	func(_ context.Context, c *client, _ *socket) { c.conn(c.id).Close(engineio.ForcedClose) },
	func(_ context.Context, c *client, _ *socket) { c.conn(c.id).NotifyDrained(rand.IntN(2)) },
	func(_ context.Context, c *client, _ *socket) { c.conn(c.id).Send(true, []byte("x")) },
	func(_ context.Context, c *client, _ *socket) {
		c.conn(c.id).Confirmed()
		c.conn(c.id).RemoteAddr()
		c.conn(c.id).Waiting()
	},
}

func TestNothingIsLeftOfClientsThatMisbehave(t *testing.T) {
	const clients, deeds = 150, 12
	var mu sync.Mutex
	closed, late := make(map[*engineio.Conn]int), 0
	over := func(c *engineio.Conn) {
		mu.Lock()
		defer mu.Unlock()
		if closed[c] > 0 {
			late++
		}
	}
	n := start(t, engineio.Handler{
		Message: func(c *engineio.Conn, binary bool, p []byte) {
			over(c)
			if string(p) == "go" {
				c.Go(func() { time.Sleep(rand.N(3 * time.Millisecond)); over(c) })
			}
			c.Send(binary, p)
		},
		Drained: over,
		Close: func(c *engineio.Conn, _ engineio.Reason, _ error) {
			over(c)
			mu.Lock()
			defer mu.Unlock()
			closed[c]++
		},
	}, engineio.Options{PingInterval: 100 * time.Millisecond, PingTimeout: 100 * time.Millisecond, UpgradeTimeout: 50 * time.Millisecond})
	var crowd sync.WaitGroup
	for range clients {
		crowd.Go(func() {
			c := n.dial()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			raw, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(n.web.URL, "http")+"/?EIO=4&transport=websocket&sid="+c.id, nil)
			var doing sync.WaitGroup
			for range deeds {
				i := rand.IntN(len(misdeeds))
				if err != nil && i >= 8 && i <= 12 { // the session has ended before its WebSocket was there
					continue
				}
				doing.Go(func() { misdeeds[i](ctx, c, &socket{raw, t}) })
				time.Sleep(rand.N(time.Millisecond))
			}
			doing.Wait()
			if err == nil {
				raw.CloseNow()
			}
		})
	}
	crowd.Wait()
	eventually(t, func() bool { return n.server.Stats().Sessions == 0 }, "all sessions to end")
	mu.Lock()
	defer mu.Unlock()
	if len(closed) != clients || late > 0 {
		t.Errorf("%d of %d sessions were closed; the handler was called %d times behind its Close", len(closed), clients, late)
	}
	for c, times := range closed {
		if times != 1 {
			t.Errorf("%s was closed %d times", c.ID(), times)
		}
	}
	eventually(t, func() bool { return n.server.Stats().Sockets.Connections == 0 }, "all WebSockets to be gone")
}
