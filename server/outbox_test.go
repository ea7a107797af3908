package server_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// dialReluctant dials over a line that holds little, so that a client that does not read is soon noticed.
func dialReluctant(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		err = c.(*net.TCPConn).SetReadBuffer(64 << 10)
	}
	return c, err
}

func TestAClientForWhichAMessageWaitsTooLongIsCut(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(t *testing.T, address string){
		"native": func(t *testing.T, address string) {
			c := dialSlowly(t, "ws://"+address+"/connect")
			say(t, c, `{"type":"subscribe","channel":"lobby","id":1}`, `"subscribed"`)
		},
		"raw": func(t *testing.T, address string) { dialSlowly(t, "ws://"+address+"/channels/lobby") },
		"server-sent events": func(t *testing.T, address string) {
			r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+"/channels/lobby", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept", "text/event-stream")
			response, err := (&http.Transport{DialContext: dialReluctant}).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { response.Body.Close() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			node := start(t, changed(func(c *config.Config) {
				withKey(c)
				c.Limits.OutboxAge, c.Limits.OutboxBytes = 200*time.Millisecond, 256<<20 // which nobody fills
			}))
			connect(t, node.Addr().String())
			cut := `ringdown_disconnects_total{code="slow_consumer"} 1`
			payload := fmt.Sprintf(`{"channel":"lobby","data":%q}`, strings.Repeat("x", 60<<10))
			for deadline := time.Now().Add(never); ; {
				if _, shown := answerOf(t, node.Addr(), "GET", "/metrics", apiKey, ""); strings.Contains(shown, cut) {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("nobody was cut within %v", never)
				}
				for range 20 {
					ask(t, node, http.StatusCreated, "POST", "/api/v1/publish", apiKey, payload)
				}
			}
		})
	}
}

// dialSlowly dials a client that is not going to read.
func dialSlowly(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{DialContext: dialReluctant})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func TestAClientThatTakesItsTimeWithinTheBoundStays(t *testing.T) {
	node := start(t, changed(func(c *config.Config) { withKey(c); c.Limits.OutboxAge = time.Minute }))
	c := dialSlowly(t, fmt.Sprintf("ws://%s/channels/lobby", node.Addr()))
	for range 10 {
		ask(t, node, http.StatusCreated, "POST", "/api/v1/publish", apiKey, `{"channel":"lobby","data":"hello"}`)
	}
	for range 10 {
		if _, payload, err := c.Read(t.Context()); err != nil || string(payload) != "hello" {
			t.Fatalf("read %s, %v", payload, err)
		}
	}
}
