package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
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
