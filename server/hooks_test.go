package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

const hookSecret = "a secret that is for tests, 32 bytes at least"

type answer map[string]any

// house is a user's service on loopback: a chat with rooms for some.
type house struct {
	url      string
	connects atomic.Int32 // how often it was asked who may connect

	gone chan backend.Request // disconnects
	told chan string          // events, in order, as words
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{gone: make(chan backend.Request, 100), told: make(chan string, 100)}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := backend.Verify(r, []backend.Secret{hookSecret}, 0)
		if err != nil {
			t.Error(err)
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		if r.URL.Path == "/events" {
			h.hear(t, body)
			return
		}
		var asked backend.Request
		if err := json.Unmarshal(body, &asked); err != nil {
			t.Error(err)
		}
		json.NewEncoder(w).Encode(h.decide(&asked))
	}))
	t.Cleanup(service.Close)
	h.url = service.URL
	return h
}

func (h *house) hear(t *testing.T, body []byte) {
	var batch struct {
		Events []struct{ Kind, Channel, User string }
	}
	if err := json.Unmarshal(body, &batch); err != nil {
		t.Error(err)
	}
	for _, e := range batch.Events {
		h.told <- strings.TrimSpace(e.Kind + " " + e.Channel + " " + e.User)
	}
}

func (h *house) decide(r *backend.Request) answer {
	no := answer{"allow": false, "code": "members_only", "reason": "join the club first"}
	switch r.Hook {
	case backend.Connect:
		return h.connect(r)
	case backend.Subscribe:
		if r.Channel == "club" {
			return no
		}
	case backend.Publish:
		text, _ := r.Payload()
		if string(text.Bytes) == "long" {
			return answer{"allow": true, "data": strings.Repeat("x", 1000)}
		}
		if r.Channel == "club" {
			return no
		}
		return answer{"allow": true, "data": strings.ReplaceAll(string(text.Bytes), "heck", "✿✿✿"), "event": "said"}
	case backend.Call:
		if r.Method != "whoami" {
			return answer{"error": answer{"code": "sold_out", "reason": "all gone"}}
		}
		return answer{"result": answer{"user": r.User, "session": r.Session, "protocol": r.Protocol, "remote": r.Remote}}
	case backend.Disconnect:
		h.gone <- *r
		return answer{}
	}
	return answer{"allow": true}
}

func (h *house) connect(r *backend.Request) answer {
	h.connects.Add(1)
	switch who := r.Cookies["login"]; who {
	case "":
		return answer{"allow": true}
	case "forged":
		return answer{"allow": false, "code": "unauthorized", "reason": "log in first"}
	case "strange":
		return answer{"allow": true, "channels": []string{"bell\a"}}
	case "guest":
		return answer{"allow": true, "user": who, "grants": answer{"news": []string{"subscribe"}}}
	default:
		return answer{"allow": true, "user": who, "channels": []string{"news"}, "info": answer{"name": who}, "expires_in": 3600}
	}
}

// with is a node's configuration with the service behind some hooks.
func (h *house) with(hooks string) config.Config {
	return changed(func(c *config.Config) {
		c.Dev = true
		c.Backend.Secret, c.Backend.ConnectCookies, c.Backend.Timeout = hookSecret, []string{"login"}, 30*time.Second
		c.Limits.MessageSize = 500
		for hook := range strings.FieldsSeq(hooks) {
			url := h.url + "/" + hook
			switch hook {
			case "connect":
				c.Backend.Connect = url
			case "subscribe":
				c.Backend.Subscribe = url
			case "publish":
				c.Backend.Publish = url
			case "call":
				c.Backend.Call = url
			case "disconnect":
				c.Backend.Disconnect = url
			case "events":
				c.Backend.Events.URL = url
			}
		}
	})
}

// enter opens a connection with the cookie of a login.
func enter(t *testing.T, node *server.Server, path, login string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, response, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s%s", node.Addr(), path), &websocket.DialOptions{Header: http.Header{"Cookie": {"login=" + login}}})
	if err == nil {
		t.Cleanup(func() { c.CloseNow() })
	}
	return c, response, err
}

// say sends a command, or a message, and reads until an answer holds a word.
func say(t *testing.T, c *websocket.Conn, command, want string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if command != "" {
		if err := c.Write(ctx, websocket.Text, []byte(command)); err != nil {
			t.Fatal(err)
		}
	}
	for seen := ""; ; {
		_, payload, err := c.Read(ctx)
		if err != nil {
			t.Fatalf("%s: read %s, then %v; want %s", command, seen, err, want)
		}
		if strings.Contains(string(payload), want) {
			return string(payload)
		}
		seen += string(payload) + "\n"
	}
}

// fetch is a request over plain HTTP: its status and, but for event streams that have begun, its body.
func fetch(t *testing.T, node *server.Server, method, path, accept, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://%s%s", node.Addr(), path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if accept == "text/event-stream" && response.StatusCode == http.StatusOK {
		return response.StatusCode, ""
	}
	content, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(content)
}

// next is what comes over a channel soon.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came for half a minute")
		panic("unreachable")
	}
}

func TestTheBackendDeniesOverEveryTransport(t *testing.T) {
	node := start(t, newHouse(t).with("subscribe publish"))
	for _, c := range []struct{ proves, method, path, accept string }{
		{"POST", "POST", "/channels/club", "*/*"},
		{"server-sent events", "GET", "/channels/club", "text/event-stream"},
		{"polling", "GET", "/channels/club?wait=1", "application/json"},
	} {
		status, body := fetch(t, node, c.method, c.path, c.accept, "hello")
		if status != http.StatusForbidden || !strings.Contains(body, `"members_only"`) || !strings.Contains(body, "join the club first") {
			t.Errorf("%s: %d %s", c.proves, status, body)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	raw := dial(t, node, "/channels/club")
	if _, _, err := raw.Read(ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "join the club first") {
		t.Errorf("raw: %v", err)
	}
	native := dial(t, node, "/connect")
	for _, command := range []string{`{"type":"subscribe","channel":"club","id":1}`, `{"type":"publish","channel":"club","data":"hello","id":2}`} {
		if said := say(t, native, command, `"error"`); !strings.Contains(said, `"members_only"`) {
			t.Errorf("%s: %s", command, said)
		}
	}
}

func TestTheBackendRewritesOverEveryTransport(t *testing.T) {
	node := start(t, newHouse(t).with("publish"))
	native, raw := dial(t, node, "/connect"), dial(t, node, "/channels/lobby")
	say(t, native, `{"type":"subscribe","channel":"lobby","id":1}`, `"subscribed"`)
	if status, body := fetch(t, node, "POST", "/channels/lobby", "*/*", "heck one"); status != http.StatusCreated {
		t.Errorf("%d %s", status, body)
	}
	say(t, raw, "heck two", "✿✿✿ two")
	say(t, native, `{"type":"publish","channel":"lobby","data":"heck three"}`, "✿✿✿ three")
	status, body := fetch(t, node, "GET", "/channels/lobby", "application/json", "")
	if status != http.StatusOK || strings.Contains(body, "heck") || strings.Count(body, "✿✿✿") != 3 || strings.Count(body, `"event":"said"`) != 3 {
		t.Errorf("kept is %s", body)
	}
	if status, body := fetch(t, node, "POST", "/channels/lobby", "*/*", "long"); status != http.StatusRequestEntityTooLarge {
		t.Errorf("rewritten to more than the rule allows: %d %s", status, body)
	}
}

func TestTheBackendSaysWhoConnects(t *testing.T) {
	node := start(t, newHouse(t).with("connect call"))
	ann, _, err := enter(t, node, "/connect", "ann")
	if err != nil {
		t.Fatal(err)
	}
	welcome := say(t, ann, "", `"welcome"`)
	if !strings.Contains(welcome, `"user":"ann"`) {
		t.Error(welcome)
	}
	say(t, ann, "", `"news"`) // it is subscribed to it
	var session struct{ Session string }
	if err := json.Unmarshal([]byte(welcome), &session); err != nil {
		t.Fatal(err)
	}
	who := say(t, ann, `{"type":"call","method":"whoami","data":{},"id":1}`, `"result"`)
	for _, part := range []string{`"user":"ann"`, session.Session, `"protocol":"native"`, `"remote":"127.0.0.1"`} {
		if !strings.Contains(who, part) {
			t.Errorf("%s is not in %s", part, who)
		}
	}
	say(t, ann, `{"type":"call","method":"reserve","data":{},"id":2}`, `"sold_out"`)

	guest, _, err := enter(t, node, "/connect", "guest")
	if err != nil {
		t.Fatal(err)
	}
	say(t, guest, `{"type":"subscribe","channel":"lobby","id":1}`, `"not_allowed"`)
	say(t, guest, `{"type":"subscribe","channel":"news","id":2}`, `"subscribed"`)
	say(t, guest, `{"type":"publish","channel":"news","data":"x","id":3}`, `"not_allowed"`)
	say(t, guest, `{"type":"call","method":"whoami","channel":"news","data":{},"id":4}`, `"not_allowed"`)
	for login, want := range map[string]int{"forged": http.StatusUnauthorized, "strange": http.StatusServiceUnavailable} {
		for _, path := range []string{"/connect", "/channels/lobby"} {
			_, response, err := enter(t, node, path, login)
			if err == nil || response == nil || response.StatusCode != want {
				t.Errorf("%s at %s: %v, want %d", login, path, err, want)
			}
		}
	}
}

// hanging is the URL of a service that answers nothing until over is closed.
func hanging(t *testing.T, over <-chan struct{}) string {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(service.Close)
	return service.URL
}

func TestABackendThatHangsFailsClosed(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	h := &house{url: hanging(t, over)}
	short := func(hooks string) config.Config {
		c := h.with(hooks)
		c.Backend.Timeout = 20 * time.Millisecond
		return c
	}
	node := start(t, short("subscribe publish call"))
	native := dial(t, node, "/connect")
	for _, command := range []string{`{"type":"subscribe","channel":"a","id":1}`, `{"type":"publish","channel":"a","data":"x","id":2}`, `{"type":"call","method":"m","data":"x","id":3}`} {
		say(t, native, command, `"unavailable"`)
	}
	if status, body := fetch(t, node, "POST", "/channels/a", "*/*", "x"); status != http.StatusServiceUnavailable || !strings.Contains(body, `"unavailable"`) {
		t.Errorf("POST: %d %s", status, body)
	}
	if _, response, err := enter(t, start(t, short("connect")), "/connect", "ann"); err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("connected, or %v", err)
	}
	open := short("publish")
	open.Backend.FailOpen = true
	if status, body := fetch(t, start(t, open), "POST", "/channels/a", "*/*", "x"); status != http.StatusCreated {
		t.Errorf("with fail_open: %d %s", status, body)
	}
}

func TestTheBackendIsToldWhoComesAndGoes(t *testing.T) {
	h := newHouse(t)
	c := h.with("disconnect events")
	c.Backend.Secret, c.Backend.SecretFile = "", filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(c.Backend.SecretFile, []byte(hookSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	node := start(t, c)
	ann, bob := dial(t, node, "/connect?user=ann"), dial(t, node, "/connect?user=bob")
	say(t, ann, `{"type":"subscribe","channel":"room","id":1}`, `"subscribed"`)
	say(t, bob, `{"type":"subscribe","channel":"room","id":1}`, `"subscribed"`)
	fetch(t, node, "GET", "/channels/room", "application/json", "") // is nobody
	say(t, bob, `[{"type":"unsubscribe","channel":"room","id":2}]`, `"id":2`)
	ann.Close(websocket.StatusNormalClosure, "")
	for _, want := range []string{"occupied room", "joined room ann", "joined room bob", "left room bob", "left room ann", "vacated room"} {
		if got := next(t, h.told); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	if gone := next(t, h.gone); gone.User != "ann" || gone.Code != "" || gone.Protocol != "native" || gone.Remote != "127.0.0.1" {
		t.Errorf("gone is %+v", gone)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() {
		for err := error(nil); err == nil; { // until it has answered the Close frame
			_, _, err = bob.Read(ctx)
		}
	}()
	if err := node.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if gone := next(t, h.gone); gone.User != "bob" || gone.Code != "shutting_down" || gone.Reason == "" {
		t.Errorf("gone at the end is %+v", gone)
	}
}

func TestASecretThatCanBeGuessedIsRefused(t *testing.T) {
	c := (&house{url: "http://127.0.0.1:1"}).with("publish")
	c.Backend.Secret, c.Backend.SecretFile = "", filepath.Join(t.TempDir(), "secret")
	for content, sentence := range map[string]string{"": "cannot be read", "hunter2\n": "holds 7 bytes"} {
		if content != "" {
			if err := os.WriteFile(c.Backend.SecretFile, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c.Listen.Address = "127.0.0.1:0"
		if _, err := server.New(c, server.Options{}); err == nil || !strings.Contains(err.Error(), sentence) {
			t.Errorf("refused with %v, want %q", err, sentence)
		}
		os.Remove(c.Backend.SecretFile)
	}
}
