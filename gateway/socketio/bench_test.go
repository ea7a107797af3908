// What deliveries and acknowledgement round trips cost.

package socketio_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

func BenchmarkReceive(b *testing.B) {
	for _, recovery := range []*socketio.Recovery{nil, {}} {
		b.Run(fmt.Sprintf("recovery=%t", recovery != nil), func(b *testing.B) {
			s, done := connected(b, socketio.Options{Recovery: recovery})
			defer done()
			p := &hub.Publication{Channel: "/,", Event: "e", Kind: hub.Text, Payload: make([]byte, 64), Epoch: "aaaaaaaa"}
			s.Receive(p) // encodes
			b.ReportAllocs()
			for b.Loop() {
				p.Offset++
				for s.Receive(p) != hub.Taken { // until it has read up
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
}

// connected is a socket whose client reads.
func connected(b *testing.B, o socketio.Options) (s *socketio.Socket, done func()) {
	n, stop := launch(b, o)
	sockets := make(chan *socketio.Socket, 1)
	n.OnConnection(func(s *socketio.Socket) {
		s.On("ack", func(text string, ack socketio.Ack) { ack.Send(text) })
		sockets <- s
	})
	conn := n.plain(b)
	go func() {
		for {
			if _, _, err := conn.Read(b.Context()); err != nil {
				return
			}
		}
	}()
	return <-sockets, func() { conn.CloseNow(); stop() }
}

func BenchmarkAckRoundTrip(b *testing.B) {
	n, stop := launch(b, socketio.Options{})
	defer stop()
	n.OnConnection(func(s *socketio.Socket) {
		s.On("ack", func(text string, ack socketio.Ack) { ack.Send(text) })
	})
	conn := n.plain(b)
	defer conn.CloseNow()
	for range 2 { // the open packet and the answer to CONNECT
		if _, _, err := conn.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	question := []byte(`421["ack","hello"]`)
	b.ReportAllocs()
	for b.Loop() {
		if err := conn.Write(b.Context(), websocket.Text, question); err != nil {
			b.Fatal(err)
		}
		if _, _, err := conn.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// launch is start without a test.
func launch(b *testing.B, o socketio.Options) (n *node, stop func()) {
	h, err := hub.New(hub.Options{Broker: newBroker(), Rules: history})
	if err != nil {
		b.Fatal(err)
	}
	server, err := socketio.New(h, o)
	if err != nil {
		b.Fatal(err)
	}
	web := httptest.NewServer(server)
	return &node{server, h, web.URL + "/socket.io/?EIO=4"}, func() {
		server.Shutdown(context.Background())
		web.Close()
		h.Shutdown(context.Background())
	}
}

// plain is a connection whose CONNECT has been sent.
func (n *node) plain(b *testing.B) *websocket.Conn {
	conn, _, err := websocket.Dial(b.Context(), "ws"+strings.TrimPrefix(n.url, "http")+"&transport=websocket", nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := conn.Write(b.Context(), websocket.Text, []byte("40")); err != nil {
		b.Fatal(err)
	}
	return conn
}
