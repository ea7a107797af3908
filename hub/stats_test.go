package hub_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/ringdown/ringdown/hub"
)

// sortOf is a receiver over a transport.
type sortOf struct {
	counter
	about hub.Description
}

func (r *sortOf) Describe() hub.Description { return r.about }

func TestTheCountersTellWhatWasDone(t *testing.T) {
	h := start(t, hub.Options{Rules: []hub.Rule{{Pattern: "*", History: hub.Retention{Count: 10}}}})
	var all []*hub.Session
	for _, about := range []hub.Description{{Transport: "websocket", Protocol: "native"}, {Transport: "websocket", Protocol: "native"}, {Transport: "sse", Protocol: "events"}} {
		s, err := h.Open(&sortOf{about: about}, hub.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
		if err := s.Subscribe(t.Context(), "a", hub.SubscribeOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	all[0].Subscribe(t.Context(), "b", hub.SubscribeOptions{Recover: true, After: hub.Cursor{{Epoch: "unknownx", Offset: 1}}})
	for range 2 {
		h.Publish(t.Context(), &hub.Publication{Channel: "a", Payload: []byte("four")}, hub.PublishOptions{IdempotencyKey: "once"})
	}
	h.Publish(t.Context(), &hub.Publication{Channel: "nobody", Payload: []byte("four")}, hub.PublishOptions{})
	h.Refused(hub.BadChannel)
	n := h.Stats()
	want := hub.Stats{
		Sessions: []hub.SessionCount{{"websocket", "native", 2}, {"sse", "events", 1}},
		Channels: 2, Subscriptions: 4, Publications: 2, PublishedBytes: 8, Duplicates: 1, Deliveries: 3, DeliveredBytes: 12, Unrecovered: 1, Opened: 3,
	}
	if n.Refusals[hub.BadChannel] != 1 || len(n.Refusals) != len(hub.Refusals()) || len(n.Disconnects) != len(hub.Refusals())+1 {
		t.Errorf("refusals %v, disconnects %v", n.Refusals, n.Disconnects)
	}
	n.Refusals, n.Disconnects = nil, nil
	if diff := cmp.Diff(want, n); diff != "" {
		t.Error(diff)
	}

	all[0].Unsubscribe("b")
	all[1].End(hub.Errorf(hub.TokenExpired, "over"))
	if n := h.Stats(); n.Subscriptions != 2 || n.Channels != 1 {
		t.Errorf("%d subscriptions in %d channels are left", n.Subscriptions, n.Channels)
	}
}

func TestEveryEndIsCountedOnceByItsFirstCause(t *testing.T) {
	for _, c := range []struct {
		name  string
		end   func(*hub.Session)
		about hub.Description
		code  hub.Code
		times uint64
	}{
		{"the client goes", func(*hub.Session) {}, hub.Description{}, "", 1},
		{"a request is over", func(*hub.Session) {}, hub.Description{Passing: true}, "", 0},
		{"the server ends it twice", func(s *hub.Session) {
			s.End(hub.Errorf(hub.TokenRevoked, ""))
			s.End(hub.ErrShutdown)
		}, hub.Description{}, hub.TokenRevoked, 1},
		{"a shutdown", func(s *hub.Session) { s.End(hub.ErrShutdown) }, hub.Description{}, hub.ShuttingDown, 1},
		{"its gateway cuts it", func(s *hub.Session) { s.Blame(hub.Errorf(hub.SlowConsumer, "")) }, hub.Description{}, hub.SlowConsumer, 1},
		{"an operator", func(s *hub.Session) { s.End(&hub.Dismissal{Reason: "go"}) }, hub.Description{}, hub.Disconnected, 1},
		{"a cause without a code", func(s *hub.Session) { s.End(errors.New("why")) }, hub.Description{}, hub.Internal, 1},
	} {
		h := start(t, hub.Options{})
		s, err := h.Open(&sortOf{about: c.about}, hub.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		c.end(s)
		s.Close()
		s.Close()
		n, sum := h.Stats(), uint64(0)
		for _, times := range n.Disconnects {
			sum += times
		}
		if n.Disconnects[c.code] != c.times || sum != c.times || n.Sessions[0].Sessions != 0 {
			t.Errorf("%s: %v, %+v", c.name, n.Disconnects, n.Sessions)
		}
	}
}

func TestSortsOfSessionsAreBounded(t *testing.T) {
	h := start(t, hub.Options{})
	for i := range 100 {
		if _, err := h.Open(&sortOf{about: hub.Description{Transport: string(rune('!' + i))}}, hub.Identity{}); err != nil {
			t.Fatal(err)
		}
	}
	all := h.Stats().Sessions
	if last := all[len(all)-1]; len(all) != 32 || last != (hub.SessionCount{Transport: "other", Protocol: "other", Sessions: 69}) {
		t.Errorf("%d sorts, the last %+v", len(all), last)
	}
}

// lateOnce is late for its first publication.
type lateOnce struct {
	counter
	late bool
}

func (r *lateOnce) Receive(*hub.Publication) hub.Reception {
	if r.received++; !r.late {
		r.late = true
		return hub.Late
	}
	return hub.Taken
}

func TestWhatSlowSubscribersMissIsCountedByPolicy(t *testing.T) {
	for _, c := range []struct {
		rule                               hub.Rule
		dropped, conflated, gaps, caughtUp uint64
	}{
		{hub.Rule{Slow: hub.DropOldest, Backlog: 1}, 9, 0, 1, 1},
		{hub.Rule{Slow: hub.Conflate}, 0, 9, 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			c.rule.Pattern = "*"
			h := start(t, hub.Options{Rules: []hub.Rule{c.rule}})
			s, err := h.Open(new(lateOnce), hub.Identity{})
			if err != nil {
				t.Fatal(err)
			}
			s.Subscribe(t.Context(), "a", hub.SubscribeOptions{})
			for range 11 {
				h.Publish(t.Context(), &hub.Publication{Channel: "a", Payload: []byte("x")}, hub.PublishOptions{})
			}
			s.Ready()
			n := h.Stats()
			if n.Dropped != c.dropped || n.Conflated != c.conflated || n.Gaps != c.gaps || n.CaughtUp != c.caughtUp || n.Deliveries != 1 {
				t.Errorf("%v: %+v", c.rule.Slow, n)
			}
		})
	}
}
