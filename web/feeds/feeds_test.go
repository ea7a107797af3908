package feeds_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/web/feeds"
)

// listener counts what it is handed.
type listener struct{ heard int }

func (l *listener) Receive(*hub.Publication) hub.Reception { l.heard++; return hub.Taken }
func (*listener) Notify(*hub.Notice)                       {}
func (*listener) End(error)                                {}

// house is a hub with feeds that run.
func house(t *testing.T, all ...feeds.Feed) *hub.Hub {
	t.Helper()
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{}), Rules: []hub.Rule{{Pattern: "*"}}})
	if err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		feeds.Run(stop, h, slog.New(slog.DiscardHandler), all...)
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
		h.Shutdown(context.Background())
	})
	return h
}

func TestAFeedPublishesOnlyWhileSomebodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := house(t, feeds.Feed{Channel: "demo:x", Interval: 50 * time.Millisecond, Next: func(time.Time) []feeds.Item {
			asked++
			return []feeds.Item{{Data: asked}}
		}})
		time.Sleep(time.Minute)
		synctest.Wait()
		if asked != 0 {
			t.Fatalf("nobody listened, and the feed was asked %d times", asked)
		}

		l := new(listener)
		s, err := h.Open(l, hub.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Subscribe(t.Context(), "demo:x", hub.SubscribeOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if l.heard < 190 || l.heard != asked {
			t.Errorf("in ten seconds %d were heard of %d", l.heard, asked)
		}

		s.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		rest := asked
		time.Sleep(time.Minute)
		synctest.Wait()
		if asked != rest {
			t.Errorf("a minute after the last listener had gone the feed still published")
		}
	})
}

func TestEveryFeedHasSomethingToSay(t *testing.T) {
	for _, feed := range feeds.All() {
		t.Run(feed.Channel, func(t *testing.T) {
			if !strings.Contains(feed.Channel, "demo") || feed.Interval <= 0 {
				t.Errorf("every %v in %q", feed.Interval, feed.Channel)
			}
			now, items := time.Now(), 0
			for range 1000 {
				for _, item := range feed.Next(now) {
					if _, err := json.Marshal(item.Data); err != nil {
						t.Fatal(err)
					}
					items++
				}
				now = now.Add(feed.Interval)
			}
			if items == 0 {
				t.Error("it said nothing a thousand times")
			}
		})
	}
}

func TestSharesAreTradedAgainAndAgainAndStayWorthSomething(t *testing.T) {
	for _, feed := range feeds.All() {
		if feed.Channel != "demo:prices" {
			continue
		}
		traded := map[string]int{}
		for range 100_000 / 10 {
			for _, item := range feed.Next(time.Now()) {
				traded[item.Key]++
				data, _ := json.Marshal(item.Data)
				var p struct{ Price float64 }
				if err := json.Unmarshal(data, &p); err != nil || p.Price < 1 || p.Price > 3000 {
					t.Fatalf("%s is traded at %s", item.Key, data)
				}
			}
		}
		if len(traded) != 30 {
			t.Errorf("%d shares are traded", len(traded))
		}
		for symbol, times := range traded {
			if times < 1000 {
				t.Errorf("%s is traded %d times of 100,000", symbol, times)
			}
		}
		return
	}
	t.Error("there is no market")
}
