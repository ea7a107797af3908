package backend_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/backend"
)

// patient is a time-out that no test is meant to meet.
const patient = 30 * time.Second

// serve is a service on loopback whose requests are all signed.
func serve(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(checked(t, answer))
	t.Cleanup(s.Close)
	return s
}

func checked(t *testing.T, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := backend.Verify(r, []backend.Secret{secret}, 0); err != nil {
			t.Error(err)
		}
		answer(w, r)
	}
}

func say(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// allHooks asks a URL about everything.
func allHooks(url string, o backend.HookOptions) backend.HooksOptions {
	options := backend.HooksOptions{URL: url, Secrets: []backend.Secret{secret}, Log: slog.New(slog.DiscardHandler), Hooks: map[backend.Hook]backend.HookOptions{}}
	for _, hook := range backend.AllHooks() {
		options.Hooks[hook] = o
	}
	return options
}

func start(t *testing.T, o backend.HooksOptions) *backend.Hooks {
	t.Helper()
	h, err := backend.NewHooks(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patient)
		defer cancel()
		h.Close(ctx)
	})
	return h
}

var ann = backend.Client{Session: "s1", User: "ann", Remote: "192.0.2.7", Protocol: "native"}

func subscribe(h *backend.Hooks) error {
	return h.Subscribe(context.Background(), backend.SubscribeRequest{Client: ann, Channel: "chat:lobby"})
}

func publish(h *backend.Hooks) error {
	_, err := h.Publish(context.Background(), backend.PublishRequest{Client: ann, Channel: "chat:lobby", Data: backend.Payload{Bytes: []byte("sesame")}})
	return err
}

func TestWhatAServiceAnswersIsWhatIsDecided(t *testing.T) {
	answers := map[backend.Hook]string{
		backend.Connect:   `{"allow":true,"user":"bob","info":{"name":"Bob"},"channels":["news"],"expires_in":90,"grants":{"b":["publish"],"a:*":["subscribe","call"]}}`,
		backend.Subscribe: `{"allow":false,"code":"members_only","reason":"join the club first"}`,
		backend.Publish:   `{"allow":true,"data":"AAH/","encoding":"base64","event":"","key":"k"}`,
		backend.Call:      `{"result":{"a":1}}`,
	}
	h := start(t, allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) {
		var asked backend.Request
		json.NewDecoder(r.Body).Decode(&asked)
		io.WriteString(w, answers[asked.Hook])
	}).URL, backend.HookOptions{Timeout: patient}))
	ctx := t.Context()

	connect, err := h.Connect(ctx, backend.ConnectRequest{Client: ann})
	want := backend.ConnectDecision{User: "bob", Info: []byte(`{"name":"Bob"}`), Channels: []string{"news"}, Lifetime: 90 * time.Second,
		Grants: []backend.Grant{{Pattern: "a:*", Rights: []string{"subscribe", "call"}}, {Pattern: "b", Rights: []string{"publish"}}}}
	if err != nil || !reflect.DeepEqual(connect, want) {
		t.Errorf("connect: %+v, %v", connect, err)
	}
	e, ok := errors.AsType[*backend.Error](subscribe(h))
	if !ok || !errors.Is(e, backend.ErrDenied) || e.Code != "members_only" || e.Reason != "join the club first" {
		t.Errorf("subscribe: %v", e)
	}
	decision, err := h.Publish(ctx, backend.PublishRequest{Client: ann, Data: backend.Payload{Kind: backend.JSON, Bytes: []byte(`{"a":1}`)}})
	if err != nil || decision.Data == nil || decision.Data.Kind != backend.Binary || string(decision.Data.Bytes) != "\x00\x01\xff" || *decision.Event != "" || *decision.Key != "k" {
		t.Errorf("publish: %+v, %v", decision, err)
	}
	if _, err := h.Call(ctx, backend.CallRequest{Client: ann, Data: backend.Payload{Kind: backend.JSON, Bytes: []byte("{")}}); err == nil {
		t.Error("a payload that is not JSON was sent as it")
	}
	result, err := h.Call(ctx, backend.CallRequest{Client: ann, Method: "sum", Data: backend.Payload{Kind: backend.JSON, Bytes: []byte("[1]")}})
	if err != nil || result.Kind != backend.JSON || string(result.Bytes) != `{"a":1}` {
		t.Errorf("call: %+v, %v", result, err)
	}
}

func TestOnlyListedHeadersAndCookiesAreSent(t *testing.T) {
	got := make(chan backend.Request, 1)
	o := allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) {
		var asked backend.Request
		json.NewDecoder(r.Body).Decode(&asked)
		got <- asked
		io.WriteString(w, `{"allow":true}`)
	}).URL, backend.HookOptions{Timeout: patient})
	o.ConnectHeaders, o.ConnectCookies = []string{"accept-language", "Origin"}, []string{"sid"}
	header := http.Header{"Accept-Language": {"de", "en"}, "Authorization": {"Bearer x"}, "Cookie": {"sid=1; other=2"}}
	if _, err := start(t, o).Connect(t.Context(), backend.ConnectRequest{Client: ann, Header: header}); err != nil {
		t.Fatal(err)
	}
	asked := <-got
	if !reflect.DeepEqual(asked.Headers, map[string]string{"Accept-Language": "de, en"}) || !reflect.DeepEqual(asked.Cookies, map[string]string{"sid": "1"}) {
		t.Errorf("%+v", asked)
	}
}

func TestBadServicesDeny(t *testing.T) {
	hang := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	refusing, _ := net.Listen("tcp", "127.0.0.1:0")
	refusing.Close()
	cases := map[string]struct {
		answer   http.HandlerFunc
		kind     error
		says     string
		requests int32 // how often subscribe asks
	}{
		"refuses connections": {nil, backend.ErrUnavailable, "check that the service runs", 0},
		"500":                 {say(500, `{"allow":true}`), backend.ErrUnavailable, "status 500; look into the service's log", 3},
		"503":                 {say(503, ""), backend.ErrUnavailable, "too much to do", 3},
		"503 for long":        {func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Retry-After", "999"); w.WriteHeader(503) }, backend.ErrUnavailable, "too much to do", 1},
		"cuts the connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, backend.ErrUnavailable, "cannot be asked", 3},
		"redirects":           {http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect).ServeHTTP, backend.ErrInvalidAnswer, "not followed", 1},
		"401":                 {say(401, ""), backend.ErrInvalidAnswer, "same secret", 1},
		"403":                 {say(403, `{"allow":true}`), backend.ErrInvalidAnswer, "answer 200 with JSON, for a denial, too", 1},
		"404":                 {say(404, ""), backend.ErrInvalidAnswer, "status 404", 1},
		"nothing":             {say(200, ""), backend.ErrInvalidAnswer, "empty", 1},
		"204":                 {say(204, ""), backend.ErrInvalidAnswer, "empty", 1},
		"garbage":             {say(200, "<html>\x00"), backend.ErrInvalidAnswer, "not JSON", 1},
		"megabytes":           {say(200, `{"allow":true`+strings.Repeat(" ", 4<<20)+"}"), backend.ErrInvalidAnswer, "more than 262144 bytes", 1},
		"megabytes of header": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
			io.WriteString(w, `{"allow":true}`)
		}, backend.ErrUnavailable, "cannot be asked", 3},
		"cut short": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "99")
			io.WriteString(w, `{"allow":true}`)
		}, backend.ErrUnavailable, "cannot be asked", 3},
		"hangs": {hang, backend.ErrUnavailable, "did not answer in time", 2},
		"hangs amid its answer": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"allow":`)
			w.(http.Flusher).Flush()
			hang(w, r)
		}, backend.ErrUnavailable, "did not answer in time", 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			url, timeout := "http://"+refusing.Addr().String(), patient
			if c.answer != nil {
				url = serve(t, func(w http.ResponseWriter, r *http.Request) { requests.Add(1); c.answer(w, r) }).URL
			}
			if strings.HasPrefix(name, "hangs") {
				timeout = time.Second
			}
			var log lines
			o := allHooks(url+"/ask?token=hunter2", backend.HookOptions{Timeout: timeout})
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
			h := start(t, o)
			err := subscribe(h)
			e, ok := errors.AsType[*backend.Error](err)
			if !ok || !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) || e.Code != "unavailable" {
				t.Errorf("%v", err)
			}
			// A time-out may come while the last request is on its way.
			if n := requests.Load(); n != c.requests && !(timeout < patient && n >= 1 && n <= 3) {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
			publish(h)
			if said := log.String() + err.Error() + e.Reason; strings.Contains(said, "hunter2") || strings.Contains(said, "sesame") || strings.Contains(said, "horse") {
				t.Errorf("a secret, a query or a payload is told: %s", said)
			}
		})
	}
}

// lines is a log to look at.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}
func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.text.String() }

func TestARequestIsRepeatedOnlyWhereThatIsSafe(t *testing.T) {
	cases := map[string]struct {
		status     int
		repeatable bool
		ask        func(*backend.Hooks) error
		want       int32
	}{
		"a question":                             {500, false, subscribe, 3},
		"a publication that may have been taken": {500, false, publish, 1},
		"one that was not":                       {503, false, publish, 3},
		"one whose id is remembered":             {500, true, publish, 3},
	}
	for name, c := range cases {
		var requests atomic.Int32
		ids := make(chan string, 10)
		h := start(t, allHooks(serve(t, func(w http.ResponseWriter, r *http.Request) {
			var asked backend.Request
			json.NewDecoder(r.Body).Decode(&asked)
			ids <- asked.ID
			requests.Add(1)
			w.WriteHeader(c.status)
		}).URL, backend.HookOptions{Timeout: patient, Repeatable: c.repeatable}))
		c.ask(h)
		if got := requests.Load(); got != c.want {
			t.Errorf("%s: %d requests, want %d", name, got, c.want)
		}
		first := <-ids
		for range c.want - 1 {
			if id := <-ids; id != first {
				t.Errorf("%s: the id changed", name)
			}
		}
	}
}
