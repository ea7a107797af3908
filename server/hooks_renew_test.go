package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// answering is the URL of a service that answers hooks by a function.
func answering(t *testing.T, decide func(*backend.Request) answer) string {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := backend.Verify(r, []backend.Secret{hookSecret}, 0)
		var asked backend.Request
		if err == nil {
			err = json.Unmarshal(body, &asked)
		}
		if err != nil {
			t.Error(err)
		}
		json.NewEncoder(w).Encode(decide(&asked))
	}))
	t.Cleanup(service.Close)
	return service.URL
}

func TestTheBackendDecidesAboutTokensThatComeLater(t *testing.T) {
	const banned = "mallory"
	url := answering(t, func(r *backend.Request) answer {
		switch r.User {
		case banned:
			return answer{"allow": false, "code": "banned", "reason": "you are banned"}
		case "":
			return answer{"allow": true}
		}
		return answer{"allow": true, "user": "customer-7", "info": answer{"name": "Ann"}, "channels": []string{"customer:7"},
			"grants": answer{"own:*": []string{"publish"}}, "expires_in": 3600}
	})
	ann, mallory := mintFor(t, auth.Claims{User: "ann", Grants: []auth.Grant{publisher}}), mintFor(t, auth.Claims{User: banned})
	for _, c := range []struct{ proves, first, then, want string }{
		{"who is kept out stays out", "", mallory, `"code":"banned"`},
		{"who was anonymous is who the backend says", "", ann, `"user":"customer-7"`},
		{"who was renamed can renew his token", ann, ann, `"user":"customer-7"`},
	} {
		t.Run(c.proves, func(t *testing.T) {
			node := guarded(t, func(n *config.Config) {
				withKey(n)
				n.Backend.Connect, n.Backend.Secret, n.Backend.Timeout = url, hookSecret, 30*time.Second
			})
			client := dial(t, node, "/connect?"+strings.TrimSuffix("token="+c.first, "token="))
			say(t, client, "", "welcome")
			if got := say(t, client, `{"type":"authenticate","token":"`+c.then+`","id":1}`, `"id":1`); !strings.Contains(got, c.want) {
				t.Fatal(got)
			}
			published := `"code":"not_allowed"`
			if c.then == ann {
				published = `"published"`
				until(t, node, "/api/v1/users/customer-7/sessions", `"name":"Ann"`)
				until(t, node, "/api/v1/channels", `"customer:7"`)
			}
			if got := say(t, client, `{"type":"publish","channel":"own:1","data":"x","id":2}`, `"id":2`); !strings.Contains(got, published) {
				t.Errorf("where the backend lets it: %s", got)
			}
			if got := say(t, client, `{"type":"publish","channel":"news","data":"x","id":3}`, `"id":3`); !strings.Contains(got, `"code":"not_allowed"`) {
				t.Errorf("where only the token lets it: %s", got)
			}
		})
	}
}

func TestTheBackendIsShownTheSameAgainWithTheNewToken(t *testing.T) {
	asked := make(chan *backend.Request, 10)
	url := answering(t, func(r *backend.Request) answer {
		asked <- r
		return answer{"allow": true}
	})
	node := guarded(t, func(c *config.Config) {
		c.Backend.Connect, c.Backend.Secret, c.Backend.Timeout = url, hookSecret, 30*time.Second
		c.Backend.ConnectHeaders, c.Backend.ConnectCookies = []string{"Accept-Language", "Authorization"}, []string{"login"}
	})
	first, then := mint(t, time.Hour), mint(t, 2*time.Hour)
	client, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/connect", node.Addr()), &websocket.DialOptions{Header: http.Header{
		"Cookie": {"other=1; login=ann"}, "Accept-Language": {"de"}, "X-Other": {"x"}, "Authorization": {"Bearer " + first}}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseNow()
	say(t, client, `{"type":"authenticate","token":"`+then+`","id":1}`, `"authenticated"`)
	before, after := next(t, asked), next(t, asked)
	for _, c := range []struct {
		asked *backend.Request
		token string
	}{{before, first}, {after, then}} {
		r := c.asked
		if r.Session != before.Session || r.User != "ann" || r.Remote != "127.0.0.1" || r.Protocol != "native" || len(r.Cookies) != 1 ||
			r.Cookies["login"] != "ann" || len(r.Headers) != 2 || r.Headers["Accept-Language"] != "de" || r.Headers["Authorization"] != "Bearer "+c.token {
			t.Errorf("%+v", r)
		}
	}
}

func TestForeignPagesAndPlainRequestsDoNotReachTheBackend(t *testing.T) {
	asked := make(chan *backend.Request, 10)
	url := answering(t, func(r *backend.Request) answer {
		asked <- r
		return answer{"allow": true}
	})
	node := start(t, changed(func(c *config.Config) {
		c.Backend.Connect, c.Backend.Secret, c.Backend.Timeout, c.Backend.ConnectCookies = url, hookSecret, 30*time.Second, []string{"login"}
	}))
	for _, path := range []string{"/connect", "/channels/news"} {
		_, response, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s%s", node.Addr(), path),
			&websocket.DialOptions{Header: http.Header{"Origin": {"https://evil.example"}, "Cookie": {"login=victim"}}})
		if err == nil || response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: a foreign page is not refused: %v", path, err)
		}
		r, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://%s%s", node.Addr(), path), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Sec-WebSocket-Version", "7")
		if response, err = http.DefaultClient.Do(r); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("%s: a handshake of another version: %s", path, response.Status)
		}
	}
	if r := request(t, node, "GET", "/connect", "", ""); r.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("no handshake: %s", r.Status)
	}
	if len(asked) != 0 {
		t.Errorf("the backend was asked: %+v", <-asked)
	}
}

func TestTheBackendIsNotToldOfClientsThatNeverWereThere(t *testing.T) {
	h := newHouse(t)
	c := h.with("disconnect")
	c.Limits.Connections = 1
	node := start(t, c)
	first := dial(t, node, "/connect?user=ann")
	if _, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/connect?user=bob", node.Addr()), nil); err == nil {
		t.Fatal("there was room for two")
	}
	first.Close(websocket.StatusNormalClosure, "")
	if gone := next(t, h.gone); gone.User != "ann" {
		t.Errorf("told of %+v", gone)
	}
}

func TestASubprotocolIsChosenBesideAToken(t *testing.T) {
	node := guarded(t, nil)
	token := mint(t, time.Hour)
	for _, c := range []struct {
		path  string
		offer []string
		want  string
	}{
		{"/connect", []string{"bearer", token}, "bearer"},
		{"/connect", []string{"bearer", token, "ringdown.v1.json"}, "ringdown.v1.json"},
		{"/connect", []string{"ringdown.token." + token, "ringdown.v1.json"}, "ringdown.v1.json"},
		{"/channels/news", []string{"bearer", token}, "bearer"},
		{"/channels/news", []string{"ringdown.raw", "ringdown.token." + token}, "ringdown.raw"},
		{"/channels/news", nil, ""},
	} {
		client, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s%s", node.Addr(), c.path), &websocket.DialOptions{Subprotocols: c.offer})
		if err != nil {
			t.Errorf("%s %.15q: %v", c.path, c.offer, err)
			continue
		}
		if got := client.Subprotocol(); got != c.want {
			t.Errorf("%s %.15q: %q is chosen", c.path, c.offer, got)
		}
		client.CloseNow()
	}
}
