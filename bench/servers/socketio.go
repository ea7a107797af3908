package servers

// This file: Ringdown's Socket.IO as a program of one's own has it, with the events of rooms/socketio/server.mjs.

import (
	"encoding/json"
	"net"
	"net/http"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	channels "github.com/ringdown/ringdown/hub" // hub is the one of hub.go
)

// SocketIO serves a listener until it fails. Like its peer it keeps no history.
func SocketIO(ln net.Listener) error {
	h, err := channels.New(channels.Options{Broker: memory.New(memory.Options{})})
	if err != nil {
		return err
	}
	io, err := socketio.New(h, socketio.Options{})
	if err != nil {
		return err
	}
	io.OnConnection(func(s *socketio.Socket) {
		s.On("join", func(room string, done socketio.Ack) error {
			defer done.Send()
			return s.Join(room)
		})
		s.On("publish", func(room string, data json.RawMessage) error { return io.To(room).Emit("message", data) })
		s.On("echo", func(data json.RawMessage, done socketio.Ack) { done.Send(data) })
	})
	return http.Serve(ln, io)
}
