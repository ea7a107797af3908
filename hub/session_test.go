package hub_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
)

func TestFullHubRefusesUntilASessionCloses(t *testing.T) {
	h := start(t, hub.Options{MaxSessions: 2})
	first := open(t, h)
	open(t, h)
	full := func(when string) {
		t.Helper()
		if _, err := h.Open(nil, hub.Identity{}); !errors.Is(err, hub.ErrFull) {
			t.Fatalf("a third session %s: %v, want ErrFull", when, err)
		}
	}
	full("at first")
	first.Session.End(errors.New("bye"))
	full("while the first says goodbye")
	first.Close()
	first.Close() // gives back one place, not two
	open(t, h)
	full("after closing one twice")
}

func TestChannelsVanishWhenEmpty(t *testing.T) {
	h := start(t, hub.Options{})
	c := open(t, h, "lobby")
	if n := h.Subscribers("lobby"); n != 1 {
		t.Fatalf("%d subscribers, want 1", n)
	}
	c.Close()
	if n, channels := h.Subscribers("lobby"), hub.ChannelCount(h); n != 0 || channels != 0 {
		t.Errorf("%d subscribers, %d channels after the last one left", n, channels)
	}
	if err := c.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{}); !errors.Is(err, hub.ErrEnded) {
		t.Errorf("a closed session subscribed: %v", err)
	}
	if hub.ChannelCount(h) != 0 {
		t.Error("a closed session made a channel")
	}
}

func TestChannelsAreListed(t *testing.T) {
	h := start(t, hub.Options{})
	open(t, h, "a", "b")
	open(t, h, "b")
	got := make(map[string]int)
	h.Channels(func(name string, n int) bool { got[name] = n; return true })
	if len(got) != 2 || got["a"] != 1 || got["b"] != 2 {
		t.Errorf("%v", got)
	}
	h.Channels(func(string, int) bool { got["calls"]++; return false })
	if got["calls"] != 1 {
		t.Errorf("went on %d times after being stopped", got["calls"])
	}
}

func TestSessionsAreFoundByIDAndUser(t *testing.T) {
	h := start(t, hub.Options{})
	ann, tab, anonymous := newClient(), newClient(), open(t, h)
	ann.login(t, h, hub.Identity{User: "ann"})
	tab.login(t, h, hub.Identity{User: "ann"})
	if h.Session(ann.ID()) != ann.Session || h.Session(anonymous.ID()) != anonymous.Session || h.Session("nobody") != nil {
		t.Error("not found by id")
	}
	if got := h.SessionsOf("ann"); len(got) != 2 || len(h.SessionsOf("")) != 0 || ann.User() != "ann" {
		t.Errorf("ann has %d sessions, nobody has %d", len(got), len(h.SessionsOf("")))
	}
	ann.Close()
	tab.Close()
	if got := h.SessionsOf("ann"); len(got) != 0 || h.Session(ann.ID()) != nil || h.Sessions() != 1 {
		t.Errorf("closed sessions are still known: %v", got)
	}
}

func TestEndedSessionIsToldWhyOnceAndNothingElse(t *testing.T) {
	h := start(t, hub.Options{})
	c := open(t, h, "lobby")
	cause := errors.New("out")
	c.Session.End(cause)
	c.Session.End(errors.New("again"))
	if c.cause != cause {
		t.Errorf("the receiver was told %v", c.cause)
	}
	if got := say(t, h, "lobby", "too late"); got.Subscribers != 0 || len(c.told()) != 0 {
		t.Error("an ended session took a publication")
	}
	if err := c.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{}); !errors.Is(err, hub.ErrEnded) {
		t.Errorf("an ended session subscribed: %v", err)
	}
	if n := h.Sessions(); n != 1 {
		t.Errorf("%d sessions, want 1 until the gateway closes it", n)
	}
}

func TestClosedSessionIsNotToldOfItsEnd(t *testing.T) {
	h := start(t, hub.Options{})
	c := open(t, h, "lobby")
	c.Close()
	c.Session.End(errors.New("too late"))
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.cause != nil {
		t.Errorf("the receiver was told %v", c.cause)
	}
}

func TestShutdownEndsAllAndWaitsForTheirGateways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hub.Options{})
		const closing = time.Second
		var clients []*client
		for range 3 {
			c := open(t, h, "lobby")
			clients = append(clients, c)
			go func() {
				<-c.ended
				time.Sleep(closing)
				c.Close()
			}()
		}
		started := time.Now()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took != closing {
			t.Errorf("took %v, want %v", took, closing)
		}
		for _, c := range clients {
			if c.cause != hub.ErrShutdown {
				t.Errorf("a session ended for %v, want ErrShutdown", c.cause)
			}
		}
		if _, err := h.Open(nil, hub.Identity{}); !errors.Is(err, hub.ErrShutdown) {
			t.Errorf("open after shutdown: %v, want ErrShutdown", err)
		}
		_, err := h.Publish(t.Context(), &hub.Publication{Channel: "lobby"}, hub.PublishOptions{})
		refused(t, "publishing after shutdown", err, hub.Unavailable)
	})
}

func TestShutdownIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hub.Options{})
		c := open(t, h)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown with a gateway that never closes: %v", err)
		}
		c.Close()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown again, all closed: %v", err)
		}
	})
}

func TestAllMeetsEachSessionThatStaysOnceWhileOthersComeAndGo(t *testing.T) {
	h := start(t, hub.Options{})
	stays := make(map[*hub.Session]int)
	for range 1000 {
		stays[open(t, h).Session] = 0
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				if s, err := h.Open(newClient(), hub.Identity{}); err == nil {
					s.Close()
				}
			}
		}
	}()
	for range 20 {
		for s := range h.All {
			if _, known := stays[s]; known {
				stays[s]++
			}
		}
	}
	close(stop)
	<-stopped
	for s, met := range stays {
		if met != 20 {
			t.Errorf("%s was met %d times in 20 walks", s.ID(), met)
		}
	}
	met := 0
	for range h.All {
		if met++; met == 3 {
			break
		}
	}
	if met != 3 || h.Sessions() != 1000 {
		t.Errorf("met %d of %d sessions", met, h.Sessions())
	}
}
