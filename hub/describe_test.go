package hub_test

import (
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// described is a receiver that knows its connection.
type described struct{ counter }

func (*described) Describe() hub.Description {
	return hub.Description{Transport: "websocket", Protocol: "native", Remote: "192.0.2.7:4711", Waiting: 12}
}

func TestASessionIsDescribedByItsGateway(t *testing.T) {
	h := start(t, hub.Options{})
	for _, c := range []struct {
		name     string
		receiver hub.Receiver
		want     hub.Description
	}{
		{"one that knows", new(described), hub.Description{Transport: "websocket", Protocol: "native", Remote: "192.0.2.7:4711", Waiting: 12}},
		{"one that does not", new(counter), hub.Description{}},
	} {
		before := time.Now().Truncate(time.Millisecond)
		s, err := h.Open(c.receiver, hub.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Connection(); got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
		if since := s.Since(); since.Before(before) || since.After(time.Now()) {
			t.Errorf("%s: opened at %v, which is not between %v and now", c.name, since, before)
		}
	}
}

func TestADismissalIsARefusalThatSaysWhetherToComeBack(t *testing.T) {
	for _, c := range []struct {
		dismissal hub.Dismissal
		code      hub.Code
	}{
		{hub.Dismissal{Reason: "your account was closed"}, hub.Disconnected},
		{hub.Dismissal{Reason: "we move house", Reconnect: true, Close: 4000}, hub.Unavailable},
	} {
		r, sentence := hub.RefusalOf(&c.dismissal)
		if r.Code != c.code || sentence != c.dismissal.Reason || (r.Status >= 500) != c.dismissal.Reconnect {
			t.Errorf("%+v: %s (%d), %q", c.dismissal, r.Code, r.Status, sentence)
		}
	}
}

func TestTheServerTakesNobodyIntoAChannelWhoCannotBeToldOfIt(t *testing.T) {
	h := start(t, hub.Options{})
	s, err := h.Open(&sortOf{about: hub.Description{Transport: "sse", Fixed: true}}, hub.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Subscribe(t.Context(), "own", hub.SubscribeOptions{}); err != nil {
		t.Errorf("its own channel: %v", err)
	}
	err = s.Subscribe(t.Context(), "offers", hub.SubscribeOptions{Forced: true})
	if r, _ := hub.RefusalOf(err); err == nil || r.Code != hub.NotAllowed {
		t.Errorf("one that the server wants: %v", err)
	}
}
