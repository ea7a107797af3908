package backend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/backend"
)

// lodge is a service that answers connect, counts how often, and gives each session a name of its own.
func lodge(asked *atomic.Int32, more string) http.RoundTripper {
	return trip(func(r *http.Request) (*http.Response, error) {
		var q backend.Request
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			return nil, err
		}
		n := asked.Add(1)
		return answered(fmt.Sprintf(`{"allow":true,"user":"guest %d of %s"%s}`, n, q.Cookies["login"], more)), nil
	})
}

// reusing are hooks that use answers of a service again for five seconds.
func reusing(t *testing.T, service http.RoundTripper, fail bool) *backend.Hooks {
	o := allHooks("http://127.0.0.1:1/", backend.HookOptions{FailOpen: fail, Retries: -1})
	delete(o.Hooks, backend.Call)
	delete(o.Hooks, backend.Disconnect)
	o.ConnectCookies, o.ConnectHeaders, o.ConnectReuse = []string{"login"}, []string{"Accept-Language", "Authorization"}, 5*time.Second
	o.Wrap = func(http.RoundTripper) http.RoundTripper { return service }
	return start(t, o)
}

// visit asks about a client that polls.
func visit(t *testing.T, h *backend.Hooks, change func(*backend.ConnectRequest)) backend.ConnectDecision {
	t.Helper()
	r := backend.ConnectRequest{Client: backend.Client{Session: fmt.Sprint(time.Now().UnixNano()), Remote: "192.0.2.7", Protocol: "json"},
		Header: http.Header{"Cookie": {"login=ann"}}, Passing: true}
	if change != nil {
		change(&r)
	}
	d, err := h.Connect(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAnAnswerServesTheSameClientForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		h := reusing(t, lodge(&asked, ""), false)
		first := visit(t, h, nil)
		time.Sleep(4 * time.Second)
		if again := visit(t, h, nil); again.User != first.User || asked.Load() != 1 {
			t.Errorf("%q, then %q; asked %d times", first.User, again.User, asked.Load())
		}
		time.Sleep(time.Second)
		if visit(t, h, nil); asked.Load() != 2 {
			t.Errorf("after five seconds asked %d times in all", asked.Load())
		}
		h.Forget()
		if visit(t, h, nil); asked.Load() != 3 {
			t.Error("an answer outlived a revocation")
		}
	})
}

func TestAnAnswerServesNobodyElse(t *testing.T) {
	for name, other := range map[string]func(*backend.ConnectRequest){
		"another cookie":            func(r *backend.ConnectRequest) { r.Header = http.Header{"Cookie": {"login=bob"}} },
		"no cookie":                 func(r *backend.ConnectRequest) { r.Header = nil },
		"another told header":       func(r *backend.ConnectRequest) { r.Header.Set("Accept-Language", "de") },
		"another address":           func(r *backend.ConnectRequest) { r.Remote = "192.0.2.8" },
		"another protocol":          func(r *backend.ConnectRequest) { r.Protocol = "post" },
		"a user by token":           func(r *backend.ConnectRequest) { r.User = "ann" },
		"other info of a token":     func(r *backend.ConnectRequest) { r.Info = []byte(`{}`) },
		"a session that stays":      func(r *backend.ConnectRequest) { r.Passing = false },
		"a word that moves a field": func(r *backend.ConnectRequest) { r.Remote, r.Protocol = "192.0.2.7json", "" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				h := reusing(t, lodge(&asked, ""), false)
				visit(t, h, nil)
				if visit(t, h, other); asked.Load() != 2 {
					t.Error("it was given the answer of the first")
				}
			})
		})
	}
}

func TestWhoShowsNothingIsAskedAboutEachTime(t *testing.T) {
	for _, c := range []struct {
		shows string
		show  func(*backend.ConnectRequest)
		want  int32
	}{
		{"nothing", func(r *backend.ConnectRequest) { r.Header = nil }, 2},
		{"a language", func(r *backend.ConnectRequest) { r.Header = http.Header{"Accept-Language": {"de"}} }, 2},
		{"a cookie that the service is not told", func(r *backend.ConnectRequest) { r.Header = http.Header{"Cookie": {"theme=dark"}} }, 2},
		{"a token", func(r *backend.ConnectRequest) { r.Header, r.User = nil, "ann" }, 1},
		{"an Authorization header", func(r *backend.ConnectRequest) { r.Header = http.Header{"Authorization": {"Bearer x"}} }, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked atomic.Int32
			h := reusing(t, lodge(&asked, ""), false)
			visit(t, h, c.show)
			if visit(t, h, c.show); asked.Load() != c.want {
				t.Errorf("%s: asked %d times, want %d", c.shows, asked.Load(), c.want)
			}
		})
	}
}

func TestAnAnswerIsNotUsedBeyondTheLifeItGave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		h := reusing(t, lodge(&asked, `,"expires_in":3`), false)
		visit(t, h, nil)
		time.Sleep(2 * time.Second)
		if left := visit(t, h, nil).Lifetime; left != time.Second || asked.Load() != 1 {
			t.Errorf("%v are left; asked %d times", left, asked.Load())
		}
		time.Sleep(time.Second)
		if visit(t, h, nil); asked.Load() != 2 {
			t.Error("an answer was used beyond its life")
		}
	})
}

func TestNeitherDenialsNorWhatWasLetThroughUnaskedIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		down := true
		h := reusing(t, trip(func(*http.Request) (*http.Response, error) {
			if asked.Add(1); down {
				return nil, fmt.Errorf("nobody is there")
			}
			return answered(`{"allow":false}`), nil
		}), true)
		visit(t, h, nil)
		visit(t, h, nil)
		down = false
		for range 2 {
			if _, err := h.Connect(context.Background(), backend.ConnectRequest{Client: ann, Passing: true}); err == nil {
				t.Error("who was denied is let in")
			}
		}
		if asked.Load() != 4 {
			t.Errorf("asked %d times, want 4", asked.Load())
		}
	})
}

// trip is a service without a network.
type trip func(*http.Request) (*http.Response, error)

func (t trip) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func answered(body string) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}
