package hub_test

import (
	"fmt"
	"testing"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// counter is the cheapest receiver, so that what is measured is the hub.
type counter struct{ received int }

func (c *counter) Receive(*hub.Publication) hub.Reception { c.received++; return hub.Taken }
func (c *counter) Notify(*hub.Notice)                     {}
func (c *counter) End(error)                              {}

// crowd fills "lobby" with n members.
func crowd(t testing.TB, n int) *hub.Hub {
	t.Helper()
	h := start(t, hub.Options{})
	for range n {
		s, err := h.Open(new(counter), hub.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestFanOutAllocatesNothing(t *testing.T) {
	h := crowd(t, 100)
	p, ctx := &hub.Publication{Channel: "lobby", Payload: []byte("x")}, t.Context()
	if n := testing.AllocsPerRun(100, func() { p.Offset = 0; h.Publish(ctx, p, hub.PublishOptions{}) }); n != 0 {
		t.Errorf("%v allocations for a publication to 100 members", n)
	}
}

// A crowd is handed out to by several goroutines; every one of its members must be reached all the same.
func TestFanOutReachesACrowd(t *testing.T) {
	const n = 10_000
	h := start(t, hub.Options{})
	members := make([]*counter, n)
	for i := range members {
		members[i] = new(counter)
		s, err := h.Open(members[i], hub.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := say(t, h, "lobby", "1", "2", "3"); got.Subscribers != n {
		t.Errorf("%d subscribers", got.Subscribers)
	}
	for i, m := range members {
		if m.received != 3 {
			t.Fatalf("member %d was handed %d of 3 publications", i, m.received)
		}
	}
}

func BenchmarkFanOut(b *testing.B) {
	for _, members := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			h := crowd(b, members)
			p, ctx := &hub.Publication{Channel: "lobby", Payload: make([]byte, 128)}, b.Context()
			b.ReportAllocs()
			for b.Loop() {
				p.Offset = 0 // as if it were another one
				h.Publish(ctx, p, hub.PublishOptions{})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(members), "ns/delivery")
		})
	}
}

func BenchmarkSubscribe(b *testing.B) {
	h := crowd(b, 100)
	s, err := h.Open(new(counter), hub.Identity{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Subscribe(b.Context(), "lobby", hub.SubscribeOptions{})
		s.Unsubscribe("lobby")
	}
}

// Revocations look for sessions in a hub that is full.
func BenchmarkFindASessionByItsToken(b *testing.B) {
	const sessions = 100_000
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{}), MaxSessions: sessions})
	if err != nil {
		b.Fatal(err)
	}
	for i := range sessions {
		if _, err := h.Open(&counter{}, hub.Identity{User: fmt.Sprint("user", i), Token: fmt.Sprint(i)}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if found := h.Find(hub.ByToken, "4711"); len(found) != 1 {
			b.Fatalf("%d sessions", len(found))
		}
	}
}
