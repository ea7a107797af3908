package socketio_test

import (
	"log"
	"net/http"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
)

func Example() {
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{})})
	if err != nil {
		log.Fatal(err)
	}
	io, err := socketio.New(h, socketio.Options{})
	if err != nil {
		log.Fatal(err)
	}
	type chat struct{ Room, Text string }
	io.OnConnection(func(s *socketio.Socket) {
		s.On("join-room", func(room string) error { return s.Join(room) })
		s.On("chat-message", func(m chat, ack socketio.Ack) error {
			defer ack.Send("ok")
			return s.To(m.Room).Emit("new-message", m)
		})
		s.OnDisconnect(func(reason string) { log.Println(s.ID(), "has gone:", reason) })
	})
	http.Handle("/socket.io/", io)
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", nil))
}
