// Package feeds makes up the data that the demonstration pages show: a node in dev mode publishes it to channels whose names begin with
// "demo:". A feed rests while nobody listens, and costs nothing then but a look five times a second.
package feeds

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Feed is where the publications of one channel come from.
type Feed struct {
	Channel  string        // begins with "demo:"
	Interval time.Duration // between two calls of Next
	// Next returns what to publish now, often one item. It is called by one goroutine, and may keep its state in what it closes over.
	Next func(now time.Time) []Item
}

// Item is one publication.
type Item struct {
	Event string // "" if it has none
	Key   string // what Data is the newest value of, for channels that conflate; "" if that is nothing
	Data  any    // as JSON
}

// All returns the feeds of all pages.
func All() []Feed { return []Feed{compareFeed()} }

const (
	idle     = 200 * time.Millisecond // between two looks whether somebody listens
	lingers  = 5 * time.Second        // how long a feed goes on when nobody does: between two polls nobody listens either
	patience = 5 * time.Second        // for one publication
)

// Run publishes what the feeds have until stop is closed.
func Run(stop <-chan struct{}, h *hub.Hub, log *slog.Logger, feeds ...Feed) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var running sync.WaitGroup
	for _, feed := range feeds {
		running.Go(func() { feed.run(ctx, h, log) })
	}
	<-stop
	cancel()
	running.Wait()
}

func (f *Feed) run(ctx context.Context, h *hub.Hub, log *slog.Logger) {
	ticker := time.NewTicker(idle)
	defer ticker.Stop()
	awake, heard := false, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		if h.Subscribers(f.Channel) > 0 {
			heard = now
		}
		if wanted := now.Sub(heard) < lingers; wanted != awake {
			awake = wanted
			ticker.Reset(map[bool]time.Duration{true: f.Interval, false: idle}[awake])
		}
		if !awake {
			continue
		}
		if err := f.publish(ctx, h, f.Next(now)); err != nil && ctx.Err() == nil {
			log.Warn("a demonstration's feed", "channel", f.Channel, "error", err)
			heard = time.Time{} // rests, so as not to fill the log
		}
	}
}

func (f *Feed) publish(ctx context.Context, h *hub.Hub, items []Item) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, item := range items {
		data, err := json.Marshal(item.Data)
		if err != nil {
			return fmt.Errorf("what is to be published is no JSON: %w", err)
		}
		p := &hub.Publication{Channel: f.Channel, Event: item.Event, Key: item.Key, Kind: hub.JSON, Payload: data}
		if _, err := h.Publish(ctx, p, hub.PublishOptions{}); err != nil {
			return err
		}
	}
	return nil
}
