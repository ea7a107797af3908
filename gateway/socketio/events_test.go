// Events, acknowledgements and bytes, as they are on the wire.

package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
)

// both runs a test over each transport.
func both(t *testing.T, test func(t *testing.T, dial func(*node) *peer)) {
	t.Run("websocket", func(t *testing.T) { test(t, func(n *node) *peer { return n.dial(t) }) })
	t.Run("polling", func(t *testing.T) { test(t, func(n *node) *peer { return n.poll(t) }) })
}

type chat struct {
	Room string `json:"room"`
	Text string `json:"text"`
	File []byte `json:"file,omitempty"`
}

func TestEventsReachTypedHandlers(t *testing.T) {
	both(t, func(t *testing.T, dial func(*node) *peer) {
		n := start(t, socketio.Options{})
		got := make(chan string, 10)
		say := func(format string, values ...any) { got <- fmt.Sprintf(format, values...) }
		n.OnConnection(func(s *socketio.Socket) {
			s.On("none", func() { say("none") })
			s.On("string", func(room string) { say("%s", room) })
			s.On("struct", func(m chat) { say("%+v", m) })
			s.On("pointer", func(m *chat, more *int) { say("%s %v", m.Text, more) })
			s.On("numbers", func(i int, f float64, b bool) { say("%d %g %t", i, f, b) })
			s.On("bytes", func(b []byte, name string) { say("%q %s", b, name) })
			s.On("any", func(v any) { say("%v", v) })
			s.On("many", func(first string, others ...int) { say("%s %v", first, others) })
			s.On("context", func(ctx context.Context, x json.RawMessage) { say("%v %s", ctx.Err(), x) })
			s.On("all", func(args socketio.Args) { say("%d", args.Len()) })
			s.On("all or fail", func(_ context.Context, args socketio.Args, _ socketio.Ack) error { say("%d", args.Len()); return nil })
			s.On("1", func() { say("a number") })
		})
		p := dial(n)
		p.connect("/", "")
		for _, c := range []struct {
			want    string
			packets []string
		}{
			{"none", []string{`42["none"]`}},
			{"none", []string{`42["none","more than is taken"]`}},
			{"lobby", []string{`42["string","lobby"]`}},
			{`a "b"`, []string{`42["string","a \"b\""]`}},
			{"{Room:r Text:t File:[]}", []string{`42["struct",{"room":"r","text":"t"}]`}},
			{"{Room: Text: File:[1 2]}", []string{`451-["struct",{"file":{"_placeholder":true,"num":0}}]`, "b:\x01\x02"}},
			{"t <nil>", []string{`42["pointer",{"text":"t"}]`}},
			{"1 2.5 true", []string{`42["numbers",1,2.5,true]`}},
			{`"\x00" n`, []string{`451-["bytes",{"_placeholder":true,"num":0},"n"]`, "b:\x00"}},
			{"map[a:[[120] 1]]", []string{`451-["any",{"a":[{"_placeholder":true,"num":0},1]}]`, "b:x"}},
			{"map[_placeholder:true num:0]", []string{`42["any",{"_placeholder":true,"num":0}]`}},
			{"a []", []string{`42["many","a"]`}},
			{"a [1 2]", []string{`42["many","a",1,2]`}},
			{`<nil> {"raw":[]}`, []string{`42["context",{"raw":[]}]`}},
			{"3", []string{`42["all",1,2,3]`}},
			{"3", []string{`42["all or fail",1,2,3]`}},
			{"0", []string{`42["all or fail"]`}},
			{"a number", []string{`42[1]`}},
		} {
			p.send(c.packets...)
			if got := await(t, got); got != c.want {
				t.Errorf("%s: %s instead of %s", c.packets[0], got, c.want)
			}
		}
	})
}

func TestWrongArgumentsAreAnsweredAndCounted(t *testing.T) {
	n := start(t, socketio.Options{})
	n.OnConnection(answering(func(s *socketio.Socket) {
		s.On("typed", func(string, int) { t.Error("it was called") })
		s.On("bytes", func([]byte) { t.Error("it was called") })
		s.On("fails", func() error { return errors.New("the database has gone") })
		s.On("refuses", func() error { return &socketio.Refusal{Message: "not today", Data: 7} })
		s.On("panics", func() { panic("at the program") })
	}))
	p := n.dial(t)
	p.connect("/", "")
	for _, c := range []struct{ event, want string }{
		{`"typed","a"`, `{"error":"1 arguments came; 2 are expected"}`},
		{`"typed",{},1`, `{"error":"argument 1 is an object; a string is expected"}`},
		{`"bytes","x"`, `{"error":"argument 1 is a string; bytes are expected"}`},
		{`"fails"`, `{"error":"the server could not do it; its log says why","code":"internal"}`},
		{`"refuses"`, `{"error":"not today","data":7}`},
		{`"panics"`, `{"error":"the server could not do it; its log says why","code":"internal"}`},
	} {
		p.send(`425[` + c.event + `]`)
		p.expect(`435[` + c.want + `]`)
	}
	p.send(`42["typed"]`)
	p.alive()
	if got := n.Stats().WrongArguments; got != 4 {
		t.Errorf("%d events with wrong arguments were counted", got)
	}
}

func TestWhatIsNoHandlerIsRefusedAtOnce(t *testing.T) {
	n := start(t, socketio.Options{})
	said := make(chan string, 1)
	for _, c := range []struct {
		f    any
		want string
	}{
		{"text", "give a function"},
		{nil, "give a function"},
		{(func(int))(nil), "give a function"},
		{func() int { return 0 }, "it returns int"},
		{func(chan int) {}, "no JSON becomes a chan int"},
		{func(socketio.Ack, string) {}, "put it last"},
		{func(string, context.Context) {}, "put it first"},
		{func(error) {}, "no JSON becomes a error"},
	} {
		n.OnServerSide("never", func() {})
		func() {
			defer func() { said <- fmt.Sprint(recover()) }()
			n.OnServerSide("x", c.f)
		}()
		if got := <-said; !strings.Contains(got, c.want) || !strings.Contains(got, `"x"`) {
			t.Errorf("%T: %s", c.f, got)
		}
	}
}

func TestEventsOnTheWire(t *testing.T) {
	both(t, func(t *testing.T, dial func(*node) *peer) {
		n := start(t, socketio.Options{})
		sockets := make(chan *socketio.Socket, 2)
		n.OnConnection(func(s *socketio.Socket) { sockets <- s })
		n.Of("/admin").OnConnection(func(s *socketio.Socket) { sockets <- s })
		p := dial(n)
		p.connect("/", "")
		s := await(t, sockets)
		for _, c := range []struct {
			event string
			args  []any
			want  []string
		}{
			{"foo", nil, []string{`42["foo"]`}},
			{"foo", []any{1, "a\u2028<b>", nil, true, []string{"x"}}, []string{`42["foo",1,"a\u2028<b>",null,true,["x"]]`}},
			{"foo", []any{chat{Room: "r"}}, []string{`42["foo",{"room":"r","text":""}]`}},
			{"foo", []any{[]byte{1, 2}}, []string{`451-["foo",{"_placeholder":true,"num":0}]`, "b:\x01\x02"}},
			{"foo", []any{[]byte("a"), map[string]any{"b": []byte("c")}, struct{ D socketio.Bytes }{[]byte("e")}},
				[]string{`453-["foo",{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}},{"D":{"_placeholder":true,"num":2}}]`, "b:a", "b:c", "b:e"}},
			{"foo", []any{map[string]string{"base64": "AQID"}}, []string{`42["foo",{"base64":"AQID"}]`}},
		} {
			if err := s.Emit(c.event, c.args...); err != nil {
				t.Error(err)
			}
			p.expect(c.want...)
			if err := n.Emit(c.event, c.args...); err != nil { // by way of the channel
				t.Error(err)
			}
			p.expect(c.want...)
		}
		p.connect("/admin", "")
		await(t, sockets).Emit("foo", 1)
		p.expect(`42/admin,["foo",1]`)
		n.Of("/admin").Emit("foo", []byte("x"))
		p.expect(`451-/admin,["foo",{"_placeholder":true,"num":0}]`, "b:x")
	})
}

func TestWhatCannotBeSentIsAnError(t *testing.T) {
	n := start(t, socketio.Options{})
	for _, err := range []error{n.Emit("x", make(chan int)), n.Emit("x", 1, make(chan int)), n.Emit("disconnect"), n.Emit("new\nline"),
		n.To("/ns,room").Emit("x"), n.To("").Emit("x"), n.Local().Emit("x", make(chan int))} {
		if err == nil {
			t.Error("it was sent")
		}
	}
}

func TestTheClientsAcknowledgementsAreAnswered(t *testing.T) {
	both(t, func(t *testing.T, dial func(*node) *peer) {
		n := start(t, socketio.Options{})
		n.Of("/admin").OnConnection(func(s *socketio.Socket) {
			s.On("foo", func(ack socketio.Ack) { ack.Send() })
			s.On("baz", func(a, b []byte, ack socketio.Ack) { ack.Send(string(b), a) })
		})
		n.OnConnection(func(s *socketio.Socket) {
			s.On("foo", func(ack socketio.Ack) {
				ack.Send("bar")
				ack.Send("again")
			})
			s.On("unasked", func(ack socketio.Ack) {
				if ack.Wanted() {
					t.Error("nobody asks")
				}
				ack.Send("nothing")
			})
		})
		p := dial(n)
		p.connect("/", "")
		p.connect("/admin", "")
		p.send(`42["unasked"]`, `4212["foo"]`)
		p.expect(`4312["bar"]`)
		p.send(`42/admin,13["foo"]`)
		p.expect(`43/admin,13[]`)
		p.send(`452-/admin,7["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "b:a", "b:b")
		p.expect(`461-/admin,7["b",{"_placeholder":true,"num":0}]`, "b:a")
	})
}

func TestTheServersAcknowledgementsAreAnswered(t *testing.T) {
	both(t, func(t *testing.T, dial func(*node) *peer) {
		n := start(t, socketio.Options{})
		got := make(chan string, 1)
		n.OnConnection(func(s *socketio.Socket) {
			// within a handler: the client is heard meanwhile
			args, err := s.EmitWithAck(t.Context(), "question", 1)
			var text string
			var bytes []byte
			err = errors.Join(err, args.Decode(&text, &bytes))
			got <- fmt.Sprint(text, bytes, err)
		})
		p := dial(n)
		p.connect("/", "")
		p.expect(`421["question",1]`)
		p.send(`43999["nobody waits for this"]`, `461-1["answer",{"_placeholder":true,"num":0}]`, "b:\x07")
		if got := await(t, got); got != "answer[7] <nil>" {
			t.Error(got)
		}
		p.send(`431["late"]`) // is ignored
	})
}

func TestAnAcknowledgementThatDoesNotComeIsAnError(t *testing.T) {
	n := start(t, socketio.Options{AckTimeout: time.Nanosecond, MaxAcks: 1})
	sockets := make(chan *socketio.Socket, 1)
	n.OnConnection(func(s *socketio.Socket) { sockets <- s })
	p := n.dial(t)
	p.connect("/", "")
	s := await(t, sockets)
	if _, err := s.EmitWithAck(t.Context(), "x"); !errors.Is(err, socketio.ErrTimeout) {
		t.Errorf("by default: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.To().Timeout(time.Hour).EmitWithAck(ctx, "x"); !errors.Is(err, socketio.ErrTimeout) || !errors.Is(err, context.Canceled) {
		t.Errorf("the context ends: %v", err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := n.To().Timeout(time.Hour).EmitWithAck(t.Context(), "last")
		waiting <- err
	}()
	for {
		if packet := p.next(); strings.Contains(packet, "last") {
			break
		}
	}
	if _, err := n.To().Timeout(time.Hour).EmitWithAck(t.Context(), "x"); !errors.Is(err, socketio.ErrTooManyAcks) {
		t.Errorf("one too many: %v", err)
	}
	p.send("41")
	if err := await(t, waiting); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("the client goes: %v", err)
	}
	if _, err := s.EmitWithAck(t.Context(), "x"); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("the client has gone: %v", err)
	}
	if err := s.Emit("x"); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("emitting to one that has gone: %v", err)
	}
}

func TestWhoLearnsOfASocketsEndFindsItGone(t *testing.T) {
	n := start(t, socketio.Options{})
	sockets := make(chan *socketio.Socket, 1)
	n.OnConnection(func(s *socketio.Socket) { sockets <- s })
	p := n.dial(t)
	p.connect("/", "")
	s := await(t, sockets)
	release := s.Hold()
	defer release()
	p.send("41")
	eventually(t, "the socket's end begins", s.Over)
	if s.Connected() || len(n.To().Sockets()) > 0 {
		t.Error("it is still connected")
	}
	if err := s.Emit("x"); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("emitting to it: %v", err)
	}
}

func TestEventsOfASocketAreHandledInOrder(t *testing.T) {
	n := start(t, socketio.Options{MaxQueue: 4})
	const events = 500
	got := make(chan int, events)
	n.OnConnection(func(s *socketio.Socket) {
		s.On("n", func(i int) { got <- i })
	})
	p := n.dial(t)
	p.connect("/", "")
	for i := range events {
		p.send(fmt.Sprintf(`42["n",%d]`, i))
	}
	for i := range events {
		if n := await(t, got); n != i {
			t.Fatalf("%d came instead of %d", n, i)
		}
	}
}

func TestCatchAllOnceOffAndMiddlewaresOfASocket(t *testing.T) {
	n := start(t, socketio.Options{})
	got := make(chan string, 10)
	n.OnConnection(answering(func(s *socketio.Socket) {
		s.Use(func(e *socketio.Event) error {
			if e.Name == "secret" {
				return errors.New("not for you")
			}
			return nil
		})
		s.OnAny(func(event string, args socketio.Args, _ socketio.Ack) {
			if event != "alive" {
				got <- fmt.Sprint("any ", event, args.Len())
			}
		})
		s.Once("once", func() { got <- "once" })
		s.On("off", func() { got <- "off" })
		s.On("secret", func() { got <- "secret" })
		s.Off("off")
	}))
	p := n.dial(t)
	p.connect("/", "")
	p.send(`42["once",1]`, `42["once"]`, `42["off"]`, `421["secret"]`)
	p.expect(`431[{"error":"not for you"}]`)
	p.alive()
	for _, want := range []string{"any once1", "once", "any once0", "any off0", "any secret0"} {
		if got := await(t, got); got != want {
			t.Errorf("%s instead of %s", got, want)
		}
	}
	if len(got) > 0 {
		t.Errorf("and %s", <-got)
	}
}
