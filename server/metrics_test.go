package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
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
