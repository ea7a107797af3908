// Clients that read slowly: what is volatile is dropped, and what is not waits in the hub.

package socketio_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

func TestWhatIsVolatileIsDroppedWhileNobodyPolls(t *testing.T) {
	n := start(t, socketio.Options{})
	sockets := make(chan *socketio.Socket, 1)
	n.OnConnection(func(s *socketio.Socket) { sockets <- s })
	p := n.poll(t)
	p.connect("/", "")
	s := await(t, sockets)
	s.EmitVolatile("dropped") // no GET waits
	n.Volatile().Emit("dropped")
	n.Local().Volatile().Emit("dropped")
	n.To(s.ID()).Volatile().Emit("dropped")
	s.Emit("kept", 1)
	n.Emit("kept", 2)
	p.expect(`42["kept",1]`, `42["kept",2]`)
}

func TestASlowClientGetsEverythingInTheEnd(t *testing.T) {
	n := start(t, socketio.Options{Engine: engineio.Options{OutboxBytes: 64 << 10}})
	if err := n.hub.SetRules([]hub.Rule{{Pattern: "*", Slow: hub.DropOldest, Backlog: 64 << 20}}); err != nil {
		t.Fatal(err)
	}
	n.OnConnection(answering(nil))
	slow := n.poll(t)
	slow.connect("/", "")
	text := strings.Repeat("x", 10<<10)
	const events = 200 // thirty times what may wait for it
	for i := range events {
		if err := n.Emit("n", i, text); err != nil {
			t.Fatal(err)
		}
	}
	for i := range events {
		if got := slow.next(); len(got) < len(text) || !strings.HasPrefix(got, `42["n",`) {
			t.Fatalf("%d: %.40q", i, got)
		}
	}
	slow.alive()
}

func TestACrowdOfEventsBeforeAnOutboxIsFullHoldsItsPublisherBack(t *testing.T) {
	n := start(t, socketio.Options{Engine: engineio.Options{OutboxBytes: 256 << 10, PingInterval: time.Hour}}) // the writer never reads, so it answers no ping
	n.OnConnection(answering(func(s *socketio.Socket) {
		s.Join("room")
		s.On("say", func(text string) { s.To("room").Emit("said", text) })
	}))
	reader, writer := n.dial(t), n.dial(t)
	reader.connect("/", "")
	writer.connect("/", "")
	reader.alive()
	writer.alive()
	text := strings.Repeat("x", 5<<10)
	const events = 300 // six times what may wait for the reader
	go func() {
		for range events {
			writer.send(`42["say","` + text + `"]`)
		}
	}()
	for range events {
		if got := reader.next(); !strings.HasPrefix(got, `42["said"`) {
			t.Fatalf("%.40q", got)
		}
	}
}
