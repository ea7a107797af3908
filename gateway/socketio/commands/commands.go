// Package commands is the gateway for Socket.IO clients of a node that has no program of its own: what a client emits are commands.
//
//	socket.emit("join", "lobby", answer => …)                        // also {cursor, presence}, as a second argument
//	socket.emit("publish", "lobby", "new-message", {text: "hello"})  // channel, event and data, or channel and data
//	socket.on("new-message", (data, about) => …)                     // about is {channel, event, offset, cursor, time, …}
//
// join, leave, publish, history, presence and authenticate are what they are in the native protocol, under the same rules, limits and hooks. They are
// answered, where an acknowledgement is asked for, with {"ok":true, …} or {"ok":false,"error":{"code":…,"message":…}}. Every other event is a call, with
// its arguments as an array; what the handler of calls answers is the acknowledgement.
//
//	gateway, err := commands.New(h, socketio.Options{})
//	if err != nil {
//		return err
//	}
//	mux.Handle("/socket.io/", gateway)
//	mux.Handle("/socket.io", gateway)
//
// The commands of a client are obeyed one after the other, calls among them: each begins when the one before has been answered. There is the namespace
// "/" and no other. See docs/gateways/socketio.md.
package commands

import (
	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
)

// Gateway is a server whose clients' events are commands. Make one with New. Its sockets have no other handlers.
type Gateway struct {
	*socketio.Server
	hub *hub.Hub
}

// New returns a gateway to h. It runs until its Shutdown. The error says which option is wrong; Direct is the gateway's own.
func New(h *hub.Hub, options socketio.Options) (*Gateway, error) {
	g := &Gateway{hub: h}
	options.Direct = &socketio.Direct{Notify: g.notify, Presence: watches}
	var err error
	if g.Server, err = socketio.New(h, options); err != nil {
		return nil, err
	}
	g.OnConnection(func(s *socketio.Socket) {
		s.OnAny(func(event string, args socketio.Args, ack socketio.Ack) {
			c := command{gateway: g, socket: s, event: event, args: args, ack: ack}
			if err := c.obey(); err != nil {
				s.Refuse(event, line.Refusal(err), ack)
			}
		})
	})
	return g, nil
}

// Name is how its section of a state file is called.
func (g *Gateway) Name() string { return "gateway/socketio" }

func (g *Gateway) conflates(channel string) bool { return g.hub.Rule(channel).Slow == hub.Conflate }

// watching begins the keys under which a socket keeps of which channels it is told who comes and goes.
const watching = "presence of "

func watches(s *socketio.Socket, channel string) bool { return s.Get(watching+channel) == true }

// forgetWatching is for a channel that the socket has left.
func forgetWatching(s *socketio.Socket, channel string) {
	s.Set(watching+channel, nil)
}
