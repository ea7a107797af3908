package backend_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/backend"
)

func TestFailOpenAllowsOnlyWhatCouldNotBeAsked(t *testing.T) {
	for answer, want := range map[string]error{"": nil, `{"allow":false}`: backend.ErrDenied, `{"allow":fals}`: backend.ErrInvalidAnswer} {
		o := allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) {
			if answer == "" {
				w.WriteHeader(500)
			}
			io.WriteString(w, answer)
		}).URL, backend.HookOptions{Timeout: patient, FailOpen: true})
		delete(o.Hooks, backend.Call)
		h := start(t, o)
		if err := subscribe(h); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%q: %v", answer, err)
		}
		if _, err := h.Call(t.Context(), backend.CallRequest{}); !errors.Is(err, backend.ErrDenied) || err.(*backend.Error).Code != "unknown_method" {
			t.Errorf("a call that nobody answers: %v", err)
		}
	}
}

// endpoint is how it stands with a hook.
func endpoint(h *backend.Hooks, hook backend.Hook) backend.Endpoint {
	all := h.Endpoints()
	return all[slices.IndexFunc(all, func(e backend.Endpoint) bool { return e.Hook == hook })]
}

func TestAFailingServiceIsLeftAloneAndTriedAgain(t *testing.T) {
	var broken atomic.Bool
	var requests atomic.Int32
	broken.Store(true)
	o := allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if broken.Load() {
			w.WriteHeader(500)
		}
		io.WriteString(w, `{"allow":true}`)
	}).URL, backend.HookOptions{Timeout: patient, Retries: -1})
	o.Rest = 50 * time.Millisecond
	h := start(t, o)
	for endpoint(h, backend.Publish).State != backend.Open {
		publish(h)
	}
	for range 100 {
		publish(h)
	}
	if err := publish(h); !errors.Is(err, backend.ErrUnavailable) {
		t.Error(err)
	}
	broken.Store(false)
	for deadline := time.Now().Add(patient); publish(h) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never tried again")
		}
	}
	if s := endpoint(h, backend.Publish); s.State != backend.Closed || s.UnderWay != 0 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAnOpenBreakerAsksNobody(t *testing.T) {
	var requests atomic.Int32
	o := allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) { requests.Add(1); w.WriteHeader(500) }).URL, backend.HookOptions{Timeout: patient, Retries: -1})
	o.Rest = time.Hour
	h := start(t, o)
	for endpoint(h, backend.Publish).State != backend.Open {
		publish(h)
	}
	before := requests.Load()
	for range 100 {
		if err := publish(h); !errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), "failed too often") {
			t.Fatal(err)
		}
	}
	if requests.Load() != before {
		t.Errorf("%d requests came", requests.Load()-before)
	}
}

func TestNoMoreAskAtOnceThanMay(t *testing.T) {
	var now, most atomic.Int32
	release := make(chan struct{})
	o := allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) {
		for n := now.Add(1); ; {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		<-release
		now.Add(-1)
		io.WriteString(w, `{"allow":true}`)
	}).URL, backend.HookOptions{Timeout: patient})
	o.MaxConcurrent, o.MaxQueue = 3, 5
	h := start(t, o)
	errs := make(chan error, 20)
	for range 20 {
		go func() { errs <- subscribe(h) }()
	}
	for range 12 { // 3 are under way, 5 wait
		if err := <-errs; !errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), "raise MaxConcurrent") {
			t.Error(err)
		}
	}
	close(release)
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if most.Load() > 3 {
		t.Errorf("%d at once", most.Load())
	}
}

func TestWhoeverAsksMayGiveUp(t *testing.T) {
	arrived := make(chan struct{})
	h := start(t, allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) { close(arrived); <-r.Context().Done() }).URL, backend.HookOptions{Timeout: patient, FailOpen: false}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if err := h.Subscribe(ctx, backend.SubscribeRequest{Client: ann}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestHTTPSIsVerified(t *testing.T) {
	s := httptest.NewUnstartedServer(checked(t, say(200, `{"allow":true}`)))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	defer s.Close()
	o := allHooks(s.URL, backend.HookOptions{Timeout: patient, Retries: -1})
	if err := subscribe(start(t, o)); !errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Error("with an unknown certificate:", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	o.TLS = &tls.Config{RootCAs: roots}
	if err := subscribe(start(t, o)); err != nil {
		t.Error(err)
	}
}

func TestDisconnectsAreToldWhileNobodyWaits(t *testing.T) {
	var told atomic.Int32
	var first sync.Once
	release := make(chan struct{})
	h := start(t, allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		status := 204
		first.Do(func() { status = 500 }) // one is repeated
		if status == 204 {
			told.Add(1)
		}
		w.WriteHeader(status)
	}).URL, backend.HookOptions{Timeout: patient}))
	for range 100 {
		if err := h.Disconnect(t.Context(), backend.DisconnectRequest{Client: ann, Code: "slow_consumer", Reason: "it read too slowly"}); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	if err := h.Close(ctx); err != nil || told.Load() != 100 {
		t.Errorf("%d were told before Close returned; %v", told.Load(), err)
	}
	if err := h.Disconnect(t.Context(), backend.DisconnectRequest{}); !errors.Is(err, backend.ErrUnavailable) {
		t.Error("after Close:", err)
	}
	if err := subscribe(h); !errors.Is(err, backend.ErrUnavailable) {
		t.Error("after Close:", err)
	}
}

func TestNoticesAreBoundedAndCloseDoesNotWaitForEver(t *testing.T) {
	o := allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }).URL, backend.HookOptions{Timeout: patient})
	o.MaxNotices = 5
	h := start(t, o)
	dropped := 0
	for range 50 {
		if h.Disconnect(t.Context(), backend.DisconnectRequest{Client: ann}) != nil {
			dropped++
		}
	}
	if dropped < 50-5-8 {
		t.Errorf("%d were dropped", dropped)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAHookThatIsNotConfiguredAllows(t *testing.T) {
	h := start(t, backend.HooksOptions{Secrets: []backend.Secret{secret}})
	_, connect := h.Connect(t.Context(), backend.ConnectRequest{})
	if err := errors.Join(connect, subscribe(h), publish(h), h.Disconnect(t.Context(), backend.DisconnectRequest{})); err != nil || h.Asks(backend.Connect) {
		t.Error(err)
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	one := func(hook backend.Hook, o backend.HookOptions) map[backend.Hook]backend.HookOptions {
		return map[backend.Hook]backend.HookOptions{hook: o}
	}
	secrets := []backend.Secret{secret}
	for want, o := range map[string]backend.HooksOptions{
		"no secret":                          {},
		"has 5 bytes":                        {Secrets: []backend.Secret{"short"}},
		"MaxAnswer is negative":              {Secrets: secrets, MaxAnswer: -1},
		`no hook "conect"`:                   {Secrets: secrets, URL: "http://a", Hooks: one("conect", backend.HookOptions{})},
		"cannot fail open":                   {Secrets: secrets, URL: "http://a", Hooks: one(backend.Call, backend.HookOptions{FailOpen: true})},
		"time-out of call is negative":       {Secrets: secrets, URL: "http://a", Hooks: one(backend.Call, backend.HookOptions{Timeout: -1})},
		"none of http or https":              {Secrets: secrets, URL: "ftp://a", Hooks: one(backend.Call, backend.HookOptions{})},
		"the call hook: backend: the URL is": {Secrets: secrets, Hooks: one(backend.Call, backend.HookOptions{})},
		"a user or a password":               {Secrets: secrets, URL: "http://u:p@a", Hooks: one(backend.Call, backend.HookOptions{})},
		"a fragment":                         {Secrets: secrets, URL: "http://a#b", Hooks: one(backend.Call, backend.HookOptions{})},
	} {
		if _, err := backend.NewHooks(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
