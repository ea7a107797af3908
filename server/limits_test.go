package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

func TestAFloodFromOneSessionIsWarnedAndThenClosed(t *testing.T) {
	node := start(t, changed(func(c *config.Config) {
		c.Dev = true
		c.Limits.Session.Messages = 5 // and in dev mode nothing else is limited
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	flood, calm := dial(t, node, "/connect"), dial(t, node, "/connect")
	for range 100 { // the node may close before the last is written
		if flood.Write(ctx, websocket.Text, []byte(`{"type":"ping"}`)) != nil {
			break
		}
	}
	var limited, warned int
	for {
		_, message, err := flood.Read(ctx)
		if err != nil {
			if code := websocket.CloseStatus(err); code != 4429 {
				t.Errorf("closed with %v", err)
			}
			break
		}
		if strings.Contains(string(message), `"rate_limited"`) && strings.Contains(string(message), "session.messages") {
			limited++
		}
		if strings.Contains(string(message), "the session is ended") {
			warned++
		}
	}
	if limited == 0 || warned == 0 {
		t.Errorf("%d refusals, %d of them warnings", limited, warned)
	}
	if err := calm.Write(ctx, websocket.Text, []byte(`{"type":"ping","id":"1"}`)); err != nil {
		t.Fatal(err)
	}
	for answered := false; !answered; {
		_, message, err := calm.Read(ctx)
		if err != nil {
			t.Fatalf("another session: %v", err)
		}
		answered = strings.Contains(string(message), `"pong"`)
	}
}

func TestPublishingTooFastOverHTTPIsToldWhenToComeBack(t *testing.T) {
	node := start(t, changed(func(c *config.Config) {
		c.Dev = true
		c.Limits.Node.Messages, c.Limits.Burst = 1, 30*time.Second
	}))
	for range 30 + 2*60 { // at one a second: however slow the machine is, not all pass
		response := request(t, node, "POST", "/channels/chat", "", "hello")
		if response.StatusCode != http.StatusTooManyRequests {
			continue
		}
		var problem struct{ Code, Detail string }
		if err := json.NewDecoder(response.Body).Decode(&problem); err != nil || problem.Code != "rate_limited" {
			t.Errorf("%+v, %v", problem, err)
		}
		if wait := response.Header.Get("Retry-After"); wait != "1" {
			t.Errorf("Retry-After is %q; the sentence is %q", wait, problem.Detail)
		}
		return
	}
	t.Error("everything was taken")
}

func TestOnlyATrustedProxySaysWhereClientsAre(t *testing.T) {
	for _, c := range []struct {
		proves  string
		listen  config.Listen
		field   http.Header
		refused bool // a second client
	}{
		{"nobody is trusted", config.Listen{}, http.Header{"X-Forwarded-For": {"203.0.113.7"}}, false},
		{"another is trusted", config.Listen{TrustedProxies: []string{"192.0.2.1"}}, http.Header{"X-Forwarded-For": {"203.0.113.7"}}, false},
		{"trusted", config.Listen{TrustedProxies: []string{"127.0.0.1"}}, http.Header{"X-Forwarded-For": {"198.51.100.1, 203.0.113.7"}}, true},
		{"the other field", config.Listen{TrustedProxies: []string{"127.0.0.1"}}, http.Header{"Forwarded": {"for=203.0.113.7"}}, false},
		{"Forwarded", config.Listen{TrustedProxies: []string{"127.0.0.1"}, Forwarded: true}, http.Header{"Forwarded": {"for=203.0.113.7"}}, true},
	} {
		t.Run(c.proves, func(t *testing.T) {
			node := start(t, changed(func(n *config.Config) {
				n.Listen = c.listen
				n.Limits.ConnectionsPerAddress = 1
			}))
			enter := func() (*http.Response, error) {
				conn, response, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/channels/chat", node.Addr()), &websocket.DialOptions{Header: c.field})
				if err == nil {
					t.Cleanup(func() { conn.CloseNow() })
				}
				return response, err
			}
			if _, err := enter(); err != nil {
				t.Fatal(err)
			}
			response, err := enter()
			if refused := err != nil; refused != c.refused {
				t.Errorf("a second client from there: %v", err)
			}
			if c.refused && (response == nil || response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") == "") {
				t.Errorf("refused with %+v", response)
			}
		})
	}
}

// Whom the backend denies has no session, and may ask no more often than who has one.
func TestTheConnectHookIsAskedWithinTheRatesOfNewSessions(t *testing.T) {
	const rate, burst, requests = 1, 5, 300
	var asked atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		io.WriteString(w, `{"allow":false}`)
	}))
	t.Cleanup(service.Close)
	node := start(t, changed(func(c *config.Config) {
		c.Backend.Connect, c.Backend.Secret, c.Backend.Timeout = service.URL, hookSecret, 20*time.Second
		c.Listen.TrustedProxies = []string{"127.0.0.1"}
		c.Limits.NewConnections, c.Limits.ConnectionsPerAddress = rate, 1
	}))
	refused := 0
	for _, path := range []string{"/channels/news", "/connect"} {
		for range requests / 2 {
			r, err := http.NewRequest("GET", fmt.Sprintf("http://%s%s", node.Addr(), path), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"X-Forwarded-For": {"203.0.113.7"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
				"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") != "" {
				refused++
			}
		}
	}
	if got := int(asked.Load()); got < burst || got+refused != requests {
		t.Errorf("the backend was asked %d times, and %d of %d requests were refused before that", got, refused, requests)
	}
	if refused == 0 {
		t.Error("an address that may open one session a second had the backend asked each time")
	}
}
