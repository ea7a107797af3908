//go:build linux

package redis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

type deaf struct{}

func (deaf) Deliver(*hub.Publication)  {}
func (deaf) Present(hub.PresenceEvent) {}
func (deaf) Interrupted(string)        {}

// BenchmarkPublish publishes 128 bytes from one node to itself and another, in as many channels.
func BenchmarkPublish(b *testing.B) {
	for _, r := range []hub.Retention{{}, {Count: 100, Age: time.Minute}} {
		for _, goroutines := range []int{1, 64} {
			b.Run(fmt.Sprintf("keep=%d/goroutines=%d", r.Count, goroutines), func(b *testing.B) {
				server := servers.StartRedis(b, servers.RedisOptions{})
				o := options(server.URL())
				first, second := newBroker(b, o), newBroker(b, o)
				for _, n := range []hub.Broker{first, second} {
					if err := n.Start(deaf{}); err != nil {
						b.Fatal(err)
					}
					defer n.Close()
					for i := range goroutines {
						if _, err := n.Subscribe(b.Context(), fmt.Sprint("channel", i), r); err != nil {
							b.Fatal(err)
						}
					}
				}
				payload := make([]byte, 128)
				b.ReportAllocs()
				begin := make(chan string, goroutines)
				for i := range goroutines {
					begin <- fmt.Sprint("channel", i)
				}
				b.SetParallelism((goroutines + 1) / 2) // for two processors
				b.RunParallel(func(pb *testing.PB) {
					channel := "channel0"
					select {
					case channel = <-begin:
					default:
					}
					for pb.Next() {
						if _, err := first.Publish(b.Context(), &hub.Publication{Channel: channel, Payload: payload}, hub.Storing{Retention: r}); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pubs/s")
			})
		}
	}
}
