package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

const secret = "0123456789abcdef0123456789abcdef"

// mint makes a token of ann's that ends after a while, with grants or without.
func mint(t *testing.T, ends time.Duration, grants ...auth.Grant) string {
	t.Helper()
	return mintFor(t, auth.Claims{User: "ann", ID: "t1", Expires: time.Now().Add(ends), Grants: grants})
}

// mintFor makes a token that was issued a minute ago, and ends in an hour unless the claims say otherwise.
func mintFor(t *testing.T, c auth.Claims) string {
	t.Helper()
	key, err := auth.NewSigningKey("", []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	c.IssuedAt = time.Now().Add(-time.Minute)
	if c.Expires.IsZero() {
		c.Expires = time.Now().Add(time.Hour)
	}
	token, err := auth.Mint(&c, key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// guarded is a node that knows tokens, and believes clocks to the second.
func guarded(t *testing.T, change func(*config.Config)) *server.Server {
	t.Helper()
	c := config.Default()
	c.Auth.Keys = []config.AuthKey{{Secret: secret}}
	c.Auth.Leeway = 0
	if change != nil {
		change(&c)
	}
	return start(t, c)
}

func request(t *testing.T, node *server.Server, method, path, token, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://%s%s", node.Addr(), path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if strings.Contains(path, "sse") {
		r.Header.Set("Accept", "text/event-stream")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func TestATokensGrantsDecide(t *testing.T) {
	node := guarded(t, nil)
	token := mint(t, time.Minute, auth.Grant{Pattern: "chat:*", Rights: auth.Subscribe | auth.Publish})
	for _, c := range []struct {
		proves, method, path, token string
		status                      int
		code                        string
	}{
		{"publishing where it may", "POST", "/channels/chat:1", token, 201, ""},
		{"publishing elsewhere", "POST", "/channels/news", token, 403, "not_allowed"},
		{"reading where it may", "GET", "/channels/chat:1", token, 200, ""},
		{"reading elsewhere", "GET", "/channels/news", token, 403, "not_allowed"},
		{"anonymous reading", "GET", "/channels/news", "", 200, ""},
		{"anonymous publishing", "POST", "/channels/chat:1", "", 403, "not_allowed"},
		{"no token at all", "GET", "/channels/news", "x.y.z", 401, "unauthorized"},
		{"a token from yesterday", "GET", "/channels/chat:1", mint(t, -time.Second), 401, "token_expired"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			response := request(t, node, c.method, c.path, c.token, "x")
			body, _ := io.ReadAll(response.Body)
			var problem struct{ Code string }
			json.Unmarshal(body, &problem)
			if response.StatusCode != c.status || problem.Code != c.code {
				t.Errorf("%s: %s", response.Status, body)
			}
			if c.token != "" && strings.Contains(string(body), c.token) {
				t.Errorf("the answer repeats the token: %s", body)
			}
		})
	}
}

func TestANodeThatAsksForTokensLetsNobodyInWithout(t *testing.T) {
	node := guarded(t, func(c *config.Config) { c.Auth.Anonymous = false })
	for _, path := range []string{"/channels/news", "/channels/news?sse"} {
		if response := request(t, node, "GET", path, "", ""); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	for _, path := range []string{"/channels/news", "/connect"} {
		_, response, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s%s", node.Addr(), path), nil)
		if err == nil || response == nil || response.StatusCode != http.StatusUnauthorized {
			t.Errorf("a WebSocket to %s: %v", path, err)
		}
	}
	if response := request(t, node, "GET", "/channels/news", mint(t, time.Minute), ""); response.StatusCode != http.StatusOK {
		t.Errorf("with a token: %s", response.Status)
	}
}

func TestATokenThatExpiresEndsEveryTransport(t *testing.T) {
	t.Parallel()
	node := guarded(t, nil)
	token := mint(t, 3*time.Second)
	url := fmt.Sprintf("ws://%s", node.Addr())

	raw, _, err := websocket.Dial(t.Context(), url+"/channels/news?token="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.CloseNow()
	native, _, err := websocket.Dial(t.Context(), url+"/connect?token="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer native.CloseNow()
	stream := request(t, node, "GET", "/channels/news?sse", token, "")
	polled := make(chan string, 1)
	go func() {
		response := request(t, node, "GET", "/channels/news?wait=60s", token, "")
		body, _ := io.ReadAll(response.Body)
		polled <- fmt.Sprint(response.StatusCode, " ", string(body))
	}()

	if _, _, err := raw.Read(t.Context()); websocket.CloseStatus(err) != 4402 {
		t.Errorf("raw WebSocket: %v", err)
	}
	if last := lastMessage(t, native); !strings.Contains(last, `"code":"token_expired"`) || !strings.Contains(last, `"reconnect":true`) {
		t.Errorf("native: %s", last)
	}
	var events strings.Builder
	for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
		fmt.Fprintln(&events, lines.Text())
	}
	if !strings.Contains(events.String(), "token_expired") {
		t.Errorf("event stream:\n%s", &events)
	}
	if answer := <-polled; !strings.Contains(answer, "401") || !strings.Contains(answer, "token_expired") {
		t.Errorf("poll: %s", answer)
	}
}

// lastMessage reads until the server closes with 4402, and returns what it said before.
func lastMessage(t *testing.T, c *websocket.Conn) (last string) {
	t.Helper()
	for {
		_, message, err := c.Read(t.Context())
		if err != nil {
			if websocket.CloseStatus(err) != 4402 {
				t.Errorf("closed by %v", err)
			}
			return last
		}
		last = string(message)
	}
}

func TestANewTokenInTimeKeepsTheConnection(t *testing.T) {
	t.Parallel()
	node := guarded(t, nil)
	c, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/connect?token=%s", node.Addr(), mint(t, 2*time.Second)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	say := func(message, want string) {
		t.Helper()
		if err := c.Write(t.Context(), websocket.Text, []byte(message)); err != nil {
			t.Fatal(err)
		}
		for {
			_, answer, err := c.Read(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", message, err)
			}
			if !strings.Contains(string(answer), `"welcome"`) {
				if !strings.Contains(string(answer), want) {
					t.Errorf("%s: %s", message, answer)
				}
				return
			}
		}
	}
	say(`{"type":"authenticate","token":"`+mint(t, time.Hour)+`","id":1}`, `"authenticated","id":1,"user":"ann"`)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // twice as long as the first token
	defer cancel()
	if _, message, err := c.Read(ctx); err == nil || websocket.CloseStatus(err) >= 0 {
		t.Fatalf("%s, %v", message, err)
	}
	say(`{"type":"ping","id":2}`, `"pong"`)
}
