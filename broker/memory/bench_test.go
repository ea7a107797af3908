package memory_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

func TestPublishingWhatIsNotKeptAllocatesNothing(t *testing.T) {
	b := start(t, memory.Options{})
	if _, err := b.Subscribe(t.Context(), "lobby", hub.Retention{}); err != nil {
		t.Fatal(err)
	}
	p, ctx := &hub.Publication{Channel: "lobby"}, t.Context()
	if n := testing.AllocsPerRun(100, func() { b.Publish(ctx, p, hub.Storing{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, count := range []int{0, 1, 1000} {
		b.Run(fmt.Sprintf("history=%d", count), func(b *testing.B) {
			broker := start(b, memory.Options{})
			s := hub.Storing{Retention: hub.Retention{Count: count, Age: time.Hour}}
			broker.Subscribe(b.Context(), "lobby", s.Retention)
			p, ctx := &hub.Publication{Channel: "lobby", Payload: make([]byte, 128)}, b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if count > 0 { // one that is kept may be published once only
					p = &hub.Publication{Channel: "lobby", Payload: p.Payload}
				}
				broker.Publish(ctx, p, s)
			}
		})
	}
}

// Many publishers, each in a channel of its own, must not wait for each other.
func BenchmarkPublishParallel(b *testing.B) {
	broker := start(b, memory.Options{})
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		p, ctx := &hub.Publication{Channel: fmt.Sprint("lobby", next.Add(1)), Payload: make([]byte, 128)}, b.Context()
		broker.Subscribe(ctx, p.Channel, hub.Retention{})
		for pb.Next() {
			broker.Publish(ctx, p, hub.Storing{})
		}
	})
}

// BenchmarkPublishEvicting publishes where every so often room is to be made.
func BenchmarkPublishEvicting(b *testing.B) {
	broker := start(b, memory.Options{MaxBytes: 16 << 20})
	names := make([]string, 1<<16)
	for i := range names {
		names[i] = fmt.Sprint("channel", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := &hub.Publication{Channel: names[i%len(names)], Payload: make([]byte, 128)}
		broker.Publish(b.Context(), p, forever)
	}
}
