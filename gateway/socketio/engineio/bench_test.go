// What a delivery costs.

package engineio_test

import (
	"fmt"
	"testing"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
)

// BenchmarkFanOut sends one message to many sessions. Those of polling take it into their queues, and fetch it now and then.
func BenchmarkFanOut(b *testing.B) {
	for _, transport := range []string{"websocket", "polling"} {
		b.Run(transport, func(b *testing.B) {
			const sessions = 100
			n := start(b, engineio.Handler{}, engineio.Options{OutboxBytes: 1 << 30})
			conns := make([]*engineio.Conn, sessions)
			clients := make([]*client, sessions)
			for i := range conns {
				if transport == "polling" {
					clients[i] = n.dial()
					conns[i] = n.conn(clients[i].id)
					continue
				}
				s, id := n.session()
				conns[i] = n.conn(id)
				go func() {
					for buf := []byte(nil); ; {
						var err error
						if _, buf, err = s.ReadInto(b.Context(), buf); err != nil {
							return
						}
					}
				}()
			}
			text := fmt.Appendf(nil, `42["message",%q]`, make([]byte, 100))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m := engineio.Prepare(text)
				for _, c := range conns {
					c.SendPrepared(m)
				}
				if transport == "polling" && i%100 == 99 {
					b.StopTimer()
					for _, c := range clients {
						c.get()
					}
					b.StartTimer()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/sessions, "ns/delivery")
		})
	}
}
