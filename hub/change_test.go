package hub_test

import (
	"errors"
	"testing"

	"github.com/ringdown/ringdown/hub"
)

func TestRulesCanBeReplacedWhileTheHubRuns(t *testing.T) {
	h := start(t, hub.Options{Rules: []hub.Rule{{Pattern: "chat"}}})
	c := open(t, h, "chat")
	publish := func() error {
		_, err := c.Publish(t.Context(), &hub.Publication{Channel: "chat", Payload: []byte("hello")}, hub.PublishOptions{})
		return err
	}
	refused(t, "publishing before", publish(), hub.NotAllowed)
	if err := h.SetRules([]hub.Rule{{Pattern: "chat", Publish: hub.Everyone, Subscribe: hub.Server}}); err != nil {
		t.Fatal(err)
	}
	if err := publish(); err != nil {
		t.Errorf("publishing after: %v", err)
	}
	late := open(t, h)
	refused(t, "subscribing after", late.Subscribe(t.Context(), "chat", hub.SubscribeOptions{}), hub.NotAllowed)
	if err := h.SetRules([]hub.Rule{{Pattern: "a"}, {Pattern: "["}}); err == nil {
		t.Error("a pattern that matches nothing was taken")
	}
	if err := publish(); err != nil {
		t.Errorf("a list that was refused changed the rules: %v", err)
	}
}

func TestRulesMayChangeUnderTraffic(t *testing.T) {
	h := start(t, hub.Options{})
	open(t, h, "chat")
	changed := make(chan error)
	go func() {
		var err error
		for i := range 200 {
			err = errors.Join(err, h.SetRules([]hub.Rule{{Pattern: "chat", Presence: i%2 == 0, Last: i%3 == 0, History: hub.Retention{Count: i % 5}}}))
		}
		changed <- err
	}()
	for range 200 {
		say(t, h, "chat", "word")
		other := open(t, h, "chat")
		other.Close()
	}
	if err := <-changed; err != nil {
		t.Error(err)
	}
}

func TestBoundsCanBeReplacedWhileTheHubRuns(t *testing.T) {
	h := start(t, hub.Options{MaxSessions: 1, MaxSubscriptions: 1})
	c := open(t, h, "one")
	refused(t, "a second subscription", c.Subscribe(t.Context(), "two", hub.SubscribeOptions{}), hub.TooManySubscriptions)
	if _, err := h.Open(newClient(), hub.Identity{}); !errors.Is(err, hub.ErrFull) {
		t.Errorf("a second session: %v", err)
	}
	h.SetBounds(2, 2)
	c.subscribe(t, "two", hub.SubscribeOptions{})
	open(t, h)
	h.SetBounds(1, 1)
	if _, err := h.Open(newClient(), hub.Identity{}); !errors.Is(err, hub.ErrFull) {
		t.Errorf("a third session: %v", err)
	}
	if h.Sessions() != 2 {
		t.Errorf("%d sessions are left of 2", h.Sessions())
	}
}
