package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
)

// shows waits until the metrics of a node hold each line.
func shows(t *testing.T, node *server.Server, lines ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, line := range lines {
		for shown := ""; !strings.Contains(shown, "\n"+line); {
			if _, shown = answerOf(t, node.Addr(), "GET", "/metrics", "", ""); ctx.Err() != nil {
				t.Fatalf("%s is not shown in half a minute:\n%s", line, shown)
			}
		}
	}
}

func TestWhatANodeAsksItsBackendIsCounted(t *testing.T) {
	h := newHouse(t)
	c := traced(h.with("subscribe publish disconnect events"), collect(t))
	c.Limits.Session.Messages = 1
	node := start(t, c)
	native := dial(t, node, "/connect?user=ann")
	say(t, native, `{"type":"subscribe","channel":"room","id":1}`, `"subscribed"`)
	say(t, native, `{"type":"ping","id":2}`, `"id":2`)
	for refused := ""; !strings.Contains(refused, "rate_limited"); {
		refused = say(t, native, `{"type":"ping","id":3}`, `{`)
	}
	fetch(t, node, "POST", "/channels/club", "*/*", "hello")
	for range 2 { // occupied, joined
		next(t, h.told)
	}
	native.CloseNow()
	next(t, h.gone)
	shows(t, node,
		`ringdown_hook_seconds_count{hook="subscribe",outcome="allowed"} 1`,
		`ringdown_hook_seconds_count{hook="publish",outcome="denied"} 1`,
		`ringdown_hook_seconds_count{hook="disconnect",outcome="allowed"} 1`,
		`ringdown_hook_breakers{state="closed"} 3`,
		`ringdown_hook_requests{stage="waiting"} 0`,
		`ringdown_events_delivered_total 4`,
		`ringdown_events_waiting 0`,
		`ringdown_events_lost_total 0`,
		`ringdown_limited_total{limit="session.messages"} `,
		`ringdown_trace_spans_total 6`, // of three hooks and an attempt of each
	)
}

func TestABackendThatFailsIsSeenToBeLeftAlone(t *testing.T) {
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	defer failing.Close()
	c := (&house{url: failing.URL}).with("publish")
	c.Backend.Retries = 0
	node := start(t, c)
	for range 20 {
		fetch(t, node, "POST", "/channels/lobby", "*/*", "hello")
	}
	shows(t, node,
		`ringdown_hook_breakers{state="open"} 1`,
		`ringdown_hook_seconds_count{hook="publish",outcome="failed"} 10`,
		`ringdown_hook_seconds_count{hook="publish",outcome="skipped"} 10`,
	)
}

func TestMetricsAreNotForEverybody(t *testing.T) {
	const publisher, bound = "a-key-that-may-only-publish-things", "a-key-that-is-bound-to-one-channel"
	keys := func(c *config.Config) {
		withKey(c)
		c.API.Keys = append(c.API.Keys, config.APIKey{Name: "publisher", Secret: publisher, Rights: []string{"publish"}},
			config.APIKey{Name: "bound", Secret: bound, Rights: []string{"read"}, Channels: []string{"news"}})
	}
	proxied := func(c *config.Config) { keys(c); c.Listen.TrustedProxies = []string{"127.0.0.1"} }
	public := func(c *config.Config) { proxied(c); c.Metrics.Public = true }
	stranger := http.Header{"X-Forwarded-For": {"192.0.2.1"}}
	bearer := func(key string) http.Header {
		return http.Header{"X-Forwarded-For": {"192.0.2.1"}, "Authorization": {"Bearer " + key}}
	}
	for _, c := range []struct {
		proves string
		change func(*config.Config)
		host   string
		header http.Header
		status int
	}{
		{"this machine", keys, "", nil, 200},
		{"this machine by name", keys, "localhost", nil, 200},
		{"a name that an attacker has let point here", keys, "evil.example", nil, 401},
		{"a page of another site", keys, "", http.Header{"Origin": {"https://evil.example"}}, 403},
		{"a page that sends no origin", keys, "", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"a stranger through a proxy that is not trusted", keys, "", stranger, 401},
		{"through one that says so otherwise", keys, "", http.Header{"Forwarded": {"for=192.0.2.1"}}, 401},
		{"a stranger through a proxy", proxied, "", stranger, 401},
		{"a stranger who says that he is here", proxied, "", http.Header{"X-Forwarded-For": {"127.0.0.1, 192.0.2.1"}}, 401},
		{"a stranger with a key", proxied, "", bearer(apiKey), 200},
		{"with none of ours", proxied, "", bearer("none-of-the-keys-of-this-very-node"), 401},
		{"with one that may not read", proxied, "", bearer(publisher), 403},
		{"with one that is bound", proxied, "", bearer(bound), 403},
		{"a stranger where there are no keys", func(*config.Config) {}, "", stranger, 401},
		{"a stranger where it is public", public, "", stranger, 200},
	} {
		node := start(t, changed(c.change))
		r, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://%s/metrics", node.Addr()), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		if c.header != nil {
			r.Header = c.header
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if shown := strings.Contains(string(body), "ringdown_sessions"); response.StatusCode != c.status || shown != (c.status == 200) {
			t.Errorf("%s: %d, want %d; shown: %v", c.proves, response.StatusCode, c.status, shown)
		}
	}
}
