package server_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu      sync.Mutex
	written bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.String()
}

// TestNoSecretIsInTheLog has clients put a secret wherever one can be put, in requests that are refused, and looks for it.
func TestNoSecretIsInTheLog(t *testing.T) {
	t.Parallel()
	const marker = "hunter2"
	var log lines
	c := changed(withKey)
	c.Auth.Keys = []config.AuthKey{{Secret: secret}}
	c.Auth.Cookie, c.Auth.Anonymous = "login", true
	node := start(t, c, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	forged := []string{marker, marker + ".x.y", head + "." + marker + ".", "eyJhbGciOiJIUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"ann"}`)) + "." + marker}
	headers := func(token string) []http.Header {
		return []http.Header{
			{"Authorization": {"Bearer " + token}}, {"Authorization": {"Basic " + token}}, {"Authorization": {token}}, {"Authorization": {"Bearer " + token, "Bearer a"}},
			{"Cookie": {"login=" + token}}, {"Cookie": {"login=" + token + "; login=b"}}, {"Authorization": {"Bearer " + token}, "Cookie": {"login=other"}},
			{"Referer": {"https://a.example/?token=" + token}}, {"X-Api-Key": {token}}, {"Idempotency-Key": {token}},
			{"Sec-Websocket-Protocol": {"bearer, " + token}}, {"Sec-Websocket-Protocol": {"ringdown.token." + token}},
		}
	}
	upgrade := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	refused := 0
	send := func(method, target string, header http.Header, upgraded bool) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+node.Addr().String()+target, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header.Clone()
		if upgraded {
			maps.Copy(r.Header, upgrade)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode >= 400 {
			io.Copy(io.Discard, response.Body) // the connection serves the next one, too
			refused++
		}
	}
	for _, token := range forged {
		for _, path := range []string{"/connect", "/channels/news", "/channels?channel=news", "/api/v1/node", "/api/v1/publish", "/metrics", "/nothing"} {
			joint := map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")]
			for _, method := range []string{"GET", "POST", "DELETE"} {
				for _, header := range headers(token) {
					send(method, path, header, false)
				}
				send(method, path+joint+"token="+token, http.Header{}, false)
				send(method, path+joint+"token="+token+"%zz", http.Header{}, false)
				send(method, path+joint+"token="+token+"&token=other", http.Header{}, false)
			}
			if path == "/connect" || strings.HasPrefix(path, "/channels") {
				for _, header := range headers(token) {
					send("GET", path, header, true)
				}
				send("GET", path+joint+"token="+token, http.Header{"Origin": {"https://evil.example"}}, true)
			}
		}
		native := dial(t, node, "/connect")
		say(t, native, fmt.Sprintf(`{"type":"authenticate","token":%q,"id":1}`, token), `"error"`)
		say(t, native, fmt.Sprintf(`{"type":"authenticate","token":[%q],"id":2}`, token), `"error"`)
		say(t, native, fmt.Sprintf(`{"type":"authenticate","token":%q,}`, token), `"error"`)
		native.Close(websocket.StatusNormalClosure, token)
	}
	if refused < 300 {
		t.Errorf("only %d requests were refused", refused)
	}
	for line := range strings.Lines(log.String()) {
		for _, kept := range []string{marker, secret, apiKey} {
			if strings.Contains(line, kept) {
				t.Errorf("the log holds a secret: %s", line)
			}
		}
	}
	if refusals := strings.Count(log.String(), `"msg":"refused"`); refusals < 100 {
		t.Errorf("the log tells of %d refusals only", refusals)
	}
}
