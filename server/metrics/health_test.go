package metrics_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ringdown/ringdown/server/metrics"
)

func TestReadyTellsWhyNotInWordsAndInJSON(t *testing.T) {
	fine := metrics.Check{Name: "keys", Ready: func(context.Context) error { return nil }}
	broken := metrics.Check{Name: "broker", Ready: func(context.Context) error { return errors.New("the broker does not answer") }}
	hangs := metrics.Check{Name: "slow", Ready: func(ctx context.Context) error { <-ctx.Done(); return nil }}
	for _, c := range []struct {
		name    string
		checks  []metrics.Check
		status  int
		text    string
		reasons map[string]string
	}{
		{"without checks", nil, 200, "ok\n", nil},
		{"all pass", []metrics.Check{fine}, 200, "ok\n", nil},
		{"one fails", []metrics.Check{fine, broken}, 503, "not ready\nbroker: the broker does not answer\n", map[string]string{"broker": "the broker does not answer"}},
	} {
		h := &metrics.Health{Checks: c.checks}
		w := httptest.NewRecorder()
		h.Ready(w, httptest.NewRequest("GET", "/readyz", nil))
		if w.Code != c.status || w.Body.String() != c.text {
			t.Errorf("%s: %d %q", c.name, w.Code, w.Body)
		}
		r := httptest.NewRequest("GET", "/readyz", nil)
		r.Header.Set("Accept", "application/json")
		w = httptest.NewRecorder()
		h.Ready(w, r)
		var got struct {
			Ready   bool
			Reasons map[string]string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != c.status || got.Ready != (c.status == 200) || len(got.Reasons) != len(c.reasons) {
			t.Errorf("%s: %d %s %v", c.name, w.Code, w.Body, err)
		}
		w = httptest.NewRecorder()
		if h.Live(w, httptest.NewRequest("GET", "/livez", nil)); w.Code != 200 || w.Body.String() != "ok\n" {
			t.Errorf("%s: the node lives, but answers %d %q", c.name, w.Code, w.Body)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		reasons := (&metrics.Health{Checks: []metrics.Check{hangs, broken}}).Reasons(t.Context())
		if len(reasons) != 2 || !strings.Contains(reasons["slow"], "2s") {
			t.Errorf("%v", reasons)
		}
	})
	w := httptest.NewRecorder()
	if (&metrics.Health{}).Ready(w, httptest.NewRequest("POST", "/readyz", nil)); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}
