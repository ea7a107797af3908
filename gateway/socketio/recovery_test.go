// Clients that were away for a moment and go on where they were.

package socketio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

// recovering is a node with recovery. Its sockets join "room" the first time, and tell what becomes of them.
func recovering(t *testing.T, o socketio.Options) (n *node, sockets chan *socketio.Socket, gone chan string) {
	t.Helper()
	if o.Recovery == nil {
		o.Recovery = &socketio.Recovery{}
	}
	n = start(t, o)
	sockets, gone = make(chan *socketio.Socket, 20), make(chan string, 20)
	n.OnConnection(joining(sockets, gone))
	return n, sockets, gone
}

func joining(sockets chan *socketio.Socket, gone chan string) func(*socketio.Socket) {
	return answering(func(s *socketio.Socket) {
		if !s.Recovered() {
			s.Join("room")
			s.Set("name", "ann")
		}
		s.OnDisconnect(func(reason string) { gone <- reason })
		sockets <- s
	})
}

// offset is the last argument of an event, which must have some arguments before it.
func (p *peer) offset(want string) string {
	p.t.Helper()
	got := p.next()
	data, _ := strings.CutPrefix(got, "42")
	var args []any
	if err := json.Unmarshal([]byte(data), &args); err != nil || len(args) < 2 {
		p.t.Fatalf("%q: %v", got, err)
	}
	last, ok := args[len(args)-1].(string)
	if text := fmt.Sprint(args[:len(args)-1]...); !ok || text != want {
		p.t.Fatalf("%q came instead of %q with an offset", got, want)
	}
	return last
}

// back is the auth of a client that comes back.
func back(a accepted, offset string) string {
	if offset == "" {
		return fmt.Sprintf(`{"pid":%q}`, a.PID)
	}
	return fmt.Sprintf(`{"pid":%q,"offset":%q,"token":"x"}`, a.PID, offset)
}

func TestAClientRecoversWhatItMissed(t *testing.T) {
	both(t, func(t *testing.T, dial func(*node) *peer) {
		n, sockets, gone := recovering(t, socketio.Options{})
		p := dial(n)
		a := p.connect("/", "")
		first := await(t, sockets)
		if first.Recovered() || a.PID == "" || a.PID == a.SID {
			t.Fatalf("%+v", a)
		}
		n.To("room").Emit("m", 1)
		first.Emit("direct", 2)
		p.offset("m1")
		offset := p.offset("direct2")
		n.Emit("lost", 3)
		p.offset("lost3") // the client goes before it has handled this one
		p.send("1")       // closes the transport
		p.close()
		if reason := await(t, gone); reason != "transport close" {
			t.Error(reason)
		}
		n.To("room").Emit("m", 4)
		n.To("room").Volatile().Emit("fleeting")
		n.To("elsewhere").Emit("m", "not for it")
		first.Emit("direct", 5)
		n.To(a.SID).Emit("direct", 6)
		n.To("room").Except("room").Emit("excepted")
		n.Emit("all", 7)

		p = dial(n)
		p.ask("/", back(a, offset))
		for _, want := range []string{"lost3", "m4", "direct5", "direct6", "all7"} {
			p.offset(want)
		}
		if again := p.welcome("/", "", ""); again != a {
			t.Errorf("%+v instead of %+v", again, a)
		}
		s := await(t, sockets)
		if !s.Recovered() || s.Get("name") != "ann" || !slices.Equal(s.Rooms(), []string{a.SID, "room"}) || string(s.Auth()) != `{"token":"x"}` {
			t.Errorf("%t %v %v %s", s.Recovered(), s.Get("name"), s.Rooms(), s.Auth())
		}
		n.To("room").Emit("m", 8)
		p.offset("m8")
		p.alive()
	})
}

func TestALiveSessionIsTakenOver(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	old := n.dial(t)
	a := old.connect("/", "")
	await(t, sockets)
	n.To("room").Emit("m", 1)
	offset := old.offset("m1")
	n.To("room").Emit("m", 2) // into the dead path
	p := n.dial(t)
	p.ask("/", back(a, offset))
	p.offset("m2")
	if again := p.welcome("/", "", ""); again != a {
		t.Errorf("%+v instead of %+v", again, a)
	}
	if !await(t, sockets).Recovered() {
		t.Error("it was not recovered")
	}
	if reason := await(t, gone); reason != "transport close" {
		t.Error(reason)
	}
	old.ended()
	n.To("room").Emit("m", 3)
	p.offset("m3")
	if n.hub.Sessions() != 1 || n.hub.Subscribers("room") != 1 {
		t.Error("the old session is still there")
	}
}

func TestAClientThatGotNoEventRecovers(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	p := n.dial(t)
	a := p.connect("/", "")
	await(t, sockets)
	p.close()
	await(t, gone)
	n.To("room").Emit("m", 1)
	p = n.dial(t)
	p.ask("/", back(a, ""))
	p.offset("m1")
	if again := p.welcome("/", "", ""); again != a {
		t.Errorf("%+v instead of %+v", again, a)
	}
}

func TestAClientRecoversAgainAndAgain(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	p := n.dial(t)
	a := p.connect("/", "")
	s := await(t, sockets)
	offset, sent, got := "", 0, 0
	emit := func() { // by one of three ways
		sent++
		switch sent % 3 {
		case 0:
			n.To("room").Emit("m", sent)
		case 1:
			s.Emit("m", sent)
		default:
			n.Emit("m", sent)
		}
	}
	for round := range 12 {
		for range 60 {
			emit()
		}
		for range 20 * (round % 4) { // the rest is lost on the way
			got++
			offset = p.offset(fmt.Sprint("m", got))
		}
		p.close()
		await(t, gone)
		emit()
		p = n.dial(t)
		p.ask("/", back(a, offset))
		for got < sent {
			got++
			offset = p.offset(fmt.Sprint("m", got))
		}
		if again := p.welcome("/", "", ""); again != a {
			t.Fatalf("round %d: %+v instead of %+v", round, again, a)
		}
		s = await(t, sockets)
	}
}

func TestRecoveryFailsIntoAPlainSession(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{Identify: func(_ context.Context, _ *engineio.Handshake, auth json.RawMessage) (hub.Identity, error) {
		if strings.Contains(string(auth), "eve") {
			return hub.Identity{User: "eve"}, nil
		}
		return hub.Identity{}, nil
	}})
	leave := func() (accepted, string) {
		p := n.dial(t)
		a := p.connect("/", "")
		await(t, sockets)
		n.Emit("m", 1)
		offset := p.offset("m1")
		p.close()
		await(t, gone)
		return a, offset
	}
	a, offset := leave()
	for name, auth := range map[string]string{
		"an unknown pid":    `{"pid":"nobody","offset":"` + offset + `"}`,
		"a pid that is odd": `{"pid":7,"offset":[]}`,
		"another user":      `{"pid":"` + a.PID + `","offset":"` + offset + `","who":"eve"}`,
	} {
		p := n.dial(t)
		if again := p.connect("/", auth); again.SID == a.SID || again.PID == a.PID {
			t.Errorf("%s: %+v", name, again)
		}
		if await(t, sockets).Recovered() {
			t.Errorf("%s: recovered", name)
		}
	}
	for name, offset := range map[string]string{"an unknown offset": "aaaaaaaa-1", "no offset at all": "?", "a mark of another": "~zz"} {
		a, _ := leave()
		if again := n.dial(t).connect("/", back(a, offset)); again.SID == a.SID {
			t.Errorf("%s: %+v", name, again)
		}
		await(t, sockets)
	}
	p := n.dial(t)
	p.ask("/", back(a, offset))
	for range 3 { // what the others were told
		p.offset("m1")
	}
	if again := p.welcome("/", "", ""); again != a { // nobody has spoilt it
		t.Errorf("%+v instead of %+v", again, a)
	}
}

func TestWhatHistoryHasLostIsNotRecovered(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	if err := n.hub.SetRules([]hub.Rule{{Pattern: "*", History: hub.Retention{Count: 2, Age: time.Hour}}}); err != nil {
		t.Fatal(err)
	}
	p := n.dial(t)
	a := p.connect("/", "")
	await(t, sockets)
	n.To("room").Emit("m", 1)
	offset := p.offset("m1")
	p.close()
	await(t, gone)
	for i := range 4 {
		n.To("room").Emit("m", i)
	}
	if again := n.dial(t).connect("/", back(a, offset)); again.SID == a.SID {
		t.Error("recovered")
	}
}

func TestWhoLeavesOrIsSentAwayDoesNotRecover(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	for _, end := range []func(*peer, *socketio.Socket){
		func(p *peer, _ *socketio.Socket) { p.send("41") },
		func(_ *peer, s *socketio.Socket) { s.Disconnect(false) },
	} {
		p := n.dial(t)
		a := p.connect("/", "")
		end(p, await(t, sockets))
		await(t, gone)
		if again := n.dial(t).connect("/", back(a, "")); again.SID == a.SID {
			t.Error("recovered")
		}
		await(t, sockets)
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{Recovery: &socketio.Recovery{MaxKept: 1}})
	var left []accepted
	for range 2 {
		p := n.dial(t)
		left = append(left, p.connect("/", ""))
		await(t, sockets)
		p.close()
		await(t, gone)
	}
	if kept := n.Stats().Kept; kept != 1 {
		t.Errorf("%d are kept", kept)
	}
	if again := n.dial(t).connect("/", back(left[1], "")); again != left[1] {
		t.Errorf("%+v", again)
	}
	if again := n.dial(t).connect("/", back(left[0], "")); again == left[0] {
		t.Errorf("%+v", again)
	}
}

func TestWhatIsKeptGoesOutOfDate(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{Recovery: &socketio.Recovery{MaxDisconnection: time.Nanosecond}})
	p := n.dial(t)
	a := p.connect("/", "")
	await(t, sockets)
	p.close()
	await(t, gone)
	if again := n.dial(t).connect("/", back(a, "")); again == a {
		t.Error("recovered")
	}
}

func TestWhatIsKeptOutlivesTheServer(t *testing.T) {
	h, err := hub.New(hub.Options{Broker: newBroker(), Rules: history})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Shutdown(context.Background()) })
	sockets, gone := make(chan *socketio.Socket, 20), make(chan string, 20)
	options := socketio.Options{Recovery: &socketio.Recovery{}}
	one := over(t, h, options)
	one.OnConnection(joining(sockets, gone))
	p := one.dial(t)
	a := p.connect("/", "")
	s := await(t, sockets)
	one.To("room").Emit("m", 1)
	offset := p.offset("m1")
	s.Emit("own", 2)
	p.offset("own2")
	down := make(chan error, 1)
	go func() { down <- one.Shutdown(context.Background()) }()
	p.ended()
	if err := await(t, down); err != nil {
		t.Fatal(err)
	}
	if reason := await(t, gone); reason != string(engineio.ServerShutdown) {
		t.Error(reason)
	}
	var file bytes.Buffer
	if err := one.Save(&file); err != nil {
		t.Fatal(err)
	}

	two := over(t, h, options)
	two.OnConnection(joining(sockets, gone))
	if err := two.Load(&file); err != nil {
		t.Fatal(err)
	}
	two.To("room").Emit("m", 3)
	p = two.dial(t)
	p.ask("/", back(a, offset))
	p.offset("own2")
	p.offset("m3")
	if again := p.welcome("/", "", ""); again != a {
		t.Errorf("%+v instead of %+v", again, a)
	}
	if s := await(t, sockets); s.Get("name") != "ann" || !slices.Contains(s.Rooms(), "room") {
		t.Error(s.Get("name"), s.Rooms())
	}
	for _, bad := range []string{"", "{", `{"Version":2}`, "{\"Version\":1}\nx", "{\"Version\":1}\n]", "{\"Version\":1}\n{}"} {
		if two.Load(strings.NewReader(bad)) == nil {
			t.Errorf("%q is loaded", bad)
		}
	}
}

func TestRecoveryNeedsHistory(t *testing.T) {
	h, err := hub.New(hub.Options{Broker: newBroker()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Shutdown(context.Background()) })
	if _, err := socketio.New(h, socketio.Options{Recovery: &socketio.Recovery{}}); err == nil || !strings.Contains(err.Error(), "History") {
		t.Error(err)
	}
}

func TestAClientThatIsRefusedOnItsWayBackMayTryAgain(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	n.Use(func(s *socketio.Socket) error {
		if s.Auth() != nil {
			return errors.New("no")
		}
		return nil
	})
	p := n.dial(t)
	a := p.connect("/", "")
	s := await(t, sockets)
	p.close()
	await(t, gone)
	s.Emit("own", 1)
	n.To("room").Emit("m", 2)
	p = n.dial(t)
	p.send(`40{"pid":"` + a.PID + `","token":"x"}`)
	p.expect(`44{"message":"no"}`)
	p.ask("/", back(a, ""))
	p.offset("own1")
	p.offset("m2")
	if again := p.welcome("/", "", ""); again != a {
		t.Errorf("%+v instead of %+v", again, a)
	}
}

func TestASecondNamespaceIsTakenOverWithTheFirst(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	n.Of("/admin").OnConnection(joining(sockets, gone))
	old := n.dial(t)
	a, b := old.connect("/", ""), old.connect("/admin", "")
	p := n.dial(t)
	if again := p.connect("/", back(a, "")); again != a {
		t.Errorf("%+v instead of %+v", again, a)
	}
	n.Of("/admin").To("room").Emit("m", 1)
	p.ask("/admin", back(b, ""))
	if got := p.next(); !strings.HasPrefix(got, `42/admin,["m",1,`) {
		t.Error(got)
	}
	if again := p.welcome("/admin", "", "/admin,"); again != b {
		t.Errorf("%+v instead of %+v", again, b)
	}
}

func TestMiddlewaresMayBeSkippedForThoseWhoRecover(t *testing.T) {
	for _, skip := range []bool{false, true} {
		n, sockets, gone := recovering(t, socketio.Options{Recovery: &socketio.Recovery{SkipMiddlewares: skip}})
		asked := make(chan bool, 2)
		n.Use(func(s *socketio.Socket) error { asked <- s.Recovered(); return nil })
		p := n.dial(t)
		a := p.connect("/", "")
		await(t, sockets)
		p.close()
		await(t, gone)
		n.dial(t).connect("/", back(a, ""))
		await(t, sockets)
		if <-asked; len(asked) == 1 == skip {
			t.Errorf("skip %t: asked %d times more", skip, len(asked))
		}
	}
}
