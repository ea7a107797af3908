// What the watchers of a channel are told, and how often it is encoded.

package commands

import (
	"context"
	"log/slog"
	"testing"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/socketio"
	"github.com/ringdown/ringdown/hub"
)

func TestAnEventOfPresenceIsPreparedOnceForAllWatchers(t *testing.T) {
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{}), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Shutdown(context.Background()) })
	g, err := New(h, socketio.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Shutdown(context.Background()) })
	event := hub.PresenceEvent{Channel: "lobby", Joined: true, Member: hub.Member{Session: "s1", User: "ann", Info: []byte(`{"age":7}`)}, Sessions: 2, Users: 1}
	for _, c := range []struct {
		differs string
		crowded bool // both are
		change  func(n *hub.Notice)
		same    bool
	}{
		{"nothing", false, func(*hub.Notice) {}, true},
		{"the channel", false, func(n *hub.Notice) { n.Channel = "other" }, false},
		{"the session", false, func(n *hub.Notice) { n.Presence.Member.Session = "s2" }, false},
		{"the user", false, func(n *hub.Notice) { n.Presence.Member.User = "bob" }, false},
		{"the info, in place", false, func(n *hub.Notice) { n.Presence.Member.Info[7] = '8' }, false},
		{"joined", false, func(n *hub.Notice) { n.Presence.Joined = false }, false},
		{"the sessions", false, func(n *hub.Notice) { n.Presence.Sessions++ }, false},
		{"the users", false, func(n *hub.Notice) { n.Presence.Users++ }, false},
		{"crowded", false, func(n *hub.Notice) { n.Crowded = true }, false},
		{"who it was in a crowd", true, func(n *hub.Notice) { n.Presence.Member.Session = "s2" }, true},
		{"the sessions of a crowd", true, func(n *hub.Notice) { n.Presence.Sessions++ }, false},
	} {
		e := event // the one of a crowd is used again, so that its address says nothing
		e.Member.Info = []byte(string(event.Member.Info))
		n := &hub.Notice{Type: hub.Present, Channel: "lobby", Presence: &e, Crowded: c.crowded}
		first := g.newest.of(g.Of("/"), n)
		c.change(n)
		if got := g.newest.of(g.Of("/"), n); first == nil || got == nil || (got == first) != c.same {
			t.Errorf("%s differs: the same event: %t", c.differs, got == first)
		}
	}
}
