// What clients may ask of a server, and what they get no more of.

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
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

func TestAnAttachmentThatStandsInTwoPlacesEndsTheConnection(t *testing.T) {
	n := start(t, socketio.Options{})
	n.OnConnection(answering(func(s *socketio.Socket) {
		s.On("chat", func(any) { t.Error("it was called") })
	}))
	p := n.dial(t)
	p.connect("/", "")
	p.send(`451-["chat",[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]]`)
	p.ended()
	if got := n.Stats().ParseErrors; got != 1 {
		t.Errorf("%d parse errors", got)
	}
}

func TestAConnectionThatLeavesItsLastNamespaceIsCut(t *testing.T) {
	for timeout := 100 * time.Millisecond; ; timeout *= 4 { // which a machine may be too slow for
		n := start(t, socketio.Options{ConnectTimeout: timeout})
		p := n.dial(t)
		p.ask("/", "")
		if _, err := p.tryNext(); err != nil && timeout < patience {
			continue
		}
		p.send("41")
		p.ended()
		return
	}
}

func TestAClientThatConnectsAgainAndAgainIsCut(t *testing.T) {
	n := start(t, socketio.Options{})
	p := n.dial(t)
	for range 1000 { // a session of the hub each
		p.send("40")
		if _, err := p.tryNext(); err != nil {
			return
		}
		p.send("41")
	}
	t.Error("it connected a thousand times on one connection")
}

func TestHandlersThatAskGetTheirAnswersPastTheQueue(t *testing.T) {
	n := start(t, socketio.Options{})
	n.OnConnection(answering(func(s *socketio.Socket) {
		s.On("x", func(ctx context.Context, ack socketio.Ack) error {
			if _, err := s.EmitWithAck(ctx, "q"); err != nil {
				return err
			}
			return ack.Send()
		})
	}))
	p := n.dial(t)
	p.connect("/", "")
	const events = 700 // more than Options.MaxQueue, and ahead of the first answer
	for i := range events {
		p.send(fmt.Sprintf(`42%d["x"]`, i))
	}
	for answers := 0; answers < events; {
		got := p.next()
		if id, asks := strings.CutSuffix(got, `["q"]`); asks {
			p.send("43" + strings.TrimPrefix(id, "42") + "[]")
			continue
		}
		answers++
		if !strings.HasSuffix(got, "[]") {
			t.Fatalf("answer %d: %s", answers, got)
		}
	}
}

func TestAnOutboxHasRoomForSomeLargeAnswers(t *testing.T) {
	n := start(t, socketio.Options{})
	sent := make(chan error, 1)
	n.OnConnection(answering(func(s *socketio.Socket) {
		var first socketio.Ack
		s.On("first", func(ack socketio.Ack) { first = ack })
		s.On("second", func(second socketio.Ack) {
			large := strings.Repeat("x", 900_000)
			sent <- errors.Join(first.Send(large), second.Send(large))
		})
	}))
	p := n.poll(t)
	p.connect("/", "")
	p.send(`421["first"]`, `422["second"]`)
	if err := await(t, sent); err != nil { // no GET is there to take them
		t.Fatal(err)
	}
	for _, want := range []string{`431["x`, `432["x`} {
		if got := p.next(); !strings.HasPrefix(got, want) {
			t.Fatalf("%.20s instead of %s", got, want)
		}
	}
}

func TestHandlersWaitForAClientToReadWhatTheyAnswered(t *testing.T) {
	n := start(t, socketio.Options{Engine: engineio.Options{OutboxBytes: 100_000}})
	n.OnConnection(answering(func(s *socketio.Socket) {
		s.On("large", func(ack socketio.Ack) error { return ack.Send(strings.Repeat("x", 60_000)) })
	}))
	p := n.poll(t)
	p.connect("/", "")
	const answers = 20
	for i := range answers {
		p.send(fmt.Sprintf(`42%d["large"]`, i))
	}
	for i := range answers {
		if got := p.next(); !strings.HasPrefix(got, fmt.Sprintf(`43%d["x`, i)) {
			t.Fatalf("answer %d: %.20s", i, got)
		}
	}
}

func TestEventsWithMoreAttachmentsThanClientsTakeAreNotSent(t *testing.T) {
	n := start(t, socketio.Options{MaxAttachments: 2})
	sockets := make(chan *socketio.Socket, 1)
	n.OnConnection(answering(func(s *socketio.Socket) { sockets <- s }))
	p := n.dial(t)
	p.connect("/", "")
	s := await(t, sockets)
	one, list := []byte("x"), []any{[]byte("x"), []byte("x"), []byte("x")}
	for what, err := range map[string]error{
		"one argument":      n.Emit("x", list),
		"several arguments": n.Emit("x", one, one, one),
		"to one socket":     s.Emit("x", list...),
		"on this node":      n.Local().Emit("x", list...),
	} {
		if e, ok := errors.AsType[*hub.Error](err); !ok || e.Code != hub.TooLarge {
			t.Errorf("%s: %v", what, err)
		}
	}
	n.hub.Publish(t.Context(), &hub.Publication{Channel: "/,", Event: "others", Kind: hub.JSON, Form: hub.Embedded,
		Payload: []byte(`[{"base64":"AQ=="},{"base64":"Ag=="},{"base64":"Aw=="}]`)}, hub.PublishOptions{})
	p.expect(`452-["others",[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"base64":"Aw=="}]]`, "b:\x01", "b:\x02")
}

func TestABroadcastToTooManyRoomsIsRefusedAsAWhole(t *testing.T) {
	n := start(t, socketio.Options{})
	n.OnConnection(answering(func(s *socketio.Socket) { s.Join("r0") }))
	p := n.dial(t)
	p.connect("/", "")
	p.alive()
	var rooms []string
	for i := range hub.MaxExcept + 2 {
		rooms = append(rooms, fmt.Sprintf("r%d", i))
	}
	if err := n.To(rooms...).Emit("x"); err == nil {
		t.Error("it was sent")
	}
	p.alive() // and nothing before
	if err := n.To(rooms[1:]...).To("r0").Except().Emit("x"); err == nil {
		t.Error("it was sent")
	}
	if err := n.To(rooms[:hub.MaxExcept+1]...).Emit("x"); err != nil {
		t.Error(err)
	}
	p.expect(`42["x"]`)
}

func TestErrorsThatAreNotMeantForClientsStayOnTheServer(t *testing.T) {
	n := start(t, socketio.Options{Identify: func(context.Context, *engineio.Handshake, json.RawMessage) (hub.Identity, error) {
		return hub.Identity{}, errors.New("db.internal:5432 refuses the password")
	}})
	p := n.dial(t)
	p.ask("/", "")
	p.expect(`44{"message":"the server could not do it; its log says why","data":{"code":"internal"}}`)
}

func TestAPatternIsAskedAboutEveryClient(t *testing.T) {
	n := start(t, socketio.Options{})
	n.OfPattern(func(name string, auth json.RawMessage) bool { return strings.Contains(string(auth), "good") })
	n.dial(t).connect("/tenant", `{"token":"good"}`)
	p := n.dial(t)
	p.ask("/tenant", `{"token":"bad"}`)
	p.expect(`44/tenant,{"message":"Invalid namespace"}`)
	p.connect("/tenant", `{"token":"good"}`)
}

func TestTheDeadlineOfTheContextIsThatOfAnAcknowledgement(t *testing.T) {
	n := start(t, socketio.Options{AckTimeout: time.Nanosecond})
	sockets := make(chan *socketio.Socket, 1)
	n.OnConnection(answering(func(s *socketio.Socket) { sockets <- s }))
	p := n.dial(t)
	p.connect("/", "")
	s := await(t, sockets)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		_, err := s.EmitWithAck(ctx, "x")
		answered <- err
	}()
	p.expect(`421["x"]`)
	p.send(`431[]`)
	if err := await(t, answered); err != nil {
		t.Errorf("the context has a deadline, so that AckTimeout does not count: %v", err)
	}
	if _, err := n.Timeout(time.Nanosecond).EmitWithAck(ctx, "x"); !errors.Is(err, socketio.ErrTimeout) {
		t.Errorf("with a time-out of its own: %v", err)
	}
	if _, err := s.EmitWithAck(t.Context(), "x"); !errors.Is(err, socketio.ErrTimeout) {
		t.Errorf("without a deadline: %v", err)
	}
}
