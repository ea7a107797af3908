// What programs do wrong, and what becomes of it.

package socketio_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
)

func TestARefusedSocketMayStillBeUsed(t *testing.T) {
	n := start(t, socketio.Options{})
	got := make(chan *socketio.Socket, 1)
	n.Use(func(s *socketio.Socket) error {
		got <- s
		return errors.New("no")
	})
	p := n.dial(t)
	p.ask("/", "")
	p.expect(`44{"message":"no"}`)
	s := await(t, got)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil { // it waits for what the server still does with the socket
		t.Fatal(err)
	}
	if err := s.Emit("x"); !errors.Is(err, socketio.ErrDisconnected) {
		t.Error(err)
	}
	if s.Namespace().Name() != "/" || len(s.Rooms()) != 1 {
		t.Error(s.Rooms())
	}
}

func TestHandlersThatCouldNeverBeCalledAreRefused(t *testing.T) {
	n := start(t, socketio.Options{})
	sockets := make(chan *socketio.Socket, 1)
	n.OnConnection(func(s *socketio.Socket) { sockets <- s })
	n.dial(t).connect("/", "")
	s := await(t, sockets)
	for name, f := range map[string]any{
		"the socket":       func(*socketio.Socket, string) {},
		"sockets":          func([]*socketio.Socket) {},
		"the event":        func(*socketio.Event) {},
		"pointer to Ack":   func(*socketio.Ack) {},
		"many Acks":        func(...socketio.Ack) {},
		"pointer to Args":  func(*socketio.Args) {},
		"nil":              nil,
		"no function":      (func())(nil),
		"no function Args": (func(socketio.Args))(nil),
		"no function Ack":  (func(socketio.Ack))(nil),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if said, _ := recover().(string); !strings.HasPrefix(said, "socketio: the handler of \"x\"") {
					t.Errorf("On says %q", said)
				}
			}()
			s.On("x", f)
		})
	}
	s.On("x", func(...socketio.Args) {})
}

func TestTheRoomOfAnotherSocketCannotBeJoined(t *testing.T) {
	n := start(t, socketio.Options{})
	sockets := make(chan *socketio.Socket, 1)
	n.OnConnection(answering(func(s *socketio.Socket) { sockets <- s }))
	a := n.dial(t).connect("/", "")
	s := await(t, sockets)
	if err := s.Join(a.SID); err != nil {
		t.Errorf("its own: %v", err)
	}
	n.dial(t).connect("/", "")
	other := await(t, sockets)
	if e, ok := errors.AsType[*hub.Error](other.Join(a.SID)); !ok || e.Code != hub.BadChannel {
		t.Error(e)
	}
}

func TestLeavingWhatIsNoRoomLeavesNothing(t *testing.T) {
	n := start(t, socketio.Options{})
	n.OnConnection(answering(func(s *socketio.Socket) {
		s.Leave("/,")
		s.Leave("")
		s.Leave(s.ID())
	}))
	p := n.dial(t)
	p.connect("/", "")
	p.alive()
	n.Emit("everybody")
	p.expect(`42["everybody"]`)
}

func TestAPanicInAHandlerOfAnotherNodesEventsHarmsNobody(t *testing.T) {
	_, one, two := neighbours(t, func() socketio.Options { return socketio.Options{} })
	two.OnServerSide("x", func([]int) { panic("at the program") })
	called := make(chan struct{}, 2)
	two.OnServerSide("x", func([]int) { called <- struct{}{} })
	if err := one.ServerSideEmit("x", []int{1}); err != nil {
		t.Error(err)
	}
	await(t, called)
	if _, err := one.ServerSideEmitWithAck(t.Context(), "x", []int{1}); err == nil {
		t.Error("a handler that panics has answered")
	}
	await(t, called)
}
