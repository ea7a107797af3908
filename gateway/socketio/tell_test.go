// Events that are made ready once for many sockets.

package socketio_test

import (
	"errors"
	"testing"

	"github.com/ringdown/ringdown/gateway/socketio"
)

func TestWhatIsToldReachesWhoIsThereAndIsNotKept(t *testing.T) {
	n, sockets, gone := recovering(t, socketio.Options{})
	p := n.dial(t)
	first := p.connect("/", "")
	s := await(t, sockets)
	e, err := n.Of("/").Prepare("news", map[string]int{"n": 1})
	if err != nil {
		t.Fatal(err)
	}
	s.Emit("kept", 1)
	offset := p.offset("kept1")
	if err := s.Tell(e); err != nil {
		t.Fatal(err)
	}
	p.expect(`42["news",{"n":1}]`)
	s.Emit("kept", 2) // which the client does not see
	s.Tell(e)
	p.close()
	await(t, gone)
	if err := s.Tell(e); !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("to a client that has gone: %v", err)
	}
	p = n.dial(t)
	p.send(`40` + back(first, offset))
	p.offset("kept2")
	if again := p.welcome("/", "", ""); again.SID != first.SID {
		t.Error("it has not recovered")
	}
	p.alive()
}

func TestWhatCannotBeTold(t *testing.T) {
	n, sockets, _ := recovering(t, socketio.Options{})
	for name, args := range map[string][]any{"text last": {1, "x"}, "no argument": nil, "no JSON": {func() {}}} {
		if _, err := n.Of("/").Prepare("news", args...); err == nil {
			t.Errorf("%s: it was prepared", name)
		}
	}
	if _, err := n.Of("/").Prepare("connect", 1); err == nil {
		t.Error("an event of Socket.IO's own was prepared")
	}
	p := n.dial(t)
	p.connect("/", "")
	other, err := n.Of("/other").Prepare("news", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := await(t, sockets).Tell(other); err == nil {
		t.Error("an event of another namespace was told")
	}
	p.alive()
}
