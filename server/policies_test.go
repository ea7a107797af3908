// Crossing the policies of a node: what its configuration says of channels and of tokens.

package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
)

// ruled is a node with one rule for all channels, which knows tokens.
func ruled(t *testing.T, change func(*config.Rule)) *server.Server {
	t.Helper()
	return guarded(t, func(c *config.Config) {
		withKey(c)
		rule := config.Rule{Pattern: "*", Subscribe: "everyone", Publish: "everyone", Slow: "disconnect", Backlog: 1 << 10}
		change(&rule)
		c.Rules = []config.Rule{rule}
	})
}

func TestARuleSaysWhoMaySubscribeAndPublish(t *testing.T) {
	token := mint(t, time.Hour)
	for _, c := range []struct {
		who             string
		anonymous, user int
	}{{"everyone", 200, 200}, {"users", 403, 200}, {"server", 403, 403}} {
		node := ruled(t, func(r *config.Rule) { r.Subscribe, r.Publish = c.who, c.who })
		for shown, want := range map[string]int{"": c.anonymous, token: c.user} {
			if response := request(t, node, "GET", "/channels/lobby", shown, ""); response.StatusCode != want {
				t.Errorf("%s may subscribe, with a token %v: %s", c.who, shown != "", response.Status)
			}
			if want == 200 {
				want = 201
			}
			if response := request(t, node, "POST", "/channels/lobby", shown, "hello"); response.StatusCode != want {
				t.Errorf("%s may publish, with a token %v: %s", c.who, shown != "", response.Status)
			}
		}
	}
}

func TestHistoryEndsAtItsCount(t *testing.T) {
	node := ruled(t, func(r *config.Rule) { r.History.Count = 2 })
	for n := range 3 {
		request(t, node, "POST", "/channels/lobby", "", fmt.Sprint("number ", n))
	}
	kept, _ := io.ReadAll(request(t, node, "GET", "/channels/lobby", "", "").Body)
	if strings.Contains(string(kept), "number 0") || strings.Count(string(kept), "number ") != 2 {
		t.Errorf("kept is %s", kept)
	}
}

func TestHistoryEndsAtItsAge(t *testing.T) {
	node := ruled(t, func(r *config.Rule) { r.History.Count, r.History.Age = 10, soon })
	request(t, node, "POST", "/channels/lobby", "", "hello")
	for deadline := time.Now().Add(never); ; time.Sleep(soon / 5) {
		kept, _ := io.ReadAll(request(t, node, "GET", "/channels/lobby", "", "").Body)
		if !strings.Contains(string(kept), "hello") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("kept is %s", kept)
		}
	}
}

func TestTheLastPublicationIsToldWhereTheRuleSaysSo(t *testing.T) {
	node := ruled(t, func(r *config.Rule) { r.Last = true })
	request(t, node, "POST", "/channels/lobby", "", "hello")
	say(t, dial(t, node, "/channels/lobby"), "", "hello")
}

func TestPresenceIsRefusedWithoutARule(t *testing.T) {
	for presence, want := range map[bool]string{true: `"subscribed"`, false: `"no_presence"`} {
		native := dial(t, ruled(t, func(r *config.Rule) { r.Presence = presence }), "/connect")
		say(t, native, `{"type":"subscribe","channel":"lobby","presence":true,"id":1}`, want)
	}
}

func TestASlowSubscriberLosesWhatItsRuleSays(t *testing.T) {
	t.Parallel()
	for policy, metric := range map[string]string{
		"disconnect": `ringdown_disconnects_total{code="slow_consumer"} `, "drop_oldest": `ringdown_drops_total{policy="drop_oldest"} `,
		"conflate": `ringdown_drops_total{policy="conflate"} `,
	} {
		t.Run(policy, func(t *testing.T) {
			node := ruled(t, func(r *config.Rule) { r.Slow = policy })
			conn := connect(t, node)
			io.WriteString(conn, "GET /channels/lobby HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
			until(t, node, "/api/v1/channels", `"lobby"`)
			payload := strings.Repeat("x", 60<<10)
			for deadline := time.Now().Add(never); time.Now().Before(deadline); {
				for range 20 {
					ask(t, node, 201, "POST", "/api/v1/publish", apiKey, `{"channel":"lobby","data":"`+payload+`"}`)
				}
				metrics := ask(t, node, 200, "GET", "/metrics", apiKey, "")
				if strings.Contains(metrics, metric) && !strings.Contains(metrics, metric+"0\n") {
					return
				}
			}
			t.Errorf("who reads nothing loses nothing: no %s", metric)
		})
	}
}

func TestAPayloadLongerThanItsRuleIsRefused(t *testing.T) {
	node := ruled(t, func(r *config.Rule) { r.MaxPayload = 4 })
	if response := request(t, node, "POST", "/channels/lobby", "", "hello"); response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %s", response.Status)
	}
}

func TestTokensKeepToWhatTheNodeAsks(t *testing.T) {
	key, err := auth.NewSigningKey("", []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	minted := func(change func(*auth.Claims)) string {
		c := auth.Claims{User: "ann", IssuedAt: now.Add(-time.Minute), Expires: now.Add(time.Hour)}
		if change != nil {
			change(&c)
		}
		token, err := auth.Mint(&c, key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	past := func(c *auth.Claims) { c.Expires = now.Add(-20 * time.Second) }
	for _, c := range []struct {
		proves string
		asks   func(*config.Auth)
		claims func(*auth.Claims)
		where  string
		want   int
	}{
		{"no token", func(a *config.Auth) { a.Anonymous = false }, nil, "", 401},
		{"another issuer", func(a *config.Auth) { a.Issuer = "us" }, func(c *auth.Claims) { c.Issuer = "them" }, "header", 401},
		{"the issuer", func(a *config.Auth) { a.Issuer = "us" }, func(c *auth.Claims) { c.Issuer = "us" }, "header", 200},
		{"another audience", func(a *config.Auth) { a.Audience = "us" }, func(c *auth.Claims) { c.Audience = []string{"them"} }, "header", 401},
		{"the audience", func(a *config.Auth) { a.Audience = "us" }, func(c *auth.Claims) { c.Audience = []string{"us"} }, "header", 200},
		{"past its end", func(a *config.Auth) { a.Leeway = 0 }, past, "header", 401},
		{"past its end, within the leeway", func(a *config.Auth) { a.Leeway = time.Hour }, past, "header", 200},
		{"a life too long", func(a *config.Auth) { a.MaxTTL = time.Minute }, nil, "header", 401},
		{"a life not too long", func(a *config.Auth) { a.MaxTTL = 2 * time.Hour }, nil, "header", 200},
		{"in a cookie that is not looked at", nil, nil, "cookie", 401},
		{"in the cookie", func(a *config.Auth) { a.Cookie = "login" }, nil, "cookie", 200},
		{"in the query", nil, nil, "query", 200},
		{"in a query that is not looked at", func(a *config.Auth) { a.Query = "" }, nil, "query", 401},
	} {
		t.Run(c.proves, func(t *testing.T) {
			node := guarded(t, func(n *config.Config) {
				n.Auth.Anonymous = false
				if c.asks != nil {
					c.asks(&n.Auth)
				}
			})
			r, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://%s/channels/lobby", node.Addr()), nil)
			if err != nil {
				t.Fatal(err)
			}
			switch token := minted(c.claims); c.where {
			case "header":
				r.Header.Set("Authorization", "Bearer "+token)
			case "cookie":
				r.Header.Set("Cookie", "login="+token)
			case "query":
				r.URL.RawQuery = "token=" + token
			}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != c.want {
				said, _ := io.ReadAll(response.Body)
				t.Errorf("answered %s: %s", response.Status, said)
			}
		})
	}
}
