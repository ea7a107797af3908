// The official client of Socket.IO against our server: events, acknowledgements, rooms, namespaces and refusals.

package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/node"
)

// parlour is a server with some of everything.
func parlour(t *testing.T) (server *service, sockets chan *socketio.Socket) {
	t.Helper()
	server = serve(t, socketio.Options{Engine: engineio.Options{OutboxBytes: 16 << 20}})
	sockets = make(chan *socketio.Socket, 200)
	entered := func(s *socketio.Socket) {
		s.On("echo", func(args socketio.Args, ack socketio.Ack) error { return ack.Send(again(args)...) })
		s.On("back", func(args socketio.Args) error { return s.Emit("back", again(args)...) })
		s.On("join", func(room string, ack socketio.Ack) error {
			defer ack.Send("ok")
			return s.Join(room)
		})
		s.On("leave", func(room string, ack socketio.Ack) { s.Leave(room); ack.Send("ok") })
		s.On("say", func(room string, what any) error { return s.Namespace().To(room).Emit("said", what) })
		s.On("whisper", func(room string, what any) error { return s.To(room).Emit("said", what) })
		s.On("number", func(n int, ack socketio.Ack) { ack.Send(n + 1) })
		s.On("never", func(socketio.Ack) {})
		sockets <- s
	}
	server.OnConnection(entered)
	server.Of("/custom").OnConnection(entered)
	return server, sockets
}

// again are arguments as they can be sent again.
func again(args socketio.Args) []any {
	all, targets := make([]any, args.Len()), make([]any, args.Len())
	for i := range all {
		targets[i] = &all[i]
	}
	args.Decode(targets...)
	return all
}

// overAll runs a test with clients of each way to connect; arrive waits until one has upgraded, if it does.
func overAll(t *testing.T, script *node.Peer, test func(t *testing.T, options arguments, arrive func(client))) {
	for name, way := range transports {
		t.Run(name, func(t *testing.T) {
			test(t, way.options, func(c client) { c.do("transport", arguments{"transport": way.last}) })
		})
	}
}

func TestClientsTalkOverEveryTransport(t *testing.T) {
	script := node.Start(t, "client.js")
	overAll(t, script, func(t *testing.T, options arguments, arrive func(client)) {
		server, sockets := parlour(t)
		c := dial(t, script, t.Name(), server.url, options, false)
		c.want(`["connect",false]`)
		s := await(t, sockets)
		if id := c.state().ID; id != s.ID() {
			t.Errorf("the client's id is %q, the server's %q", id, s.ID())
		}
		const many = `[1,"two",{"three":[true,null]},{"base64":"AQID"},{"deep":[{"base64":"BA=="}]}]`
		for range 2 { // as it begins, and upgraded
			c.wantAnswer("echo", many, many)
			c.wantAnswer("echo", `[]`, `[]`)
			c.emit("back", many)
			c.want(`["back"` + `,` + many[1:])
			for _, large := range []string{`[{"size":900000,"bytes":false}]`, `[{"size":650000,"bytes":true}]`} {
				c.wantAnswer("echo", large, large)
			}
			arrive(c)
		}

		c.do("answer", arguments{"event": "question"})
		if args, err := s.EmitWithAck(t.Context(), "question", 7, []byte{1}); err != nil || args.Len() != 2 || string(args.JSON(0)) != "7" || string(args.JSON(1)) != `"AQ=="` {
			t.Errorf("%v %v", args, err)
		}
		c.want(`["question",7,{"base64":"AQ=="}]`)

		c.do("leave", nil)
		c.want(`["disconnect","io client disconnect",0]`)
		c.do("enter", nil)
		c.want(`["connect",false]`)
		if again := await(t, sockets); again.ID() == s.ID() || s.Connected() {
			t.Error("the client has its old id")
		}
	})
}

func TestAcknowledgementsThatDoNotCome(t *testing.T) {
	script := node.Start(t, "client.js")
	server, sockets := parlour(t)
	c := dial(t, script, "c", server.url, nil, false)
	s := await(t, sockets)
	c.want(`["connect",false]`)
	if got := c.ask("never", `[]`, 50); got != `{"error":"operation has timed out"}` {
		t.Errorf("the client is answered %s", got)
	}
	c.wantAnswer("number", `[1]`, `[2]`)
	if got := c.ask("number", `["one"]`, 0); got != `{"args":[{"error":"argument 1 is a string; a whole number in range is expected"}]}` {
		t.Errorf("the client is answered %s", got)
	}

	c.do("answer", arguments{"event": "silence", "silent": true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.EmitWithAck(ctx, "silence"); !errors.Is(err, socketio.ErrTimeout) {
		t.Errorf("the server is told %v", err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := s.EmitWithAck(context.Background(), "silence")
		waiting <- err
	}()
	c.want(`["silence"]`, `["silence"]`)
	c.do("leave", nil)
	if err := await(t, waiting); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("the server is told %v", err)
	}
}

func TestRooms(t *testing.T) {
	script := node.Start(t, "client.js")
	overAll(t, script, func(t *testing.T, options arguments, arrive func(client)) {
		server, sockets := parlour(t)
		enter := func(name string) client {
			c := dial(t, script, t.Name()+name, server.url, options, false)
			c.want(`["connect",false]`)
			await(t, sockets)
			arrive(c)
			return c
		}
		a, b, c := enter("a"), enter("b"), enter("c")
		for _, member := range []client{a, b} {
			member.wantAnswer("join", `["lobby"]`, `["ok"]`)
		}
		a.emit("say", `["lobby","to all"]`)
		a.want(`["said","to all"]`)
		b.want(`["said","to all"]`)
		b.emit("whisper", `["lobby",{"base64":"AQID"}]`)
		a.want(`["said",{"base64":"AQID"}]`)
		c.emit("whisper", `["lobby",[{"base64":"AQID"},"from outside"]]`)
		a.want(`["said",[{"base64":"AQID"},"from outside"]]`)
		b.want(`["said",[{"base64":"AQID"},"from outside"]]`)
		b.wantAnswer("leave", `["lobby"]`, `["ok"]`)
		if err := errors.Join(server.To("lobby").Emit("left", 1, "x"), server.Except("lobby").Emit("outside"), server.Emit("everywhere")); err != nil {
			t.Error(err)
		}
		a.want(`["left",1,"x"]`, `["everywhere"]`)
		for _, other := range []client{b, c} {
			other.want(`["outside"]`, `["everywhere"]`)
		}
		for _, asked := range []client{a, b, c} {
			asked.do("answer", arguments{"event": "poll"})
		}
		if replies, err := server.To().Timeout(patience).EmitWithAck(t.Context(), "poll", 1); err != nil || len(replies) != 3 {
			t.Errorf("%v %v", replies, err)
		}
		server.In("lobby").DisconnectSockets(false)
		a.want(`["poll",1]`, `["disconnect","io server disconnect",0]`)
		if a.state().Active {
			t.Error("the client comes back though it was sent away")
		}
	})
}

func TestNamespaces(t *testing.T) {
	script := node.Start(t, "client.js")
	overAll(t, script, func(t *testing.T, options arguments, arrive func(client)) {
		server, _ := parlour(t)
		main := dial(t, script, t.Name()+"/", server.url+"/", options, false)
		custom := dial(t, script, t.Name()+"custom", server.url+"/custom", options, false)
		unknown := dial(t, script, t.Name()+"unknown", server.url+"/unknown", options, false)
		main.want(`["connect",false]`)
		custom.want(`["connect",false]`)
		unknown.want(`["connect_error","Invalid namespace",null,false]`)
		arrive(custom)
		custom.wantAnswer("echo", `[{"base64":"AQ=="}]`, `[{"base64":"AQ=="}]`)
		custom.wantAnswer("join", `["lobby"]`, `["ok"]`)
		main.wantAnswer("join", `["lobby"]`, `["ok"]`)
		main.emit("say", `["lobby","in the main one"]`)
		custom.emit("say", `["lobby","in the custom one"]`)
		main.want(`["said","in the main one"]`)
		custom.want(`["said","in the custom one"]`)
	})
}

func TestRefusedClientsLearnWhyAndDoNotTryAgain(t *testing.T) {
	script := node.Start(t, "client.js")
	server := serve(t, socketio.Options{Identify: func(_ context.Context, _ *engineio.Handshake, auth json.RawMessage) (hub.Identity, error) {
		var claims struct{ Token string }
		json.Unmarshal(auth, &claims)
		switch claims.Token {
		case "good":
			return hub.Identity{User: "ann"}, nil
		case "old":
			return hub.Identity{}, hub.Errorf(hub.TokenExpired, "the token expired an hour ago; get a new one")
		}
		return hub.Identity{}, &socketio.Refusal{Message: "Not authorized", Data: arguments{"code": 1}}
	}})
	server.Of("/members").Use(func(s *socketio.Socket) error { return fmt.Errorf("%s is no member", s.User()) })
	for name, c := range map[string]struct{ namespace, token, want string }{
		"not authorized": {"/", "bad", `["connect_error","Not authorized",{"code":1},false]`},
		"expired":        {"/", "old", `["connect_error","the token expired an hour ago; get a new one",{"code":"token_expired"},false]`},
		"no member":      {"/members", "good", `["connect_error","ann is no member",null,false]`},
		"let in":         {"/", "good", `["connect",false]`},
	} {
		for way, options := range transports {
			t.Run(name+", "+way, func(t *testing.T) {
				opts := arguments{"auth": arguments{"token": c.token}}
				for key, value := range options.options {
					opts[key] = value
				}
				p := dial(t, script, t.Name(), server.url+c.namespace, opts, false)
				p.want(c.want)
				if state := p.state(); state.Connected != (name == "let in") || state.Active != state.Connected {
					t.Errorf("%+v", state)
				}
			})
		}
	}
}

func TestOversizedMessagesEndTheConnection(t *testing.T) {
	script := node.Start(t, "client.js")
	overAll(t, script, func(t *testing.T, options arguments, arrive func(client)) {
		server := serve(t, socketio.Options{Engine: engineio.Options{MaxPayload: 10_000}})
		c := dial(t, script, t.Name(), server.url, options, false)
		c.want(`["connect",false]`)
		arrive(c)
		c.emit("echo", `[{"size":20000,"bytes":false}]`)
		got := node.Call[[]any](t, script, "next", arguments{"name": c.name})
		if got[0] != "disconnect" || got[1] != "transport close" && got[1] != "transport error" {
			t.Errorf("%v", got)
		}
		if way := options["transports"].([]string); way[len(way)-1] == "websocket" && options["upgrade"] == nil && got[2] != 1009.0 {
			t.Errorf("%v; the code of the close is to say that it was too large", got)
		}
		c.want(`["connect",false]`) // it comes back, without the message
		if n := server.Stats().Engine.TooLarge; n != 1 {
			t.Errorf("%d are counted", n)
		}
	})
}

func TestACrowdOfClientsAtOnce(t *testing.T) {
	script := node.Start(t, "client.js")
	overAll(t, script, func(t *testing.T, options arguments, _ func(client)) {
		size := 20
		if strings.HasSuffix(t.Name(), "/upgrade") { // each is on both transports
			size = 100
		}
		server, _ := parlour(t)
		got := node.Call[struct{ Entered, Heard int }](t, script, "crowd", arguments{"url": server.url, "options": options, "size": size})
		if got.Entered != size || got.Heard != size {
			t.Errorf("%+v", got)
		}
	})
}

func TestServersThatGoAway(t *testing.T) {
	script := node.Start(t, "client.js")
	overAll(t, script, func(t *testing.T, options arguments, arrive func(client)) {
		server, sockets := parlour(t)
		c := dial(t, script, t.Name(), server.url, options, false)
		c.want(`["connect",false]`)
		arrive(c)
		await(t, sockets).Reconnect()
		if way := options["transports"].([]string); len(way) == 1 || options["upgrade"] != nil {
			c.want(`["disconnect","transport close",` + closeCode(options) + `]`)
		} else { // the server may not have heard yet that the client is on its WebSocket, which then has nobody behind it: 1008
			got := node.Call[[]any](t, script, "next", arguments{"name": c.name})
			if got[0] != "disconnect" || got[1] != "transport close" {
				t.Errorf("%v", got)
			}
		}
		c.want(`["connect",false]`)
	})
}

// closeCode is the code of a close that says: come back.
func closeCode(options arguments) string {
	if way := options["transports"].([]string); way[len(way)-1] == "websocket" && options["upgrade"] == nil {
		return fmt.Sprint(1000)
	}
	return "0"
}
