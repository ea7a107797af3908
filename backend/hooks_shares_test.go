// What calls, which clients make as often as they like, do to each other and to the other hooks of the same URL.

package backend_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/backend"
)

// callAs is a call of somebody.
func callAs(t *testing.T, h *backend.Hooks, who backend.Client) error {
	_, err := h.Call(t.Context(), backend.CallRequest{Client: who, Method: "slow"})
	return err
}

// connects asks what most wait for.
func connects(t *testing.T, h *backend.Hooks) error {
	_, err := h.Connect(t.Context(), backend.ConnectRequest{Client: ann})
	return err
}

func TestCallsThatFailShutNobodyElseOut(t *testing.T) {
	o := allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Ringdown-Hook") == string(backend.Call) {
			w.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(w, `{"allow":true}`)
	}).URL, backend.HookOptions{Timeout: patient, Retries: -1})
	o.Rest = time.Hour
	h := start(t, o)
	for endpoint(h, backend.Call).State != backend.Open {
		callAs(t, h, ann)
	}
	for range 20 {
		if err := errors.Join(connects(t, h), subscribe(h), publish(h)); err != nil {
			t.Fatal(err)
		}
	}
}

// slow is a service that answers calls only once they may go on, and tells of each that has come.
func slow(t *testing.T, change func(*backend.HooksOptions)) (h *backend.Hooks, arrived <-chan string, goOn chan struct{}) {
	came, free := make(chan string, 1000), make(chan struct{})
	o := allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Ringdown-Hook") != string(backend.Call) {
			io.WriteString(w, `{"allow":true}`)
			return
		}
		came <- r.Header.Get("Ringdown-Request")
		<-free
		io.WriteString(w, `{"result":1}`)
	}).URL, backend.HookOptions{Timeout: patient})
	change(&o)
	return start(t, o), came, free
}

func TestCallsTakeNoPlacesOfOtherHooks(t *testing.T) {
	h, arrived, goOn := slow(t, func(*backend.HooksOptions) {})
	answers := make(chan error, backend.DefaultMaxConcurrent)
	for i := range backend.DefaultMaxConcurrent {
		go func() { answers <- callAs(t, h, backend.Client{User: fmt.Sprint("user", i)}) }()
	}
	for range backend.DefaultMaxConcurrent {
		<-arrived
	}
	if err := connects(t, h); err != nil {
		t.Error(err)
	}
	close(goOn)
	for range backend.DefaultMaxConcurrent {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

func TestNobodyHasMoreThanHisShareOfCalls(t *testing.T) {
	nobody := func(session string) backend.Client { return backend.Client{Session: session} }
	for _, c := range []struct {
		proves              string
		caller, same, other backend.Client
	}{
		{"of a user", backend.Client{User: "ann", Session: "s1"}, backend.Client{User: "ann", Session: "s2"}, backend.Client{User: "bob", Session: "s3"}},
		{"of a session without a user", nobody("s1"), nobody("s1"), nobody("s2")},
	} {
		t.Run(c.proves, func(t *testing.T) {
			h, arrived, goOn := slow(t, func(o *backend.HooksOptions) { o.MaxCalls = 2 })
			answers := make(chan error, 3)
			for range 2 {
				go func() { answers <- callAs(t, h, c.caller) }()
				<-arrived
			}
			err := callAs(t, h, c.same)
			if e, ok := errors.AsType[*backend.Error](err); !ok || !errors.Is(err, backend.ErrNotAsked) || !errors.Is(err, backend.ErrUnavailable) ||
				!strings.Contains(err.Error(), "raise MaxCalls") || !strings.Contains(e.Reason, "2 calls of yours") {
				t.Errorf("one too many: %v", err)
			}
			go func() { answers <- callAs(t, h, c.other) }()
			<-arrived
			close(goOn)
			for range 3 {
				if err := <-answers; err != nil {
					t.Error(err)
				}
			}
			if err := callAs(t, h, c.same); err != nil {
				t.Errorf("once the others were answered: %v", err)
			}
		})
	}
}

func TestTheLogSaysWhyAHookRefused(t *testing.T) {
	for _, c := range []struct {
		proves string
		answer http.HandlerFunc
		says   string
	}{
		{"a field that is not known", say(200, `{"allow":true,"chanels":["a"]}`), "chanels"},
		{"a secret of another's", say(401, ""), "status 401"},
		{"a redirection", say(302, ""), "status 302"},
		{"the wrong path", say(404, ""), "status 404"},
		{"a page", say(200, "<html>"), "not JSON"},
		{"a service that is out of order", say(500, ""), "status 500"},
	} {
		var log bytes.Buffer
		o := allHooks(serve(t, c.answer).URL, backend.HookOptions{Timeout: patient, Retries: -1})
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		if err := connects(t, start(t, o)); err == nil {
			t.Errorf("%s: allowed", c.proves)
		}
		if got := log.String(); !strings.Contains(got, c.says) || !strings.Contains(got, "hook=connect") {
			t.Errorf("%s: the log says %q, not %q", c.proves, got, c.says)
		}
	}
}

func TestTheLogSaysNowAndThenThatAHookWasNotAsked(t *testing.T) {
	var log bytes.Buffer
	h, arrived, goOn := slow(t, func(o *backend.HooksOptions) {
		o.MaxCalls, o.Log = 1, slog.New(slog.NewTextHandler(&log, nil))
	})
	answered := make(chan error)
	go func() { answered <- callAs(t, h, ann) }()
	<-arrived
	const refused = 1000
	for range refused {
		callAs(t, h, ann)
	}
	close(goOn)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "raise MaxCalls"); n == 0 || n == refused {
		t.Errorf("%d lines for %d refusals", n, refused)
	}
}
