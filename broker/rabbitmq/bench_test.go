//go:build linux

package rabbitmq_test

import (
	"bytes"
	"testing"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

// BenchmarkPublish publishes on one node what another is subscribed to.
func BenchmarkPublish(b *testing.B) {
	r := servers.StartRabbitMQ(b)
	o := options(r.URL())
	publisher, listener := start(b, o), start(b, o)
	if _, err := listener.Subscribe(b.Context(), "lobby", hub.Retention{Count: 100}); err != nil {
		b.Fatal(err)
	}
	payload := bytes.Repeat([]byte("x"), 128)
	for name, parallelism := range map[string]int{"one at a time": 0, "many": 64} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			publish := func() {
				_, err := publisher.Publish(b.Context(), &hub.Publication{Channel: "lobby", Payload: payload}, hub.Storing{Retention: hub.Retention{Count: 100}})
				if err != nil {
					b.Error(err)
				}
			}
			if parallelism == 0 {
				for b.Loop() {
					publish()
				}
				return
			}
			b.SetParallelism(parallelism)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					publish()
				}
			})
		})
	}
}
