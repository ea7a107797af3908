package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

const apiKey = "an-api-key-of-more-than-32-letters"

// withKey lets apiKey do everything.
func withKey(c *config.Config) {
	c.API.Keys = []config.APIKey{{Name: "all", Secret: apiKey, Rights: []string{"all"}}}
}

// answerOf is the status and the body of an answer.
func answerOf(t *testing.T, address net.Addr, method, path, key, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://%s%s", address, path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// ask fails the test if an answer's status is another one, and returns the body.
func ask(t *testing.T, node *server.Server, status int, method, path, key, body string) string {
	t.Helper()
	got, answer := answerOf(t, node.Addr(), method, path, key, body)
	if got != status {
		t.Fatalf("%s %s: %d, want %d: %s", method, path, got, status, answer)
	}
	return answer
}

// until asks again and again for what the API tells until it holds a text, and returns it.
func until(t *testing.T, node *server.Server, path, text string) (answer string) {
	t.Helper()
	for answer = ""; !strings.Contains(answer, text); {
		answer = ask(t, node, 200, "GET", path, apiKey, "")
	}
	return answer
}

func TestWhatIsPublishedByTheAPIReachesClients(t *testing.T) {
	node := start(t, changed(withKey))
	c := dial(t, node, "/channels/news")
	ask(t, node, 401, "POST", "/api/v1/publish", "", `{"channel":"news","data":"no"}`)
	ask(t, node, 401, "POST", "/api/v1/publish", apiKey+"x", `{"channel":"news","data":"no"}`)
	ask(t, node, 201, "POST", "/api/v1/publish", apiKey, `{"channel":"news","data":"hello"}`)
	if _, payload, err := c.Read(t.Context()); err != nil || string(payload) != "hello" {
		t.Errorf("%q, %v", payload, err)
	}
	shown := ask(t, node, 200, "GET", "/metrics", "", "")
	for _, want := range []string{
		`ringdown_sessions{protocol="raw",transport="websocket"} 1`,
		`ringdown_api_request_seconds_count{operation="publish",status="201"} 1`, "ringdown_publications_total 1", "ringdown_ready 1",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	about := ask(t, node, 200, "GET", "/api/v1/node", apiKey, "")
	if !strings.Contains(about, `"draining":false`) || !strings.Contains(about, `"started":"`) {
		t.Errorf("the node says of itself %s", about)
	}
}

func TestSessionsAreEndedByTheAPI(t *testing.T) {
	node := guarded(t, withKey)
	var clients []*websocket.Conn
	for range 2 {
		clients = append(clients, dial(t, node, "/channels/news?token="+mint(t, time.Minute)))
	}
	var page struct {
		Sessions []struct{ Session, Remote string }
	}
	if err := json.Unmarshal([]byte(until(t, node, "/api/v1/users/ann/sessions", `"total":2`)), &page); err != nil || len(page.Sessions) != 2 {
		t.Fatalf("%+v, %v", page, err)
	}
	if remote := page.Sessions[0].Remote; remote != "127.0.0.1" {
		t.Errorf("the client's address is told as %q", remote)
	}
	ask(t, node, 200, "POST", "/api/v1/disconnect", apiKey, `{"session":"`+page.Sessions[0].Session+`","code":4007,"reason":"bye"}`)
	ask(t, node, 200, "GET", "/api/v1/sessions/"+page.Sessions[1].Session, apiKey, "")
	ask(t, node, 200, "POST", "/api/v1/revoke", apiKey, `{"user":"ann"}`)
	codes := map[websocket.StatusCode]int{}
	for _, c := range clients {
		_, _, err := c.Read(t.Context())
		codes[websocket.CloseStatus(err)]++
	}
	if codes[4007] != 1 || codes[4403] != 1 {
		t.Errorf("clients were closed with %v, want 4007 and 4403", codes)
	}
	if status, body := answerOf(t, node.Addr(), "GET", "/channels/news", mint(t, time.Minute), ""); status != 401 || !strings.Contains(body, "token_revoked") {
		t.Errorf("the revoked token is answered %d: %s", status, body)
	}
}

func TestNothingIsRevokedWhereNoTokensAreTaken(t *testing.T) {
	node := start(t, changed(withKey))
	if body := ask(t, node, 404, "POST", "/api/v1/revoke", apiKey, `{"user":"ann"}`); !strings.Contains(body, "auth.keys") {
		t.Error(body)
	}
}

func TestKeysOfTheAPIComeAndGo(t *testing.T) {
	node := start(t, config.Default())
	ask(t, node, 401, "GET", "/api/v1/node", "", "")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(apiKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	next := node.Config()
	next.API.Keys = []config.APIKey{{Name: "reader", SecretFile: file, Rights: []string{"read"}}}
	if changes, err := node.Reload(next); err != nil || told(changes) != "api.keys" {
		t.Fatalf("%s, %v", told(changes), err)
	}
	ask(t, node, 200, "GET", "/api/v1/node", apiKey, "")
	ask(t, node, 403, "POST", "/api/v1/publish", apiKey, `{"channel":"news","data":1}`)
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{short, file + ".gone"} {
		next.API.Keys = []config.APIKey{{Name: "reader", SecretFile: wrong, Rights: []string{"read"}}}
		if _, err := node.Reload(next); err == nil || !strings.Contains(err.Error(), "api.keys[0].secret_file") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", filepath.Base(wrong), err)
		}
	}
	ask(t, node, 200, "GET", "/api/v1/node", apiKey, "")
}

func TestARevocationOutlivesAReload(t *testing.T) {
	node := guarded(t, withKey)
	ask(t, node, 200, "POST", "/api/v1/revoke", apiKey, `{"token":"t1"}`)
	next := node.Config()
	next.Auth.Leeway = time.Second
	if _, err := node.Reload(next); err != nil {
		t.Fatal(err)
	}
	if status, body := answerOf(t, node.Addr(), "GET", "/channels/news", mint(t, time.Minute), ""); status != 401 || !strings.Contains(body, "token_revoked") {
		t.Errorf("%d: %s", status, body)
	}
}

func TestTheAPIIsOpenInDevModeUntilItHasAKey(t *testing.T) {
	node := start(t, inDevMode())
	ask(t, node, 201, "POST", "/api/v1/publish", "", `{"channel":"news","data":1}`)
	next := node.Config()
	withKey(&next)
	if _, err := node.Reload(next); err != nil {
		t.Fatal(err)
	}
	ask(t, node, 401, "POST", "/api/v1/publish", "", `{"channel":"news","data":1}`)
}

func TestWhatIsPrivateIsOnThePrivateListenerAlone(t *testing.T) {
	open := start(t, config.Default())
	if open.PrivateAddr() != nil {
		t.Errorf("it listens on %v", open.PrivateAddr())
	}
	node := start(t, changed(func(c *config.Config) { c.Listen.Private = "127.0.0.1:0" }))
	for _, c := range []struct {
		path                  string
		only, public, private int // statuses: without a private listener, and with one on either
	}{
		{"/livez", 200, 200, 200},
		{"/readyz", 200, 200, 200},
		{"/metrics", 200, 404, 200},
		{"/api/v1/node", 401, 404, 401},
		{"/api/v1/openapi.json", 200, 404, 200},
		{"/debug/pprof/", 404, 404, 200},
		{"/debug/pprof/heap", 404, 404, 200},
		{"/debug/pprof/cmdline", 404, 404, 404},
		{"/channels/news", 200, 200, 404},
	} {
		for _, at := range []struct {
			name    string
			address net.Addr
			status  int
		}{{"the only", open.Addr(), c.only}, {"the public", node.Addr(), c.public}, {"the private", node.PrivateAddr(), c.private}} {
			if status, body := answerOf(t, at.address, "GET", c.path, "", ""); status != at.status {
				t.Errorf("%s on %s listener: %d, want %d: %.100s", c.path, at.name, status, at.status, body)
			}
		}
	}
}

func TestAPrivateListenerThatCannotBeOpenedIsRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = server.New(changed(func(c *config.Config) {
		c.Listen.Address, c.Listen.Private = "127.0.0.1:0", taken.Addr().String()
	}), server.Options{Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "listen.private") || !strings.Contains(err.Error(), "choose another port") {
		t.Errorf("%v", err)
	}
}

func TestANodeWithoutTheKeysOfItsTokensIsNotReady(t *testing.T) {
	node := start(t, changed(func(c *config.Config) {
		c.Auth.Keys = []config.AuthKey{{URL: "http://127.0.0.1:1/jwks.json"}}
	}))
	ask(t, node, 200, "GET", "/livez", "", "")
	if body := ask(t, node, 503, "GET", "/readyz", "", ""); !strings.Contains(body, "keys: of 1 sources") || strings.Contains(body, "jwks.json") {
		t.Error(body)
	}
}

func TestANodeStopsAfterItsReadyDelay(t *testing.T) {
	node := start(t, changed(func(c *config.Config) { c.Drain.ReadyDelay = time.Millisecond }))
	if err := node.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestANodeThatStopsIsFirstNotReady(t *testing.T) {
	node := start(t, changed(func(c *config.Config) {
		c.Listen.Private = "127.0.0.1:0"
		c.Drain.ReadyDelay = time.Hour
	}))
	c := dial(t, node, "/channels/news")
	ask(t, node, 200, "GET", "/readyz", "", "")
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- node.Shutdown(ctx) }()
	for status := 200; status != 503; {
		status, _ = answerOf(t, node.Addr(), "GET", "/readyz", "", "")
	}
	if body := ask(t, node, 503, "GET", "/readyz", "", ""); !strings.Contains(body, "drain: the node is about to stop") {
		t.Error(body)
	}
	if _, shown := answerOf(t, node.PrivateAddr(), "GET", "/metrics", "", ""); !strings.Contains(shown, "ringdown_ready 0") {
		t.Error("metrics say that it is ready")
	}
	dial(t, node, "/channels/news") // whoever comes all the same is served until the delay is over
	stop()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: %v", err)
	}
	if _, _, err := c.Read(t.Context()); err == nil {
		t.Error("the client is still there")
	}
}
