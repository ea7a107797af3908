// The official client of Socket.IO against our server: clients whose connection breaks, and who go on where they were.

package socketio

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/node"
)

// remembering is a server that has its clients recover. They join "lobby" when they come for the first time.
func remembering(t *testing.T) (server *service, sockets chan *socketio.Socket, gone chan string) {
	t.Helper()
	server = serve(t, socketio.Options{Recovery: &socketio.Recovery{}})
	sockets, gone = make(chan *socketio.Socket, 20), make(chan string, 20)
	server.OnConnection(remember(sockets, gone))
	return server, sockets, gone
}

func remember(sockets chan *socketio.Socket, gone chan string) func(*socketio.Socket) {
	return func(s *socketio.Socket) {
		if !s.Recovered() {
			s.Join("lobby")
			s.Set("came", "once")
		}
		s.OnDisconnect(func(reason string) { gone <- reason })
		s.On("echo", func(args socketio.Args, ack socketio.Ack) error { return ack.Send(again(args)...) })
		sockets <- s
	}
}

// wantBack waits until a socket has come back as what it was.
func wantBack(t *testing.T, c client, sockets chan *socketio.Socket, id string) *socketio.Socket {
	t.Helper()
	s := await(t, sockets)
	if got := c.state(); got.ID != id || !got.Recovered || !s.Recovered() || s.ID() != id || s.Get("came") != "once" {
		t.Errorf("the client is %+v; the socket %s recovered %t with %v; want %s", got, s.ID(), s.Recovered(), s.Get("came"), id)
	}
	c.wantAnswer("echo", `[1]`, `[1]`)
	return s
}

// lost are the ways in which clients lose a connection.
var lost = map[string]func(*network, client){
	"cut": func(n *network, c client) {
		n.lead(nowhere) // or a client that polls would just go on, if it was cut between two polls
		n.cut()
	},
	"silently dead": func(n *network, c client) {
		n.lead(nowhere)
		n.fall()
		c.do("drop", nil) // it has noticed; the server has not
	},
}

// nowhere is where no server is.
const nowhere = "127.0.0.1:1"

func TestClientsRecoverWhatTheyMissed(t *testing.T) {
	script := node.Start(t, "client.js")
	overAll(t, script, func(t *testing.T, options arguments, arrive func(client)) {
		for name, lose := range lost {
			t.Run(name, func(t *testing.T) {
				server, sockets, _ := remembering(t)
				path := newNetwork(t, server.host)
				c := dial(t, script, t.Name(), path.url, withDelay(options), true)
				c.want(`["connect",false]`)
				s := await(t, sockets)
				arrive(c)
				server.To("lobby").Emit("heard", 1, "before")
				c.want(`["heard",1,"before"]`)

				lose(path, c)
				server.To("lobby").Emit("missed", 2)
				s.Emit("missed", []byte{3})
				server.Emit("missed", arguments{"four": 4})
				id := s.ID()
				c.wantLost()
				path.lead(server.host)
				c.wantInTheEnd(`["missed",2]`)
				c.want(`["missed",{"base64":"Aw=="}]`, `["missed",{"four":4}]`, `["connect",true]`)
				wantBack(t, c, sockets, id)
				server.To("lobby").Emit("after", 5)
				c.want(`["after",5]`)
			})
		}
	})
}

// withDelay has a client take a moment before it comes back, so that it misses something.
func withDelay(options arguments) arguments {
	slow := arguments{"reconnectionDelay": 100}
	for key, value := range options {
		slow[key] = value
	}
	return slow
}

// wantLost waits for the event that the connection is lost.
func (c client) wantLost() {
	c.t.Helper()
	if got := node.Call[[]any](c.t, c.script, "next", arguments{"name": c.name}); got[0] != "disconnect" {
		c.t.Fatalf("%v instead of a disconnect", got)
	}
}

func TestAClientThatHeardNothingRecovers(t *testing.T) {
	script := node.Start(t, "client.js")
	overAll(t, script, func(t *testing.T, options arguments, arrive func(client)) {
		server, sockets, _ := remembering(t)
		path := newNetwork(t, server.host)
		c := dial(t, script, t.Name(), path.url, options, true)
		c.want(`["connect",false]`)
		s := await(t, sockets)
		arrive(c)
		id := s.ID()
		path.fall()
		server.To("lobby").Emit("first", 1)
		c.do("drop", nil)
		c.wantLost()
		c.want(`["first",1]`, `["connect",true]`)
		wantBack(t, c, sockets, id)
	})
}

func TestAClientIsBackAtOnceAgainAndAgain(t *testing.T) {
	script := node.Start(t, "client.js")
	overAll(t, script, func(t *testing.T, options arguments, arrive func(client)) {
		server, sockets, _ := remembering(t)
		path := newNetwork(t, server.host)
		at := arguments{"reconnectionDelay": 1, "reconnectionDelayMax": 1}
		for key, value := range options {
			at[key] = value
		}
		c := dial(t, script, t.Name(), path.url, at, true)
		c.want(`["connect",false]`)
		id := await(t, sockets).ID()
		arrive(c)
		for i := range 6 {
			if i%2 == 0 {
				path.fall() // half of the time the server does not notice before
			}
			c.do("drop", nil)
			c.wantLost()
			c.want(`["connect",true]`)
			wantBack(t, c, sockets, id)
		}
		server.To("lobby").Emit("still", "here")
		c.want(`["still","here"]`)
	})
}

func TestClientsRecoverAcrossARestart(t *testing.T) {
	script := node.Start(t, "client.js")
	overAll(t, script, func(t *testing.T, options arguments, arrive func(client)) {
		// The broker is what outlives a server.
		h, err := hub.New(hub.Options{
			Broker: memory.New(memory.Options{}),
			Rules:  []hub.Rule{{Pattern: "*", History: hub.Retention{Count: 1000, Age: time.Hour}}},
			Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Shutdown(context.Background()) })
		sockets, gone := make(chan *socketio.Socket, 20), make(chan string, 20)
		one := serveOver(t, h, socketio.Options{Recovery: &socketio.Recovery{}})
		one.OnConnection(remember(sockets, gone))
		path := newNetwork(t, one.host)
		c := dial(t, script, t.Name(), path.url, options, true)
		c.want(`["connect",false]`)
		id := await(t, sockets).ID()
		arrive(c)
		one.To("lobby").Emit("before", 1)
		c.want(`["before",1]`)

		two := serveOver(t, h, socketio.Options{Recovery: &socketio.Recovery{}})
		two.OnConnection(remember(sockets, gone))
		path.lead(nowhere)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := one.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		path.cut()
		c.wantLost()
		two.To("lobby").Emit("missed", 2)
		var file bytes.Buffer
		if err := one.Save(&file); err != nil {
			t.Fatal(err)
		}
		if err := two.Load(&file); err != nil {
			t.Fatal(err)
		}
		path.lead(two.host)
		c.wantInTheEnd(`["missed",2]`)
		c.want(`["connect",true]`)
		wantBack(t, c, sockets, id)
	})
}

// wantInTheEnd waits for an event behind any number of attempts to connect that went wrong.
func (c client) wantInTheEnd(want string) {
	c.t.Helper()
	for {
		got := node.Call[json.RawMessage](c.t, c.script, "next", arguments{"name": c.name})
		if string(got) == want {
			return
		}
		if !strings.HasPrefix(string(got), `["connect_error"`) {
			c.t.Fatalf("%s, want %s", got, want)
		}
	}
}

func TestAClientThatHasLeftDoesNotRecover(t *testing.T) {
	script := node.Start(t, "client.js")
	server, sockets, gone := remembering(t)
	c := dial(t, script, "c", server.url, nil, true)
	c.want(`["connect",false]`)
	id := await(t, sockets).ID()
	c.do("leave", nil)
	c.want(`["disconnect","io client disconnect",0]`)
	if reason := await(t, gone); reason != "client namespace disconnect" {
		t.Error(reason)
	}
	server.To("lobby").Emit("not for it", 1)
	c.do("enter", nil)
	c.want(`["connect",false]`)
	if s := await(t, sockets); s.ID() == id || s.Recovered() {
		t.Error("it is as if it had never left")
	}
}
