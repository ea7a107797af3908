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
	// Next returns what to publish now, often one item. It may keep its state in what it closes over: one goroutine calls Next and Heard.
	Next func(now time.Time) []Item

	Inputs string                                  // a channel that the feed listens to itself while it is awake, "" if none
	Heard  func(p *hub.Publication, now time.Time) // is handed what was published there
}

// Item is one publication.
type Item struct {
	Event string // "" if it has none
	Key   string // what Data is the newest value of, for channels that conflate; "" if that is nothing
	Data  any    // as JSON
	Bytes []byte // instead of Data
}

// All returns the feeds of all pages.
func All() []Feed {
	return []Feed{compareFeed(), pricesFeed(), metricsFeed(), gameFeed(), scoresFeed(), sensorsFeed()}
}

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
	var inputs *ear // nil while the feed rests, and where it wants none
	defer func() { inputs.close() }()
	awake, heard := false, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-inputs.queue():
			f.Heard(p, time.Now())
			continue
		case <-ticker.C:
		}
		now := time.Now()
		if h.Subscribers(f.Channel) > 0 {
			heard = now
		}
		if wanted := now.Sub(heard) < lingers; wanted != awake {
			awake = wanted
			ticker.Reset(map[bool]time.Duration{true: f.Interval, false: idle}[awake])
			inputs.close()
			inputs = nil
			if awake && f.Inputs != "" {
				inputs = listen(ctx, h, f.Inputs, log)
			}
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
		p := &hub.Publication{Channel: f.Channel, Event: item.Event, Key: item.Key, Kind: hub.Binary, Payload: item.Bytes}
		if item.Bytes == nil {
			data, err := json.Marshal(item.Data)
			if err != nil {
				return fmt.Errorf("what is to be published is no JSON: %w", err)
			}
			p.Kind, p.Payload = hub.JSON, data
		}
		if _, err := h.Publish(ctx, p, hub.PublishOptions{}); err != nil {
			return err
		}
	}
	return nil
}
