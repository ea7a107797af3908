package hub_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// ending is a receiver that keeps why its session ended.
type ending struct{ cause chan error }

func (e ending) Receive(*hub.Publication) hub.Reception { return hub.Taken }
func (e ending) Notify(*hub.Notice)                     {}
func (e ending) End(cause error)                        { e.cause <- cause }

// identified runs a hub and a session of who in it.
func identified(t *testing.T, o hub.Options, who hub.Identity) (*hub.Session, ending) {
	t.Helper()
	o.Broker = memory.New(memory.Options{})
	h, err := hub.New(o)
	if err != nil {
		t.Fatal(err)
	}
	e := ending{make(chan error, 1)}
	s, err := h.Open(e, who)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := h.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s, e
}

func codeOf(err error) hub.Code {
	if e, ok := errors.AsType[*hub.Error](err); ok {
		return e.Code
	}
	return ""
}

func TestASessionEndsWithItsIdentityUnlessThatIsRenewed(t *testing.T) {
	for _, c := range []struct {
		name    string
		renewed time.Duration // after the start, for another minute; 0 is not at all
		ends    time.Duration
	}{
		{"left alone", 0, time.Minute},
		{"renewed in time", 30 * time.Second, 90 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s, e := identified(t, hub.Options{}, hub.Identity{User: "ann", Expires: start.Add(time.Minute)})
				if c.renewed != 0 {
					time.Sleep(c.renewed)
					if err := s.Renew(hub.Identity{User: "ann", Expires: time.Now().Add(time.Minute)}); err != nil {
						t.Fatal(err)
					}
				}
				if cause := <-e.cause; codeOf(cause) != hub.TokenExpired {
					t.Errorf("ended by %v", cause)
				}
				if after := time.Since(start); after < c.ends || after > c.ends+2*time.Second {
					t.Errorf("ended after %v, want %v", after, c.ends)
				}
			})
		})
	}
}

func TestExpiryEndsEachSessionInItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{})})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var ends []ending
		var sessions []*hub.Session
		for _, minutes := range []time.Duration{3, 1, 0, 2} { // 0 has no end
			e := ending{make(chan error, 1)}
			who := hub.Identity{}
			if minutes > 0 {
				who.Expires = start.Add(minutes * time.Minute)
			}
			s, err := h.Open(e, who)
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, s)
			ends = append(ends, e)
		}
		for minute, want := range [][]bool{0: nil, 1: {false, true, false, false}, 2: {false, true, false, true}, 3: {true, true, false, true}} {
			time.Sleep(time.Until(start.Add(time.Duration(minute)*time.Minute + 5*time.Second)))
			synctest.Wait()
			for i := range want {
				if ended := len(ends[i].cause) == 1; ended != want[i] {
					t.Errorf("after %d minutes, session %d has ended: %v", minute, i, ended)
				}
			}
		}
		for _, s := range sessions {
			s.Close()
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestASessionKeepsItsUser(t *testing.T) {
	s, _ := identified(t, hub.Options{}, hub.Identity{})
	if err := s.Renew(hub.Identity{User: "ann"}); err != nil {
		t.Errorf("an anonymous session may become somebody's: %v", err)
	}
	if err := s.Renew(hub.Identity{User: "bob"}); codeOf(err) != hub.Unauthorized {
		t.Errorf("ann became bob: %v", err)
	}
	if s.User() != "ann" {
		t.Errorf("it is %q", s.User())
	}
}

type grants map[hub.Right]string

func (g grants) May(r hub.Right, channel string) bool { return g[r] == channel }

func TestGrantsTakeThePlaceOfRules(t *testing.T) {
	open := hub.Options{Rules: []hub.Rule{{Pattern: "*", Publish: hub.Everyone, History: hub.Retention{Count: 1}}}}
	s, _ := identified(t, open, hub.Identity{User: "ann", Grants: grants{hub.ToSubscribe: "a", hub.ToPublish: "b", hub.ToReadHistory: "c"}})
	for _, c := range []struct {
		what    string
		channel string
		do      func(channel string) error
		allowed bool
	}{
		{"subscribe", "a", func(ch string) error { return s.Subscribe(t.Context(), ch, hub.SubscribeOptions{}) }, true},
		{"subscribe", "b", func(ch string) error { return s.Subscribe(t.Context(), ch, hub.SubscribeOptions{}) }, false},
		{"publish", "b", func(ch string) error { return publishAs(t, s, ch) }, true},
		{"publish", "a", func(ch string) error { return publishAs(t, s, ch) }, false},
		{"history", "c", func(ch string) error { _, err := s.History(t.Context(), ch, hub.Query{Limit: 1}); return err }, true},
		{"history", "a", func(ch string) error { _, err := s.History(t.Context(), ch, hub.Query{Limit: 1}); return err }, false},
	} {
		err := c.do(c.channel)
		if (err == nil) != c.allowed || err != nil && codeOf(err) != hub.NotAllowed {
			t.Errorf("%s %s: %v", c.what, c.channel, err)
		}
	}
}

func publishAs(t *testing.T, s *hub.Session, channel string) error {
	_, err := s.Publish(t.Context(), &hub.Publication{Channel: channel, Payload: []byte("x")}, hub.PublishOptions{})
	return err
}

func TestTokensOnAnOpenConnection(t *testing.T) {
	authenticate := func(_ context.Context, _ *hub.Session, token string) (hub.Identity, error) {
		switch token {
		case "ann":
			return hub.Identity{User: "ann"}, nil
		case "old":
			return hub.Identity{}, hub.Errorf(hub.TokenExpired, "too late")
		}
		return hub.Identity{}, errors.New("the key server at 10.0.0.1 is down")
	}
	s, _ := identified(t, hub.Options{Authenticate: authenticate}, hub.Identity{})
	for token, code := range map[string]hub.Code{"ann": "", "old": hub.TokenExpired, "x": hub.Internal} {
		err := s.Authenticate(t.Context(), token)
		if codeOf(err) != code || err != nil && strings.Contains(err.Error(), "10.0.0.1") {
			t.Errorf("%s: %v", token, err)
		}
	}
	without, _ := identified(t, hub.Options{}, hub.Identity{})
	if err := without.Authenticate(t.Context(), "ann"); codeOf(err) != hub.Unauthorized {
		t.Errorf("without keys: %v", err)
	}
}

// strict is a guard that refuses by the name of a channel, and shouts.
type strict struct{ closed chan *hub.Session }

func (g strict) Open(s *hub.Session) error {
	if s.User() == "nobody" {
		return hub.Errorf(hub.NotAllowed, "not you")
	}
	s.Keep(new(int))
	return nil
}

func (g strict) Renew(_ *hub.Session, who *hub.Identity) error {
	if who.User == "nobody" {
		return hub.Errorf(hub.NotAllowed, "nor him")
	}
	return nil
}

func (g strict) Message(s *hub.Session, bytes int) error {
	if total := s.Kept().(*int); *total+bytes > 10 {
		return hub.Errorf(hub.RateLimited, "too much")
	} else {
		*total += bytes
	}
	return nil
}

func (g strict) Subscribe(_ context.Context, _ *hub.Session, channel string) error {
	if channel == "no" {
		return hub.Errorf(hub.NotAllowed, "not this one")
	}
	return nil
}

func (g strict) Publish(_ context.Context, _ *hub.Session, p *hub.Publication) error {
	if p.Channel == "no" {
		return hub.Errorf(hub.NotAllowed, "not here")
	}
	p.Payload = []byte(strings.ToUpper(string(p.Payload)))
	return nil
}

func (g strict) Closed(s *hub.Session) { g.closed <- s }
func (g strict) Waits() bool           { return true }

func TestGuardsRefuseAndRewrite(t *testing.T) {
	g := strict{make(chan *hub.Session, 1)}
	o := hub.Options{Guards: []hub.Guard{g}, Rules: []hub.Rule{{Pattern: "*", Publish: hub.Everyone, History: hub.Retention{Count: 1}}}}
	s, _ := identified(t, o, hub.Identity{})
	if err := s.Subscribe(t.Context(), "no", hub.SubscribeOptions{}); codeOf(err) != hub.NotAllowed || s.Subscribed("no") {
		t.Errorf("subscribed: %v", err)
	}
	if err := s.Subscribe(t.Context(), "no", hub.SubscribeOptions{Forced: true}); err != nil {
		t.Errorf("the server is not asked: %v", err)
	}
	if err := publishAs(t, s, "no"); codeOf(err) != hub.NotAllowed {
		t.Errorf("published: %v", err)
	}
	if err := publishAs(t, s, "yes"); err != nil {
		t.Error(err)
	}
	history, err := s.History(t.Context(), "yes", hub.Query{Newest: true, Limit: 1})
	if err != nil || len(history.Publications) != 1 || string(history.Publications[0].Payload) != "X" {
		t.Errorf("%+v, %v", history.Publications, err)
	}
	if err := s.Admit(10); err != nil {
		t.Error(err)
	}
	if err := s.Admit(1); codeOf(err) != hub.RateLimited {
		t.Errorf("admitted: %v", err)
	}
	s.Close()
	s.Close()
	if got := <-g.closed; got != s || len(g.closed) != 0 {
		t.Error("the guard is told once")
	}
}

func TestGuardsDecideWhoMayConnect(t *testing.T) {
	first, second := strict{make(chan *hub.Session, 1)}, strict{make(chan *hub.Session, 1)}
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{}), Guards: []hub.Guard{first, second}, MaxSessions: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Shutdown(context.WithoutCancel(t.Context()))
	if _, err := h.Open(ending{make(chan error, 1)}, hub.Identity{User: "nobody"}); codeOf(err) != hub.NotAllowed {
		t.Errorf("opened: %v", err)
	}
	if len(first.closed) != 0 {
		t.Error("a guard was told of the end of a session that it had not let in")
	}
	s, err := h.Open(ending{make(chan error, 1)}, hub.Identity{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := h.Open(ending{make(chan error, 1)}, hub.Identity{User: "bob"}); !errors.Is(err, hub.ErrFull) {
		t.Errorf("opened: %v", err)
	}
	if len(first.closed) != 1 || len(second.closed) != 1 {
		t.Error("the guards were not told that the session which they let in found no place")
	}
	<-first.closed
	<-second.closed
}

// once is a guard that lets one publication pass.
type once struct {
	strict
	asked *int
}

func (g once) Publish(context.Context, *hub.Session, *hub.Publication) error {
	if *g.asked++; *g.asked > 1 {
		return hub.Errorf(hub.RateLimited, "one is enough")
	}
	return nil
}

func TestGuardsAreNotAskedAgainAboutWhatWasPublished(t *testing.T) {
	asked := 0
	g := once{strict{make(chan *hub.Session, 1)}, &asked}
	s, _ := identified(t, hub.Options{Guards: []hub.Guard{g}, Rules: []hub.Rule{{Pattern: "*", Publish: hub.Everyone}}}, hub.Identity{User: "ann"})
	var first hub.Receipt
	for attempt := range 3 {
		receipt, err := s.Publish(t.Context(), &hub.Publication{Channel: "news"}, hub.PublishOptions{IdempotencyKey: "1"})
		if err != nil || receipt.Duplicate != (attempt > 0) || asked != 1 {
			t.Errorf("attempt %d: %+v, %v; asked %d times", attempt, receipt, err, asked)
		}
		if attempt == 0 {
			first = receipt
		}
		if receipt.Position != first.Position {
			t.Errorf("attempt %d went to %v, the first to %v", attempt, receipt.Position, first.Position)
		}
	}
	if _, err := s.Publish(t.Context(), &hub.Publication{Channel: "news"}, hub.PublishOptions{IdempotencyKey: "2"}); codeOf(err) != hub.RateLimited {
		t.Errorf("another key: %v", err)
	}
}

// counting is a guard that remembers whom sessions have become.
type counting struct {
	strict
	become *[]string
}

func (g counting) Renew(_ *hub.Session, who *hub.Identity) error {
	*g.become = append(*g.become, who.User)
	return nil
}

func TestGuardsDecideWhoASessionMayBecome(t *testing.T) {
	var become []string
	closed := make(chan *hub.Session, 3)
	s, _ := identified(t, hub.Options{Guards: []hub.Guard{counting{strict{closed}, &become}, strict{closed}}}, hub.Identity{})
	if err := s.Renew(hub.Identity{User: "nobody"}); codeOf(err) != hub.NotAllowed || s.User() != "" {
		t.Errorf("renewed: %v; the user is %q", err, s.User())
	}
	if err := s.Renew(hub.Identity{User: "ann"}); err != nil || s.User() != "ann" {
		t.Errorf("%v; the user is %q", err, s.User())
	}
	if want := []string{"nobody", "", "ann"}; !slices.Equal(become, want) {
		t.Errorf("a guard before the one that refuses was told %q, want %q", become, want)
	}
}

func TestASessionKeepsItsAddress(t *testing.T) {
	home := netip.MustParseAddr("192.0.2.1")
	s, _ := identified(t, hub.Options{}, hub.Identity{Address: home})
	if err := s.Renew(hub.Identity{User: "ann"}); err != nil || s.Address() != home {
		t.Errorf("%v, %v", s.Address(), err)
	}
}
