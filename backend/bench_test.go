package backend_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ringdown/ringdown/backend"
)

// BenchmarkHook asks on as many goroutines as there are processors, over loopback.
func BenchmarkHook(b *testing.B) {
	s := httptest.NewServer(say(200, `{"allow":true}`))
	defer s.Close()
	h, err := backend.NewHooks(allHooks(s.URL, backend.HookOptions{Timeout: patient}))
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close(context.Background())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := subscribe(h); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkEvents is what Add costs while events are being delivered, until the last is.
func BenchmarkEvents(b *testing.B) {
	for name, dir := range map[string]string{"memory": "", "disk": b.TempDir()} {
		b.Run(name, func(b *testing.B) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
			defer s.Close()
			o := backend.EventsOptions{URL: s.URL, Secrets: []backend.Secret{secret}, Dir: dir, MaxBytes: 1 << 30, Log: slog.New(slog.DiscardHandler)}
			e, err := backend.NewEvents(o)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := e.Add(backend.Event{Kind: backend.Joined, Channel: "chat:lobby", Session: "4j6k2h5g7f3d8s9a1p0q", User: "ann"}); err != nil {
					b.Fatal(err)
				}
			}
			if err := e.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
