package server_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ringdown/ringdown/backend"
	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
)

// spans is a collector that takes OTLP over HTTP.
type spans struct {
	url string

	mu       sync.Mutex
	all      []*traces.Span
	resource map[string]string
	raw      bytes.Buffer // whatever came
}

func collect(t *testing.T) *spans {
	t.Helper()
	s := &spans{resource: map[string]string{}}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if unread := proto.Unmarshal(body, &request); err != nil || unread != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("the collector was sent what is no OTLP: %s %s: %v, %v", r.URL.Path, r.Header.Get("Content-Type"), err, unread)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.raw.Write(body)
		for _, of := range request.ResourceSpans {
			for _, a := range of.Resource.Attributes {
				s.resource[a.Key] = a.Value.GetStringValue()
			}
			for _, scope := range of.ScopeSpans {
				s.all = append(s.all, scope.Spans...)
			}
		}
	}))
	t.Cleanup(receiver.Close)
	s.url = receiver.URL
	return s
}

// named are the spans of a name, in the order in which they began. The node must have been shut down.
func (s *spans) named(name string) []*traces.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := slices.DeleteFunc(slices.Clone(s.all), func(span *traces.Span) bool { return span.Name != name })
	slices.SortFunc(found, func(a, b *traces.Span) int { return int(int64(a.StartTimeUnixNano) - int64(b.StartTimeUnixNano)) })
	return found
}

// attribute is one of a span's, in words; "" if it has none of that name.
func attribute(span *traces.Span, name string) string {
	for _, a := range span.Attributes {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			if a.Key == name {
				return v.StringValue
			}
		case *common.AnyValue_IntValue:
			if a.Key == name {
				return fmt.Sprint(v.IntValue)
			}
		}
	}
	return ""
}

// traced is a configuration with a collector and an API key.
func traced(c config.Config, to *spans) config.Config {
	withKey(&c)
	c.Tracing = config.Tracing{Endpoint: to.url, Ratio: 1, Service: "chat", Attributes: []string{"deployment.environment.name=test"}}
	return c
}

func stop(t *testing.T, node *server.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := node.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

const (
	traceOfCaller = "0af7651916cd43dd8448eb211c80319c"
	spanOfCaller  = "b7ad6b7169203331"
)

// callAPI publishes with a traceparent, and returns the status.
func callAPI(t *testing.T, node *server.Server, key, path, traceparent, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", fmt.Sprintf("http://%s%s", node.Addr(), path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Traceparent", traceparent)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func TestCallsOfTheAPIAreTracedAsPartOfTheirCallers(t *testing.T) {
	to := collect(t)
	node := start(t, traced(config.Default(), to))
	sampled := "00-" + traceOfCaller + "-" + spanOfCaller + "-01"
	body := `{"channel":"news","data":"hello"}`
	if status := callAPI(t, node, apiKey, "/api/v1/publish", sampled, body); status != http.StatusCreated {
		t.Errorf("published: %d", status)
	}
	callAPI(t, node, apiKey, "/api/v1/disconnect", "nonsense", `{"session":"nobody"}`)
	callAPI(t, node, strings.Repeat("x", 40), "/api/v1/publish", sampled, body)             // is nobody's key
	callAPI(t, node, apiKey, "/api/v1/publish", strings.TrimSuffix(sampled, "1")+"0", body) // the caller keeps no trace
	stop(t, node)

	published := to.named("POST /api/v1/publish")
	if len(published) != 1 {
		t.Fatalf("%d spans of publish", len(published))
	}
	span := published[0]
	if hex.EncodeToString(span.TraceId) != traceOfCaller || hex.EncodeToString(span.ParentSpanId) != spanOfCaller || span.Kind != traces.Span_SPAN_KIND_SERVER {
		t.Errorf("it is no part of its caller's trace: %v", span)
	}
	for name, want := range map[string]string{"http.request.method": "POST", "http.route": "/api/v1/publish", "http.response.status_code": "201", "ringdown.operation": "publish"} {
		if got := attribute(span, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if gone := to.named("POST /api/v1/disconnect"); len(gone) != 1 || len(gone[0].ParentSpanId) > 0 {
		t.Errorf("a call whose traceparent is none: %v", gone)
	}
	for name, want := range map[string]string{"service.name": "chat", "deployment.environment.name": "test"} {
		if to.resource[name] != want {
			t.Errorf("%s is %q, want %q", name, to.resource[name], want)
		}
	}
}

func TestHooksAreTracedWithTheirAttemptsAndTellTheBackend(t *testing.T) {
	t.Parallel()
	to := collect(t)
	told := make(chan string, 10) // traceparents
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told <- r.Header.Get("Traceparent")
		if _, err := backend.Verify(r, []backend.Secret{hookSecret}, 0); err != nil {
			t.Error(err)
		}
		if len(told) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // come again
			return
		}
		io.WriteString(w, `{"allow":false,"reason":"no"}`)
	}))
	defer service.Close()
	node := start(t, traced((&house{url: service.URL}).with("subscribe"), to))
	say(t, dial(t, node, "/connect"), `{"type":"subscribe","channel":"lobby","id":1}`, `"not_allowed"`)
	stop(t, node)

	hooks, attempts := to.named("hook subscribe"), to.named("POST")
	if len(hooks) != 1 || len(attempts) != 2 {
		t.Fatalf("%d spans of the hook, %d of attempts", len(hooks), len(attempts))
	}
	if hook := hooks[0]; attribute(hook, "ringdown.outcome") != "denied" || attribute(hook, "ringdown.session") == "" || hook.Status.GetCode() == traces.Status_STATUS_CODE_ERROR {
		t.Errorf("the hook: %v", hook)
	}
	for i, status := range []string{"503", "200"} {
		span := attempts[i]
		if !bytes.Equal(span.ParentSpanId, hooks[0].SpanId) || !bytes.Equal(span.TraceId, hooks[0].TraceId) || attribute(span, "http.response.status_code") != status {
			t.Errorf("attempt %d: %v", i+1, span)
		}
		if got, want := <-told, fmt.Sprintf("00-%x-%x-01", span.TraceId, span.SpanId); got != want {
			t.Errorf("attempt %d told the backend %q, want %q", i+1, got, want)
		}
	}
}

func TestTracesHoldNeitherSecretsNorPayloads(t *testing.T) {
	to := collect(t)
	const secret = "hunter2"
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"allow":false,"code":"hunter2","reason":"hunter2","data":"hunter2"}`)
	}))
	defer service.Close()
	c := traced((&house{url: service.URL + "/" + secret + "?key=" + secret}).with("publish call disconnect"), to)
	node := start(t, c)
	native := dial(t, node, "/connect?token="+secret+"&user="+secret)
	say(t, native, `{"type":"publish","channel":"hunter2","data":"hunter2","id":1}`, `"id":1`)
	say(t, native, `{"type":"call","method":"hunter2","data":"hunter2","id":2}`, `"id":2`)
	fetch(t, node, "POST", "/channels/lobby?token="+secret, "*/*", secret)
	callAPI(t, node, apiKey, "/api/v1/publish?"+secret+"="+secret, secret, `{"channel":"hunter2","data":"hunter2"}`)
	callAPI(t, node, apiKey, "/api/v1/publish", "", `{"channel":"hunter2","data":"hunter2"}`)
	native.CloseNow()
	stop(t, node)
	if len(to.named("hook publish")) != 2 || len(to.named("hook call")) != 1 || len(to.named("POST /api/v1/publish")) != 2 {
		t.Errorf("spans are missing among %d", len(to.all))
	}
	for _, kept := range []string{secret, apiKey, hookSecret} {
		if bytes.Contains(to.raw.Bytes(), []byte(kept)) {
			t.Errorf("the collector was sent %q", kept)
		}
	}
}

func TestTheShareOfTracesIsKept(t *testing.T) {
	to := collect(t)
	c := traced(config.Default(), to)
	c.Tracing.Ratio = 0
	node := start(t, c)
	callAPI(t, node, apiKey, "/api/v1/publish", "", `{"channel":"news","data":"hello"}`)
	callAPI(t, node, apiKey, "/api/v1/publish", "00-"+traceOfCaller+"-"+spanOfCaller+"-01", `{"channel":"news","data":"hello"}`)
	stop(t, node)
	if kept := to.named("POST /api/v1/publish"); len(kept) != 1 || hex.EncodeToString(kept[0].TraceId) != traceOfCaller {
		t.Errorf("kept is %v", kept)
	}
}

func TestNothingIsTracedUnlessItIsAskedFor(t *testing.T) {
	told := make(chan string, 1)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told <- r.Header.Get("Traceparent")
		io.WriteString(w, `{"allow":true}`)
	}))
	defer service.Close()
	node := start(t, (&house{url: service.URL}).with("publish"))
	fetch(t, node, "POST", "/channels/lobby", "*/*", "hello")
	if got := next(t, told); got != "" {
		t.Errorf("the backend is told the trace %q", got)
	}
}

func TestACollectorThatIsAwayStopsNobody(t *testing.T) {
	var log lines
	gone := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	gone.Close()
	node := start(t, traced(config.Default(), &spans{url: gone.URL}), slog.New(slog.NewTextHandler(&log, nil)))
	if status := callAPI(t, node, apiKey, "/api/v1/publish", "", `{"channel":"news","data":"hello"}`); status != http.StatusCreated {
		t.Errorf("published: %d", status)
	}
	stop(t, node)
	if !strings.Contains(log.String(), "collector") {
		t.Errorf("the log says nothing of it:\n%s", &log)
	}
}
