package hub_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// asked is a guard that does something before it lets publish.
type asked struct {
	strict
	meanwhile func(*hub.Session)
}

func (g asked) Publish(_ context.Context, s *hub.Session, _ *hub.Publication) error {
	g.meanwhile(s)
	return nil
}

func TestNobodyPublishesWhoseSessionHasEndedWhileGuardsWereAsked(t *testing.T) {
	for _, c := range []struct {
		proves    string
		meanwhile func(*hub.Session)
		code      hub.Code
	}{
		{"revoked", func(s *hub.Session) { s.End(hub.Errorf(hub.TokenRevoked, "go")) }, hub.TokenRevoked},
		{"expired", func(*hub.Session) { time.Sleep(time.Hour) }, hub.TokenExpired},
		{"gone", func(s *hub.Session) { s.Close() }, hub.Unavailable},
		{"still there", func(*hub.Session) {}, ""},
	} {
		t.Run(c.proves, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := asked{strict{make(chan *hub.Session, 1)}, c.meanwhile}
				o := hub.Options{Guards: []hub.Guard{g}, Rules: []hub.Rule{{Pattern: "*", Publish: hub.Everyone}}}
				s, _ := identified(t, o, hub.Identity{User: "ann", Expires: time.Now().Add(time.Hour)})
				if err := publishAs(t, s, "news"); codeOf(err) != c.code {
					t.Errorf("%v, want %q", err, c.code)
				}
			})
		})
	}
}

func TestAnIdentityIsConfirmedOnceItsSessionIsFound(t *testing.T) {
	var h *hub.Hub
	revoked := ""
	confirm := func(who *hub.Identity) error {
		if found := h.Find(hub.ByToken, who.Token); len(found) != 1 {
			t.Errorf("%q is confirmed while %d sessions are found", who.Token, len(found))
		}
		if who.Token == revoked {
			return hub.Errorf(hub.TokenRevoked, "revoked a moment ago")
		}
		return nil
	}
	g := strict{make(chan *hub.Session, 1)}
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{}), Confirm: confirm, Guards: []hub.Guard{g}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Shutdown(context.WithoutCancel(t.Context()))
	revoked = "bad"
	if _, err := h.Open(newClient(), hub.Identity{User: "ann", Token: "bad"}); codeOf(err) != hub.TokenRevoked || h.Sessions() != 0 {
		t.Errorf("opened: %v; there are %d sessions", err, h.Sessions())
	}
	if s := <-g.closed; !s.Absent() {
		t.Error("the guard is told of it as of a client that was there")
	}
	if _, err := h.Open(newClient(), hub.Identity{User: "ann", Token: "good", Expires: time.Now().Add(-time.Second)}); codeOf(err) != hub.TokenExpired {
		t.Errorf("opened after its end: %v", err)
	}
	<-g.closed

	e := ending{make(chan error, 1)}
	s, err := h.Open(e, hub.Identity{User: "ann", Token: "good"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Renew(hub.Identity{User: "ann", Token: "bad"}); codeOf(err) != hub.TokenRevoked {
		t.Errorf("renewed: %v", err)
	}
	if cause := <-e.cause; codeOf(cause) != hub.TokenRevoked {
		t.Errorf("ended by %v", cause)
	}
}

func TestSessionsAreFoundByWhatTheirIdentitiesHave(t *testing.T) {
	h := start(t, hub.Options{})
	open := func(who hub.Identity) *hub.Session {
		s, err := h.Open(newClient(), who)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ann := open(hub.Identity{User: "ann", Subject: "ann", Login: "monday", Token: "1"})
	renamed := open(hub.Identity{User: "customer-7", Subject: "ann", Login: "monday", Token: "2"})
	nobody := open(hub.Identity{})
	check := func(when string, by hub.Trait, value string, want ...*hub.Session) {
		t.Helper()
		found := h.Find(by, value)
		if len(found) != len(want) || slices.ContainsFunc(want, func(s *hub.Session) bool { return !slices.Contains(found, s) }) {
			t.Errorf("%s: by %d %q are found %v, want %v", when, by, value, found, want)
		}
	}
	check("at first", hub.ByUser, "ann", ann)
	check("at first", hub.BySubject, "ann", renamed)
	check("at first", hub.ByLogin, "monday", ann, renamed)
	check("at first", hub.ByToken, "2", renamed)
	check("at first", hub.ByUser, "")
	if err := nobody.Renew(hub.Identity{User: "ann", Subject: "ann", Login: "monday", Token: "3"}); err != nil {
		t.Fatal(err)
	}
	if err := ann.Renew(hub.Identity{User: "ann", Subject: "ann", Login: "tuesday", Token: "4"}); err != nil {
		t.Fatal(err)
	}
	check("renewed", hub.ByUser, "ann", ann, nobody)
	check("renewed", hub.ByLogin, "monday", nobody, renamed)
	check("renewed", hub.ByLogin, "tuesday", ann)
	check("renewed", hub.ByToken, "1")
	check("renewed", hub.ByToken, "4", ann)
	for _, s := range []*hub.Session{ann, renamed, nobody} {
		s.Close()
	}
	for by, value := range map[hub.Trait]string{hub.ByUser: "ann", hub.BySubject: "ann", hub.ByLogin: "monday", hub.ByToken: "4"} {
		check("gone", by, value)
	}
}
