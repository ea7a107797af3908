// Rooms is the classic room chat of Socket.IO, with its page, which uses the official client from a folder that has it.
//
//	npm install --prefix /tmp/rooms socket.io-client
//	go run ./examples/rooms -client /tmp/rooms/node_modules/socket.io-client/dist
package main

import (
	_ "embed"
	"flag"
	"log"
	"net/http"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
)

//go:embed index.html
var page []byte

func main() {
	addr := flag.String("addr", "127.0.0.1:3000", "address to listen on")
	client := flag.String("client", "node_modules/socket.io-client/dist", "folder of socket.io.min.js")
	flag.Parse()
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{})})
	if err != nil {
		log.Fatal(err)
	}
	io, err := socketio.New(h, socketio.Options{})
	if err != nil {
		log.Fatal(err)
	}
	chat(io)
	http.Handle("/socket.io/", io)
	http.Handle("/client/", http.StripPrefix("/client/", http.FileServer(http.Dir(*client))))
	http.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write(page) })
	log.Printf("a chat on http://%s", *addr)
	log.Fatal(http.ListenAndServe(*addr, nil))
}

// chat is all there is to it.
func chat(io *socketio.Server) {
	io.OnConnection(func(s *socketio.Socket) {
		s.OnDisconnecting(func(string) { s.To(s.Rooms()...).Emit("left", s.Get("name")) })
		s.On("join-room", func(room, name string) error {
			s.Set("name", name)
			if err := s.Join(room); err != nil {
				return err
			}
			return s.To(room).Emit("joined", name)
		})
		s.On("chat-message", func(m struct{ Room, From, Text string }, ack socketio.Ack) error {
			if err := io.To(m.Room).Emit("new-message", m); err != nil {
				return err
			}
			return ack.Send("ok")
		})
	})
}
