// What a client that comes back must not lose, and what it must not get.

package socketio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

func TestWhatIsEmittedToAnIDIsNobodyElses(t *testing.T) {
	n := start(t, socketio.Options{})
	gone := make(chan string, 1)
	n.OnConnection(answering(func(s *socketio.Socket) { s.OnDisconnect(func(r string) { gone <- r }) }))
	p := n.dial(t)
	a := p.connect("/", "")
	p.send("41")
	await(t, gone)
	if err := n.To(a.SID).Emit("private", "a secret"); err != nil {
		t.Log(err)
	}
	h, err := n.hub.History(t.Context(), a.SID, hub.Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range h.Publications {
		t.Errorf("the channel %q, which anybody may read, has %s %q", p.Channel, p.Event, p.Payload)
	}
}

func TestALeftAndJoinedRoomIsRecovered(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	p := n.dial(t)
	a := p.connect("/", "")
	s := await(t, sockets)
	s.Join("room")
	n.Emit("first", 1)
	at := p.offset("first1")
	n.To("room").Emit("second") // which the client does not get, as the line is dead
	s.Leave("room")
	s.Join("room")
	p.close()
	await(t, gone)
	p = n.dial(t)
	p.ask("/", back(a, at))
	if got := p.next(); !strings.HasPrefix(got, `42["second"`) {
		t.Errorf("%s came, and second is lost", got)
	}
}

func TestExceptionsHoldAsOfWhenItWasPublished(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	p := n.dial(t)
	a := p.connect("/", "")
	s := await(t, sockets)
	s.Join("room")
	n.Emit("first", 1)
	at := p.offset("first1")
	n.To("room").Except("muted").Emit("second") // for this client, too
	s.Join("muted")
	n.To("room").Except("muted").Emit("third") // not for this client
	s.Leave("muted")
	s.Join("other")
	p.close()
	await(t, gone)
	p = n.dial(t)
	p.ask("/", back(a, at))
	for {
		got := p.next()
		if strings.HasPrefix(got, "40") {
			break
		}
		if strings.HasPrefix(got, `42["third"`) {
			t.Errorf("%s, from which the client was excepted, came at recovery", got)
		}
	}
}

func TestAClientThatIsOftenExceptedRecovers(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	p := n.dial(t)
	a := p.connect("/", "")
	s := await(t, sockets)
	s.Join("one", "two")
	n.Emit("first", 1)
	at := p.offset("first1")
	for range 150 { // it talks in two rooms by turns, and nobody else does
		s.To("one").Emit("x")
		s.To("two").Emit("x")
	}
	p.close()
	await(t, gone)
	p = n.dial(t)
	if b := p.connect("/", back(a, at)); b.PID != a.PID {
		t.Error("a client that has missed nothing is not recovered")
	}
}

func TestWhatIsSentToOneWhileItRecoversIsNotLost(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	p := n.dial(t)
	a := p.connect("/", "")
	await(t, sockets)
	n.Emit("first", 1)
	at := p.offset("first1")
	p.close()
	await(t, gone)
	within, on := make(chan bool), make(chan bool)
	n.Use(func(s *socketio.Socket) error { within <- true; <-on; return nil })
	p = n.dial(t)
	p.ask("/", back(a, at))
	await(t, within)
	if err := n.To(a.SID).Emit("private"); err != nil {
		t.Fatal(err)
	}
	on <- true
	await(t, sockets)
	n.Emit("last")
	for {
		got := p.next()
		if strings.Contains(got, "private") {
			return
		}
		if strings.Contains(got, "last") {
			t.Fatal("the client recovered, and the event is lost")
		}
	}
}

func TestARecoveryThatLosesSomethingIsNone(t *testing.T) {
	h, err := hub.New(hub.Options{Broker: newBroker(), Rules: []hub.Rule{{Pattern: "*", History: hub.Retention{Count: 5, Age: time.Hour}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Shutdown(context.Background()) })
	n := over(t, h, socketio.Options{Recovery: &socketio.Recovery{}})
	sockets, gone := make(chan *socketio.Socket, 10), make(chan string, 10)
	n.OnConnection(joining(sockets, gone))
	p := n.dial(t)
	a := p.connect("/", "")
	await(t, sockets)
	n.Emit("first", 1)
	at := p.offset("first1")
	p.close()
	await(t, gone)
	within, on := make(chan bool), make(chan bool)
	n.Use(func(s *socketio.Socket) error {
		if s.Recovered() { // it is asked again once it is a new one
			within <- true
			<-on
		}
		return nil
	})
	p = n.dial(t)
	p.ask("/", back(a, at))
	await(t, within)
	for i := range 20 {
		n.Emit("n", i)
	}
	on <- true
	b := p.welcome("/", "", "")
	s := await(t, sockets)
	if b.PID == a.PID || s.Recovered() {
		n.Emit("last", 1)
		t.Errorf("the client is told that it lost nothing; of 20 events and a last one, the first it gets is %s", p.next())
	}
}

func TestTheDataOfARecoveredSocketIsItsOwn(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	p := n.dial(t)
	a := p.connect("/", "")
	old := await(t, sockets)
	old.Set("a", 1)
	stop, done := make(chan bool), make(chan bool)
	go func() { // a goroutine of the program's that has not heard yet that the client has gone
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				old.Set("a", 2)
			}
		}
	}()
	n.Emit("first", 1)
	at := p.offset("first1")
	p.close()
	await(t, gone)
	p = n.dial(t)
	p.connect("/", back(a, at))
	s := await(t, sockets)
	for range 10_000 {
		s.Set("a", 3)
	}
	close(stop)
	<-done
}

func TestAuthIsTheProgramsWithoutRecovery(t *testing.T) {
	n := start(t, socketio.Options{})
	sockets := make(chan *socketio.Socket, 1)
	n.OnConnection(func(s *socketio.Socket) { sockets <- s })
	n.dial(t).connect("/", `{"pid":42,"offset":7}`)
	if got := string(await(t, sockets).Auth()); got != `{"pid":42,"offset":7}` {
		t.Errorf("the program sees %q", got)
	}
}

func TestWhoBreaksTheProtocolDoesNotRecover(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	p := n.dial(t)
	a := p.connect("/", "")
	await(t, sockets)
	n.Emit("first", 1)
	at := p.offset("first1")
	p.send("4x")
	await(t, gone)
	p = n.dial(t)
	if b := p.connect("/", back(a, at)); b.PID == a.PID {
		t.Error("recovered")
	}
}

func TestChannelsOfATokenAreThoseOfTheNewOne(t *testing.T) {
	calls := 0
	n, sockets, gone := recovering(t, socketio.Options{Identify: func(context.Context, *engineio.Handshake, json.RawMessage) (hub.Identity, error) {
		if calls++; calls == 1 {
			return hub.Identity{User: "ann", Channels: []string{"secret"}}, nil
		}
		return hub.Identity{User: "ann"}, nil
	}})
	p := n.dial(t)
	a := p.connect("/", "")
	await(t, sockets)
	n.Emit("first", 1)
	at := p.offset("first1")
	p.close()
	await(t, gone)
	p = n.dial(t)
	p.connect("/", back(a, at))
	if s := await(t, sockets); slices.Contains(s.Rooms(), "secret") {
		t.Errorf("recovered %v: it is in %q, which its token does not have any more", s.Recovered(), s.Rooms())
	}
}

func TestOneSocketThatCannotBeSavedIsNotTheEndOfAll(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	for i := range 3 {
		p := n.dial(t)
		p.connect("/", "")
		s := await(t, sockets)
		if i == 0 {
			s.Set("f", func() {})
		}
		p.close()
		await(t, gone)
	}
	var b bytes.Buffer
	err := n.Save(&b)
	if lines := bytes.Count(b.Bytes(), []byte("\n")); lines < 3 {
		t.Errorf("%d of 2 sockets that can be saved are: %v", lines-1, err)
	}
}
