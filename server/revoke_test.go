package server_test

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// slowBody is a request's body that is asked for only once the server has said "100 Continue", and then waits.
type slowBody struct {
	asked chan struct{} // closed when the body is asked for
	ready chan struct{} // closed by who lets it come
	text  io.Reader
	once  atomic.Bool
}

func (b *slowBody) Read(p []byte) (int, error) {
	if !b.once.Swap(true) {
		close(b.asked)
		<-b.ready
	}
	return b.text.Read(p)
}

// posting begins to publish in news with a token, and returns once that has been checked. The function that it returns lets the payload
// come, and returns the answer.
func posting(t *testing.T, node *server.Server, token string) func() (int, string) {
	t.Helper()
	body := &slowBody{asked: make(chan struct{}), ready: make(chan struct{}), text: strings.NewReader("payload")}
	r, err := http.NewRequestWithContext(t.Context(), "POST", fmt.Sprintf("http://%s/channels/news", node.Addr()), body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Expect", "100-continue")
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	type outcome struct {
		status int
		body   string
	}
	done := make(chan outcome, 1)
	go func() {
		response, err := transport.RoundTrip(r)
		if err != nil {
			done <- outcome{0, err.Error()}
			return
		}
		defer response.Body.Close()
		content, _ := io.ReadAll(response.Body)
		done <- outcome{response.StatusCode, string(content)}
	}()
	next(t, body.asked)
	return func() (int, string) {
		close(body.ready)
		o := next(t, done)
		return o.status, o.body
	}
}

var publisher = auth.Grant{Pattern: "*", Rights: auth.Publish | auth.Subscribe}

func TestATokenThatEndsWhileABodyComesPublishesNothing(t *testing.T) {
	for _, c := range []struct {
		proves string
		ends   time.Duration
		end    func(t *testing.T, node *server.Server, ends time.Time)
		want   string
	}{
		{"revoked", time.Hour, func(t *testing.T, node *server.Server, _ time.Time) {
			ask(t, node, 200, "POST", "/api/v1/revoke", apiKey, `{"token":"t1"}`)
		}, "token_revoked"},
		{"expired", 2 * time.Second, func(_ *testing.T, _ *server.Server, ends time.Time) {
			time.Sleep(time.Until(ends))
		}, "token_expired"},
	} {
		t.Run(c.proves, func(t *testing.T) {
			t.Parallel()
			node := guarded(t, withKey)
			ends := time.Now().Add(c.ends).Truncate(time.Second).Add(time.Second)
			finish := posting(t, node, mintFor(t, auth.Claims{User: "ann", ID: "t1", Expires: ends, Grants: []auth.Grant{publisher}}))
			c.end(t, node, ends)
			if status, body := finish(); status != http.StatusUnauthorized || !strings.Contains(body, c.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func TestWhoIsRevokedWhileTheBackendIsAskedDoesNothing(t *testing.T) {
	for _, c := range []struct {
		proves string
		hook   func(*config.Backend, string)
		try    func(t *testing.T, node *server.Server, token string) (status int, body string)
	}{
		{"publish", func(c *config.Backend, url string) { c.Publish = url }, func(t *testing.T, node *server.Server, token string) (int, string) {
			response := request(t, node, "POST", "/channels/news", token, "too late")
			body, _ := io.ReadAll(response.Body)
			return response.StatusCode, string(body)
		}},
		{"connect", func(c *config.Backend, url string) { c.Connect = url }, func(t *testing.T, node *server.Server, token string) (int, string) {
			_, response, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/connect?token=%s", node.Addr(), token), nil)
			if err == nil {
				return http.StatusSwitchingProtocols, ""
			}
			return response.StatusCode, err.Error()
		}},
	} {
		t.Run(c.proves, func(t *testing.T) {
			asked, goOn := make(chan struct{}, 1), make(chan struct{})
			url := answering(t, func(*backend.Request) answer {
				asked <- struct{}{}
				<-goOn
				return answer{"allow": true}
			})
			node := guarded(t, func(n *config.Config) {
				withKey(n)
				n.Backend.Secret, n.Backend.Timeout, n.Backend.Retries = hookSecret, time.Minute, 0
				c.hook(&n.Backend, url)
			})
			type outcome struct {
				status int
				body   string
			}
			done := make(chan outcome, 1)
			token := mint(t, time.Hour, publisher)
			go func() {
				status, body := c.try(t, node, token)
				done <- outcome{status, body}
			}()
			next(t, asked)
			ask(t, node, 200, "POST", "/api/v1/revoke", apiKey, `{"token":"t1"}`)
			close(goOn)
			if o := next(t, done); o.status != http.StatusUnauthorized {
				t.Errorf("%d %s", o.status, o.body)
			}
			if sessions := ask(t, node, 200, "GET", "/api/v1/users/ann/sessions", apiKey, ""); strings.Contains(sessions, "native") {
				t.Errorf("there are sessions: %s", sessions)
			}
		})
	}
}

func TestRevokingAUserEndsWhomTheBackendHasRenamed(t *testing.T) {
	url := answering(t, func(*backend.Request) answer { return answer{"allow": true, "user": "customer-7"} })
	for _, name := range []string{"ann", "customer-7"} {
		node := guarded(t, func(c *config.Config) {
			withKey(c)
			c.Backend.Connect, c.Backend.Secret, c.Backend.Timeout = url, hookSecret, 30*time.Second
		})
		open := func() (*websocket.Conn, error) {
			c, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/connect?token=%s", node.Addr(), mint(t, time.Hour)), nil)
			return c, err
		}
		c, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		say(t, c, "", "welcome")
		ask(t, node, 200, "POST", "/api/v1/revoke", apiKey, `{"user":"`+name+`"}`)
		for err = nil; err == nil; {
			_, _, err = c.Read(t.Context())
		}
		if websocket.CloseStatus(err) != 4403 {
			t.Errorf("revoked as %s, the session ends with %v", name, err)
		}
		if _, err := open(); err == nil {
			t.Errorf("revoked as %s, the same token connects again", name)
		}
	}
}

func TestARevocationSaysUpToWhenTokensWereIssued(t *testing.T) {
	node := start(t, changed(func(c *config.Config) {
		withKey(c)
		c.Auth.Keys = []config.AuthKey{{Secret: secret}}
	}))
	status := func() int { return request(t, node, "GET", "/channels/news", mint(t, time.Hour), "").StatusCode }
	long := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	ask(t, node, 400, "POST", "/api/v1/revoke", apiKey, `{"token":"other","before":"`+long+`"}`)
	ask(t, node, 200, "POST", "/api/v1/revoke", apiKey, `{"user":"ann","before":"`+long+`"}`)
	if got := status(); got != http.StatusOK {
		t.Errorf("a token that was issued later: %d", got)
	}
	ask(t, node, 200, "POST", "/api/v1/revoke", apiKey, `{"user":"ann"}`)
	if got := status(); got != http.StatusUnauthorized {
		t.Errorf("a token that was issued before: %d", got)
	}
}

func TestRevocationsSurviveKeysThatGoAndCome(t *testing.T) {
	node := guarded(t, withKey)
	ask(t, node, 200, "POST", "/api/v1/revoke", apiKey, `{"token":"t1"}`)
	with := node.Config()
	without := with
	without.Auth.Keys = nil
	for _, c := range []config.Config{without, with} {
		if _, err := node.Reload(c); err != nil {
			t.Fatal(err)
		}
	}
	if r := request(t, node, "GET", "/channels/news", mint(t, time.Hour), ""); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("a revoked token after two reloads: %s", r.Status)
	}
}

func TestKeysOfAKeyServerSurviveAReload(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := auth.NewSigningKey("k1", private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicJWK()
	if err != nil {
		t.Fatal(err)
	}
	var away atomic.Bool
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			http.Error(w, "away", http.StatusInternalServerError)
			return
		}
		w.Write(public)
	}))
	defer keys.Close()
	token, err := auth.Mint(&auth.Claims{User: "ann", IssuedAt: time.Now(), Expires: time.Now().Add(time.Hour)}, key)
	if err != nil {
		t.Fatal(err)
	}
	works := func(t *testing.T, node *server.Server) {
		t.Helper()
		for _, path := range []string{"/channels/news", "/readyz"} {
			if r := request(t, node, "GET", path, token, ""); r.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", path, r.Status)
			}
		}
	}
	reload := func(t *testing.T, node *server.Server, change func(*config.Auth)) {
		t.Helper()
		c := node.Config()
		change(&c.Auth)
		if _, err := node.Reload(c); err != nil {
			t.Fatal(err)
		}
	}
	node := guarded(t, nil)
	reload(t, node, func(c *config.Auth) { c.Keys = []config.AuthKey{{URL: keys.URL}} })
	works(t, node) // at once: a source that is new is waited for
	away.Store(true)
	reload(t, node, func(c *config.Auth) { c.Query = "access" }) // which has nothing to do with keys
	works(t, node)
}
