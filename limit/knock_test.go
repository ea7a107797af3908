package limit

import (
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Whoever knocks takes from the rates of new sessions, whether he gets one or not; opening it then takes nothing more.
func TestWhoKnocksIsUnderTheRatesOfNewSessions(t *testing.T) {
	here := netip.MustParseAddr("192.0.2.1")
	for _, c := range []struct {
		limit string
		set   func(*Sessions)
		other bool // another address may still come
	}{
		{"sessions.new_per_address", func(l *Sessions) { l.NewPerAddress = Rate{1, 3} }, true},
		{"sessions.new", func(l *Sessions) { l.New = Rate{1, 3} }, false},
	} {
		t.Run(c.limit, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limits := off()
				c.set(&limits.Sessions)
				l, err := New(limits, Options{Knocked: true, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				n := guard(t, l)
				var open []*hub.Session
				for range 3 {
					if err := n.Knock(here); err != nil {
						t.Fatal(err)
					}
					open = append(open, n.open("", "192.0.2.1"))
				}
				for range 5 { // refusals take nothing
					if got := exceeded(t, n.Knock(here)); got != c.limit {
						t.Fatalf("crossed %q", got)
					}
				}
				if err := n.Knock(netip.MustParseAddr("192.0.2.2")); (err == nil) != c.other {
					t.Errorf("another address: %v", err)
				}
				time.Sleep(time.Second)
				if err := n.Knock(here); err != nil {
					t.Errorf("refused at the time that was told: %v", err)
				}
				n.stop(open...)
				if held(n.addresses) != 0 {
					t.Error("an address is held by nobody")
				}
			})
		})
	}
}

func TestKnockingIsFreeWhereNothingIsLimited(t *testing.T) {
	n := start(t, off())
	defer n.stop()
	for range 100_000 {
		if err := n.Knock(netip.MustParseAddr("192.0.2.1")); err != nil {
			t.Fatal(err)
		}
	}
	if n.addresses.size() != 0 {
		t.Error("an address is remembered although nothing is limited")
	}
}
