package tracing_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server/tracing"
)

func TestOptionsThatAreNotSoundAreRefusedWithTheCure(t *testing.T) {
	for _, c := range []struct {
		options tracing.Options
		cure    string
	}{
		{tracing.Options{}, "http://localhost:4318"},
		{tracing.Options{Endpoint: "localhost:4318"}, "http://localhost:4318"},
		{tracing.Options{Endpoint: "http://a:hunter2@[::1"}, "http://localhost:4318"},
		{tracing.Options{Endpoint: "http://localhost:4318", Attributes: []string{"production"}}, "deployment.environment.name=production"},
		{tracing.Options{Endpoint: "http://localhost:4318", Attributes: []string{"=production"}}, "deployment.environment.name=production"},
	} {
		_, err := tracing.New(c.options)
		if err == nil || !strings.Contains(err.Error(), c.cure) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v, want a sentence with %q", c.options, err, c.cure)
		}
	}
}

func TestWhatBecomesOfSpansIsCounted(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		ratio  float64
		path   string
		want   tracing.Stats
		log    string
	}{
		"taken":                {http.StatusOK, 1, "/v1/traces", tracing.Stats{Ended: 3, Sent: 3}, ""},
		"refused":              {http.StatusForbidden, 1, "/v1/traces", tracing.Stats{Ended: 3, Failed: 3}, "traces cannot be sent"},
		"not kept":             {http.StatusOK, 0, "/v1/traces", tracing.Stats{}, ""},
		"at a path of its own": {http.StatusOK, 1, "/otlp/mine", tracing.Stats{Ended: 3, Sent: 3}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if r.URL.Path != c.path {
					t.Errorf("spans came to %s", r.URL.Path)
				}
				w.WriteHeader(c.status)
			}))
			defer collector.Close()
			endpoint := collector.URL
			if c.path != "/v1/traces" {
				endpoint += c.path
			}
			var log bytes.Buffer
			tracer, err := tracing.New(tracing.Options{Endpoint: endpoint, Ratio: c.ratio, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				_, over := tracer.Operation(httptest.NewRequest("POST", "/api/v1/publish", nil), "publish", "/api/v1/publish")
				over(http.StatusCreated)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			tracer.Close(ctx)
			if got := tracer.Stats(); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			if !strings.Contains(log.String(), c.log) || c.log == "" && log.Len() > 0 {
				t.Errorf("the log has %q", log.String())
			}
		})
	}
}
