package limit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// client is one that remembers how its session ended.
type client struct{ ended []error }

func (c *client) Receive(*hub.Publication) hub.Reception { return hub.Taken }
func (c *client) Notify(*hub.Notice)                     {}
func (c *client) End(cause error)                        { c.ended = append(c.ended, cause) }

// off is all limits switched off, for tests of one at a time.
func off() Limits {
	none := Rate{PerSecond: Off}
	rates := Rates{none, none, none}
	return Limits{
		Session: rates, User: rates, Address: rates, Node: rates,
		Sessions:    Sessions{Off, Off, none, none},
		Connections: Connections{Off, Off, none, none},
		Patience:    Patience{Refusals: Off},
	}
}

// node is a hub that is guarded by limits.
type node struct {
	*hub.Hub
	*Limiter
	t testing.TB
}

func start(t testing.TB, limits Limits) *node {
	t.Helper()
	l, err := New(limits, Options{Log: slog.New(slog.DiscardHandler), Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	return guard(t, l)
}

// guard makes a hub that l guards.
func guard(t testing.TB, l *Limiter) *node {
	t.Helper()
	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{}), Guards: []hub.Guard{l}, Log: slog.New(slog.DiscardHandler), Linger: -1,
		MaxSubscriptions: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	return &node{h, l, t}
}

// stop ends the sessions given and then the hub.
func (n *node) stop(sessions ...*hub.Session) {
	for _, s := range sessions {
		s.Close()
	}
	if err := n.Shutdown(context.Background()); err != nil {
		n.t.Error(err)
	}
}

func (n *node) open(user, address string) *hub.Session {
	n.t.Helper()
	s, err := n.Open(new(client), who(user, address))
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

// Open is the hub's: the guard's is called by it.
func (n *node) Open(c *client, who hub.Identity) (*hub.Session, error) { return n.Hub.Open(c, who) }

func (n *node) Shutdown(ctx context.Context) error { return n.Hub.Shutdown(ctx) }

func who(user, address string) hub.Identity {
	id := hub.Identity{User: user}
	if address != "" {
		id.Address = netip.MustParseAddr(address)
	}
	return id
}

// exceeded is the limit that err names, or "".
func exceeded(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	refusal, sentence := hub.RefusalOf(err)
	e, ok := errors.AsType[*Exceeded](err)
	if refusal.Code != hub.RateLimited || refusal.Close != 4429 || refusal.Status != 429 || !ok || !strings.Contains(sentence, e.Limit) {
		t.Fatalf("%v is no refusal that names its limit", err)
	}
	return e.Limit
}

// Each rate is crossed by the action that it counts, by the one who is over it and by nobody else, and passes again when the
// sentence says.
func TestEachRateIsCrossedAndRecovers(t *testing.T) {
	type sender struct{ user, address string }
	for _, rates := range []struct {
		name           string
		of             func(*Limits) *Rates
		crossing, also sender // also is within the same scope
		other          *sender
	}{
		{"session", func(l *Limits) *Rates { return &l.Session }, sender{"ann", "192.0.2.1"}, sender{}, &sender{"ann", "192.0.2.1"}},
		{"user", func(l *Limits) *Rates { return &l.User }, sender{"ann", "192.0.2.1"}, sender{"ann", "192.0.2.2"}, &sender{"bob", "192.0.2.1"}},
		{"address", func(l *Limits) *Rates { return &l.Address }, sender{"ann", "192.0.2.1"}, sender{"bob", "192.0.2.1"}, &sender{"ann", "192.0.2.2"}},
		{"node", func(l *Limits) *Rates { return &l.Node }, sender{"ann", "192.0.2.1"}, sender{"bob", "192.0.2.2"}, nil},
	} {
		for _, kind := range []struct {
			name string
			of   func(*Rates) *Rate
			act  func(s *hub.Session, i int) error
		}{
			{"messages", func(r *Rates) *Rate { return &r.Messages }, func(s *hub.Session, _ int) error { return s.Admit(1000) }},
			{"bytes", func(r *Rates) *Rate { return &r.Bytes }, func(s *hub.Session, _ int) error { return s.Admit(1) }},
			{"subscribes", func(r *Rates) *Rate { return &r.Subscribes }, func(s *hub.Session, i int) error {
				return s.Subscribe(context.Background(), fmt.Sprint("c", i), hub.SubscribeOptions{})
			}},
		} {
			t.Run(rates.name+"."+kind.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					limits := off()
					*kind.of(rates.of(&limits)) = Rate{PerSecond: 2, Burst: 10}
					n := start(t, limits)
					first := n.open(rates.crossing.user, rates.crossing.address)
					second := first
					if rates.also.user != "" {
						second = n.open(rates.also.user, rates.also.address)
					}
					for i := range 10 {
						if err := kind.act(first, i); err != nil {
							t.Fatalf("refused within the burst, at %d: %v", i, err)
						}
					}
					err := kind.act(second, 11)
					if got := exceeded(t, err); got != rates.name+"."+kind.name {
						t.Fatalf("crossed %q: %v", got, err)
					}
					if got := n.Limiter.Refused()[rates.name+"."+kind.name]; got != 1 {
						t.Errorf("counted %d", got)
					}
					third := second
					if rates.other != nil {
						third = n.open(rates.other.user, rates.other.address)
						if err := kind.act(third, 12); err != nil {
							t.Errorf("somebody else is refused: %v", err)
						}
					}
					e, _ := errors.AsType[*Exceeded](err)
					if e.RetryAfter != 500*time.Millisecond {
						t.Errorf("may go on in %s", e.RetryAfter)
					}
					time.Sleep(e.RetryAfter)
					if err := kind.act(second, 13); err != nil {
						t.Errorf("refused at the time that was told: %v", err)
					}
					n.stop(first, second, third)
				})
			})
		}
	}
}

func TestAMessageLongerThanTheBurstTakesAllOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := off()
		limits.Session.Bytes = Rate{PerSecond: 10, Burst: 100}
		limits.Node.Bytes = Rate{PerSecond: 1000, Burst: 1000}
		n := start(t, limits)
		s := n.open("", "")
		if err := s.Admit(1_000_000); err != nil {
			t.Error(err)
		}
		if got := exceeded(t, s.Admit(1)); got != "session.bytes" {
			t.Errorf("crossed %q", got)
		}
		n.stop(s)
	})
}

func TestSessionsAreCountedByUserAndAddress(t *testing.T) {
	for _, c := range []struct {
		limit     string
		set       func(*Limits)
		full      func(i int) (user, address string) // the same user or address
		elsewhere [2]string
		wait      bool // passes with time, not with room
	}{
		{"sessions.per_user", func(l *Limits) { l.Sessions.PerUser = 3 },
			func(i int) (string, string) { return "ann", fmt.Sprintf("192.0.2.%d", i) }, [2]string{"bob", "192.0.2.1"}, false},
		{"sessions.per_address", func(l *Limits) { l.Sessions.PerAddress = 3 },
			func(i int) (string, string) { return fmt.Sprint("u", i), "192.0.2.1" }, [2]string{"u1", "192.0.2.2"}, false},
		{"sessions.per_address", func(l *Limits) { l.Sessions.PerAddress = 3 }, // a /64 is one
			func(i int) (string, string) { return "", fmt.Sprintf("2001:db8::%x", i+1) }, [2]string{"", "2001:db8:0:1::1"}, false},
		{"sessions.per_address", func(l *Limits) { l.Sessions.PerAddress = 3 }, // and an address in two notations, too
			func(i int) (string, string) { return "", []string{"192.0.2.1", "::ffff:192.0.2.1"}[i%2] }, [2]string{"", "127.0.0.1"}, false},
		{"sessions.new_per_address", func(l *Limits) { l.Sessions.NewPerAddress = Rate{1, 3} },
			func(i int) (string, string) { return "", "192.0.2.1" }, [2]string{"", ""}, true},
		{"sessions.new", func(l *Limits) { l.Sessions.New = Rate{1, 3} },
			func(i int) (string, string) { return "", fmt.Sprintf("192.0.2.%d", i) }, [2]string{}, true},
	} {
		t.Run(c.limit, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limits := off()
				c.set(&limits)
				n := start(t, limits)
				var open []*hub.Session
				for i := range 3 {
					open = append(open, n.open(c.full(i)))
				}
				refused := func() bool {
					s, err := n.Open(new(client), who(c.full(3)))
					if err == nil {
						open = append(open, s)
					} else if got := exceeded(t, err); got != c.limit {
						t.Fatalf("crossed %q: %v", got, err)
					}
					return err != nil
				}
				for range 3 { // a refusal takes no place
					if !refused() {
						t.Fatal("a fourth was let in")
					}
				}
				if c.limit != "sessions.new" {
					open = append(open, n.open(c.elsewhere[0], c.elsewhere[1]))
				}
				if c.wait {
					time.Sleep(time.Second)
				} else {
					open[0].Close()
				}
				if refused() {
					t.Error("refused although there is room again")
				}
				n.stop(open...)
				if a, u := held(n.addresses), held(n.users); a != 0 || u != 0 {
					t.Errorf("%d addresses and %d users are held by nobody", a, u)
				}
			})
		})
	}
}

// held is how many entries are held, or count somebody.
func held[K comparable](t *table[K]) (n int) {
	for i := range t.shards {
		for _, e := range t.shards[i].entries {
			if e.users != 0 || e.sessions.Load() != 0 || e.connections.Load() != 0 {
				n++
			}
		}
	}
	return n
}

func TestAnAnonymousSessionThatBecomesAUsersIsUnderItsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := off()
		limits.User.Messages = Rate{1, 2}
		n := start(t, limits)
		s := n.open("", "192.0.2.1")
		for range 5 {
			if err := s.Admit(1); err != nil {
				t.Error(err)
			}
		}
		if err := s.Renew(hub.Identity{User: "ann"}); err != nil {
			t.Fatal(err)
		}
		s.Admit(1)
		s.Admit(1)
		if got := exceeded(t, s.Admit(1)); got != "user.messages" {
			t.Errorf("crossed %q", got)
		}
		n.stop(s)
		if held(n.users) != 0 {
			t.Error("the user is held after the end")
		}
	})
}

func TestSessionsOfAUserAreBoundedHoweverTheyCome(t *testing.T) {
	limits := off()
	limits.Sessions.PerUser = 2
	n := start(t, limits)
	var all, hers []*hub.Session
	for range 5 {
		s := n.open("", "192.0.2.1")
		all = append(all, s)
		if err := s.Renew(hub.Identity{User: "ann"}); err == nil {
			hers = append(hers, s)
		} else if got := exceeded(t, err); got != "sessions.per_user" || s.User() != "" {
			t.Errorf("crossed %q as %q", got, s.User())
		}
	}
	if len(hers) != 2 {
		t.Errorf("ann has %d sessions, of 2", len(hers))
	}
	if err := hers[0].Renew(hub.Identity{User: "ann"}); err != nil {
		t.Errorf("one of those who are in may not stay: %v", err)
	}
	if err := all[2].Renew(hub.Identity{User: "bob"}); err != nil {
		t.Errorf("another user: %v", err)
	}
	hers[0].Close()
	if err := all[3].Renew(hub.Identity{User: "ann"}); err != nil {
		t.Errorf("refused although there is room again: %v", err)
	}
	n.stop(all...)
	if held(n.users) != 0 {
		t.Error("a user is held after the end")
	}
}

func TestWhatIsSwitchedOffKeepsNothing(t *testing.T) {
	n := start(t, off())
	s := n.open("ann", "192.0.2.1")
	for range 100_000 {
		if err := s.Admit(1 << 30); err != nil {
			t.Fatal(err)
		}
	}
	if s.Kept() != nil || n.addresses.size() != 0 || n.users.size() != 0 {
		t.Error("a session keeps something although nothing is limited")
	}
	n.stop(s)
}

func TestDefaultsHoldForTheZeroValue(t *testing.T) {
	n := start(t, Limits{})
	defer n.stop()
	if n.Limits() != Default() {
		t.Errorf("%+v", n.Limits())
	}
	some := start(t, Limits{Session: Rates{Messages: Rate{PerSecond: 7}, Bytes: Rate{PerSecond: Off}}, Sessions: Sessions{PerUser: 5}})
	defer some.stop()
	want := Default()
	want.Session.Messages, want.Session.Bytes, want.Sessions.PerUser = Rate{7, 7}, Rate{PerSecond: Off}, 5
	if got := some.Limits(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestLimitsThatCannotBeAreRefused(t *testing.T) {
	for want, limits := range map[string]Limits{
		"the burst of session.messages": {Session: Rates{Messages: Rate{1, -3}}},
		"lower the burst":               {Node: Rates{Bytes: Rate{1, 1000}}},
		"remembered is -5":              {Remembered: -5},
		"patience.within is -1s":        {Patience: Patience{Within: -time.Second}},
	} {
		if _, err := New(limits, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestSentencesCallLimitsAsTheOperatorDoes(t *testing.T) {
	l, err := New(Limits{Connections: Connections{InAll: 1}}, Options{Names: map[string]string{"connections.in_all": "limits.connections"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Admit(netip.MustParseAddr("192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	_, err = l.Admit(netip.MustParseAddr("192.0.2.2"))
	if e, ok := errors.AsType[*Exceeded](err); !ok || e.Limit != "connections.in_all" || !strings.HasSuffix(e.Sentence, "raise the limit limits.connections") {
		t.Errorf("%v", err)
	}
}
