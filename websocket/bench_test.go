package websocket_test

import (
	"fmt"
	"testing"

	"github.com/ringdown/ringdown/websocket"
)

// BenchmarkEcho is a round trip over loopback: a Write and a Read on each side.
func BenchmarkEcho(b *testing.B) {
	for _, mode := range []websocket.CompressionMode{websocket.CompressionOff, websocket.CompressionNoTakeover, websocket.CompressionTakeover} {
		for _, size := range []int{32, 1 << 10, 16 << 10} {
			name := map[websocket.CompressionMode]string{0: "plain", 1: "no-takeover", 2: "takeover"}[mode]
			b.Run(fmt.Sprintf("%s/%dB", name, size), func(b *testing.B) {
				server, client := link{}.compressed(mode).connect(b)
				go echo(server)
				message, buf := []byte(lorem(size)), []byte(nil)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					err := client.Write(b.Context(), websocket.Text, message)
					if err == nil {
						_, buf, err = client.ReadInto(b.Context(), buf)
					}
					if err != nil || len(buf) != size {
						b.Fatal(len(buf), err)
					}
				}
			})
		}
	}
}
