package feeds_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/web/feeds"
)

// newHub returns a hub with history in every channel.
func newHub(t *testing.T) *hub.Hub {
	t.Helper()
	h, err := hub.New(hub.Options{Rules: []hub.Rule{{Pattern: "*", History: hub.Retention{Count: 100, Age: time.Minute}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Shutdown(context.Background()) })
	return h
}

// run runs feeds until the function returned is called.
func run(h *hub.Hub, all ...feeds.Feed) (end func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		feeds.Run(stop, h, slog.New(slog.DiscardHandler), all...)
	}()
	return func() {
		close(stop)
		<-ended
	}
}
