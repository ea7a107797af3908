// The life of a connection and of its sockets: how they begin, whom they let in, and why they end.

package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

func TestInvalidPacketsEndTheConnectionWithAParseError(t *testing.T) {
	both(t, func(t *testing.T, dial func(*node) *peer) {
		n := start(t, socketio.Options{})
		reasons := make(chan string, 1)
		n.OnConnection(func(s *socketio.Socket) {
			s.OnDisconnect(func(reason string) { reasons <- reason })
		})
		packets := [][]string{
			{"4abc"}, {"47"}, {`42{`}, {`42[]`}, {`42{}`}, {`42["connect"]`}, {`42["disconnecting"]`}, {`431{}`}, {`41{}`},
			{`451-["x",{"_placeholder":true,"num":0}]`, `42["y"]`}, {"b:nothing due"}, {`45x-["x"]`}, {`4511-["x"]`},
			{`451-["x",{"_placeholder":true,"num":1}]`}, {`42/other,["x"]`}, {`41/other,`}, {`44{"message":"x"}`},
		}
		if testing.Short() {
			packets = packets[:3]
		}
		for _, c := range packets {
			p := dial(n)
			p.connect("/", "")
			p.send(c...)
			p.ended()
			if reason := await(t, reasons); reason != string(engineio.ParseError) {
				t.Errorf("%s: %s", c, reason)
			}
		}
		if got := n.Stats().ParseErrors; got != uint64(len(packets)) {
			t.Errorf("%d were counted of %d", got, len(packets))
		}
	})
}

func TestAParseErrorIsLoggedOnce(t *testing.T) {
	both(t, func(t *testing.T, dial func(*node) *peer) {
		var log strings.Builder // read once the server has shut down
		t.Run("until it has shut down", func(t *testing.T) {
			n := start(t, socketio.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			for _, packet := range []string{"4abc", "x"} { // of Socket.IO, and of Engine.IO
				p := dial(n)
				p.connect("/", "")
				p.send(packet)
				p.ended()
			}
		})
		if lines := strings.Count(log.String(), "closed"); lines != 2 || strings.Contains(log.String(), "<nil>") {
			t.Errorf("%d lines for two:\n%s", lines, &log)
		}
	})
}

func TestAConnectWhosePayloadIsNoObjectEndsTheConnection(t *testing.T) {
	n := start(t, socketio.Options{})
	for _, packet := range []string{`40"token"`, `40[]`, `40null`, `42["x"]`, `41`} {
		p := n.dial(t)
		p.send(packet)
		p.ended()
	}
}

func TestConnectingTwiceEndsTheConnection(t *testing.T) {
	n := start(t, socketio.Options{})
	p := n.dial(t)
	p.connect("/", "")
	p.send("40")
	p.ended()
}

func TestAClientThatConnectsToNothingIsCut(t *testing.T) {
	n := start(t, socketio.Options{ConnectTimeout: 3 * time.Second})
	kept := n.dial(t)
	kept.connect("/", "")
	p := n.dial(t)
	p.send("40/nowhere,")
	p.expect(`44/nowhere,{"message":"Invalid namespace"}`)
	p.ended()
	n.Emit("still here")
	kept.expect(`42["still here"]`)
}

func TestEverySocketHasAnIdOfItsOwn(t *testing.T) {
	n := start(t, socketio.Options{})
	ids := make(chan string, 3)
	for _, of := range []*socketio.Namespace{n.Of("/"), n.Of("/a")} {
		of.OnConnection(func(s *socketio.Socket) {
			if s.Session().ID() != s.ID() || s.Namespace().Socket(s.ID()) != s || n.hub.Session(s.ID()) == nil {
				t.Error("the id is not the session's")
			}
			ids <- s.ID()
		})
	}
	p := n.dial(t)
	seen := map[string]bool{}
	for _, namespace := range []string{"/", "/a"} {
		a := p.connect(namespace, "")
		if id := await(t, ids); id != a.SID || a.PID != "" {
			t.Errorf("%+v is told of %s", a, id)
		}
		seen[a.SID] = true
	}
	if len(seen) != 2 {
		t.Errorf("%v", seen)
	}
}

func TestRefusalsTellWhy(t *testing.T) {
	n := start(t, socketio.Options{
		Identify: func(_ context.Context, h *engineio.Handshake, auth json.RawMessage) (hub.Identity, error) {
			if strings.Contains(string(auth), "old") {
				return hub.Identity{}, hub.Errorf(hub.TokenExpired, "the token has expired; get another one")
			}
			return hub.Identity{User: "ann"}, nil
		},
		MaxAuth: 100,
	})
	n.Use(func(s *socketio.Socket) error {
		if s.Auth() == nil {
			return errors.New("Not authorized")
		}
		return nil
	})
	n.Of("/data").Use(func(*socketio.Socket) error {
		return &socketio.Refusal{Message: "Not authorized", Data: map[string]int{"code": 1}}
	})
	n.Of("/panics").Use(func(*socketio.Socket) error { return fmt.Errorf("x%d", 1) })
	p := n.dial(t)
	for _, c := range [][2]string{
		{`40`, `44{"message":"Not authorized"}`},
		{`40/data,{}`, `44/data,{"message":"Not authorized","data":{"code":1}}`},
		{`40/nowhere`, `44/nowhere,{"message":"Invalid namespace"}`},
		{`40{"token":"old"}`, `44{"message":"the token has expired; get another one","data":{"code":"token_expired"}}`},
		{`40{"token":"` + strings.Repeat("x", 100) + `"}`, `44{"message":"the auth has 112 bytes; at most 100 are taken","data":{"code":"too_large"}}`},
	} {
		p.send(c[0])
		p.expect(c[1])
	}
	p.connect("/", `{"token":"new"}`) // the connection is still good
}

func TestAFullHubSaysSo(t *testing.T) {
	n := start(t, socketio.Options{})
	n.hub.SetBounds(1, 100)
	n.dial(t).connect("/", "")
	p := n.dial(t)
	p.send("40")
	if answer := p.next(); !strings.HasPrefix(answer, `44{"message":"the server has no room`) || !strings.HasSuffix(answer, `"data":{"code":"full"}}`) {
		t.Error(answer)
	}
}

func TestNamespacesOfAConnectionAreBounded(t *testing.T) {
	n := start(t, socketio.Options{MaxNamespaces: 2})
	n.OfPattern(func(name string, _ json.RawMessage) bool { return strings.HasPrefix(name, "/n") })
	p := n.dial(t)
	p.connect("/n1", "")
	p.connect("/n2", "")
	p.send("40/n3,")
	p.expect(`44/n3,{"message":"the connection is in 2 namespaces, which is the limit; leave some","data":{"code":"too_many_subscriptions"}}`)
	p.send("41/n1,")
	p.connect("/n3", "")
}

func TestRoomsOfASocketAreBounded(t *testing.T) {
	n := start(t, socketio.Options{})
	n.hub.SetBounds(100, 3)
	errs := make(chan error, 1)
	n.OnConnection(func(s *socketio.Socket) { errs <- s.Join("a", "b", "a", s.ID(), "c") })
	n.dial(t).connect("/", "")
	if e, ok := errors.AsType[*hub.Error](await(t, errs)); !ok || e.Code != hub.TooManySubscriptions {
		t.Error(e)
	}
}

func TestDynamicNamespacesAreThereWhileSomebodyIs(t *testing.T) {
	n := start(t, socketio.Options{})
	gone := make(chan string, 10)
	family := n.OfPattern(func(name string, auth json.RawMessage) bool { return strings.HasPrefix(name, "/room-") && auth == nil })
	family.Use(func(s *socketio.Socket) error {
		if s.Namespace().Name() == "/room-0" {
			return errors.New("closed")
		}
		return nil
	})
	family.OnConnection(func(s *socketio.Socket) {
		s.OnDisconnect(func(reason string) { gone <- s.Namespace().Name() + ": " + reason })
	})
	p := n.dial(t)
	p.connect("/room-1", "")
	p.connect("/room-2", "")
	p.send("40/room-0,", "40/room-1x,{}", "40/other,")
	for range 3 {
		if answer := p.next(); !strings.HasPrefix(answer, "44/") {
			t.Error(answer)
		}
	}
	family.Emit("all", 1)
	got := map[string]bool{p.next(): true, p.next(): true}
	if !got[`42/room-1,["all",1]`] || !got[`42/room-2,["all",1]`] {
		t.Error(got)
	}
	p.send("41/room-1,")
	if reason := await(t, gone); reason != "/room-1: client namespace disconnect" {
		t.Error(reason)
	}
	p.connect("/room-1", "") // another one
}

func TestAClientMayLeaveOneNamespaceOfTwo(t *testing.T) {
	n := start(t, socketio.Options{})
	reasons := make(chan string, 10)
	n.OnConnection(answering(nil))
	n.Of("/admin").OnConnection(func(s *socketio.Socket) {
		s.Join("room")
		s.OnDisconnecting(func(reason string) { reasons <- fmt.Sprintf("%s in %d", reason, len(s.Rooms())) })
		s.OnDisconnect(func(reason string) { reasons <- fmt.Sprintf("%s in %d, %t", reason, len(s.Rooms()), s.Connected()) })
	})
	p := n.dial(t)
	p.connect("/", "")
	p.connect("/admin", "")
	p.send("41/admin,")
	for _, want := range []string{"client namespace disconnect in 2", "client namespace disconnect in 1, false"} {
		if reason := await(t, reasons); reason != want {
			t.Errorf("%s instead of %s", reason, want)
		}
	}
	p.alive()
	if in := n.hub.SessionsIn("/admin,room"); len(in) != 0 {
		t.Errorf("%d are still in the room", len(in))
	}
	p.connect("/admin", "") // again
}

func TestTheServerEndsANamespaceOrTheConnection(t *testing.T) {
	n := start(t, socketio.Options{})
	n.Of("/other")
	reasons := make(chan string, 2)
	n.OnConnection(answering(func(s *socketio.Socket) {
		s.On("leave", func(close bool) { s.Disconnect(close) })
		s.On("come back", s.Reconnect)
		s.OnDisconnect(func(reason string) { reasons <- reason })
	}))
	p := n.dial(t)
	p.connect("/", "")
	p.send(`42["leave",false]`)
	p.expect("41")
	if reason := await(t, reasons); reason != "server namespace disconnect" {
		t.Error(reason)
	}
	p.connect("/", "")
	p.connect("/other", "")
	p.send(`42["leave",true]`)
	p.expect("41", "41/other,") // so that the client does not come back by itself
	p.ended()
	if reason := await(t, reasons); reason != "server namespace disconnect" {
		t.Error(reason)
	}
	p = n.dial(t)
	p.connect("/", "")
	p.send(`42["come back"]`)
	if packet, err := p.tryNext(); err == nil {
		t.Errorf("%s came before the end", packet)
	}
	if reason := await(t, reasons); reason != "forced close" {
		t.Error(reason)
	}
}

func TestAClientLearnsWhyItsSessionEnds(t *testing.T) {
	n := start(t, socketio.Options{})
	p := n.dial(t)
	a := p.connect("/", "")
	n.hub.Session(a.SID).End(hub.Errorf(hub.TokenExpired, "the token has expired"))
	p.expect(`42["error",{"message":"the token has expired","data":{"code":"token_expired"}}]`, "41")
	p.connect("/", "") // the connection stays
}

func TestAPanicInAMiddlewareRefusesTheClient(t *testing.T) {
	n := start(t, socketio.Options{})
	n.Use(func(*socketio.Socket) error { panic("at the program") })
	n.Of("/fine").OnConnection(func(*socketio.Socket) { panic("at the program") })
	p := n.dial(t)
	p.send("40")
	p.expect(`44{"message":"the server could not do it; its log says why","data":{"code":"internal"}}`)
	p.connect("/fine", "")
	n.Of("/fine").Emit("x")
	p.expect(`42/fine,["x"]`)
}

func TestGuardsAreAskedAboutEvents(t *testing.T) {
	h, err := hub.New(hub.Options{Broker: newBroker(), Guards: []hub.Guard{&guard{max: 40}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Shutdown(context.Background()) })
	n := over(t, h, socketio.Options{})
	n.OnConnection(answering(nil))
	p := n.dial(t)
	p.connect("/", "")
	p.alive()
	p.send(`421["x","` + strings.Repeat("x", 40) + `"]`)
	p.expect(`431[{"error":"too much","code":"rate_limited"}]`)
	p.alive()
}

// guard refuses messages that are long.
type guard struct {
	hub.Guard
	max int
}

func (g *guard) Open(*hub.Session) error { return nil }
func (g *guard) Closed(*hub.Session)     {}
func (g *guard) Waits() bool             { return false }
func (g *guard) Message(_ *hub.Session, bytes int) error {
	if bytes > g.max {
		return hub.Errorf(hub.RateLimited, "too much")
	}
	return nil
}
func (g *guard) Subscribe(context.Context, *hub.Session, string) error { return nil }
