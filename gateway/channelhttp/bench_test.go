package channelhttp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
)

// BenchmarkPost publishes over one connection that is kept.
func BenchmarkPost(b *testing.B) {
	n := start(b, hub.Options{}, channelhttp.Options{})
	conn, err := net.Dial("tcp", n.host)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	request := fmt.Appendf(nil, "POST /channels/lobby HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"a\":\"hello\"}", n.host)
	answers := bufio.NewReader(conn)
	b.ReportAllocs()
	for b.Loop() {
		conn.Write(request)
		response, err := http.ReadResponse(answers, nil)
		if err != nil || response.StatusCode != http.StatusCreated {
			b.Fatal(response, err)
		}
		io.Copy(io.Discard, response.Body)
	}
}

// BenchmarkFanOut publishes to a hundred listeners of each kind, who read along.
func BenchmarkFanOut(b *testing.B) {
	for name, query := range map[string]string{"one channel": "", "several channels": "channel=b"} {
		b.Run(name, func(b *testing.B) {
			const listeners = 100
			n := start(b, hub.Options{}, channelhttp.Options{})
			for range listeners {
				e := n.listen(path("lobby") + query).begin(b)
				go io.Copy(io.Discard, e.lines)
			}
			payload := make([]byte, 128)
			for i := range payload {
				payload[i] = 'x'
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := n.hub.Publish(b.Context(), &hub.Publication{Channel: "lobby", Payload: payload}, hub.PublishOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
