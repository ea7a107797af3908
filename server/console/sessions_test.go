package console_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// sessionPage is a page of sessions.
type sessionPage struct {
	Sessions []struct {
		ID, User, Address, Transport, Protocol, Subprotocol string
		Compression                                         bool
		Connected                                           time.Time
		Expires                                             *time.Time
		Queue                                               struct{ Items, Bytes int }
	}
	Total int
	Next  string
}

func TestSessionsAreFoundAndPaged(t *testing.T) {
	n := start(t)
	var all []string
	ids := map[string]string{}
	for i := range 25 {
		who := someone(fmt.Sprintf("user%d", i%3), fmt.Sprintf("192.0.2.%d", 100+i))
		s := n.open(who, overWebSocket).session
		all = append(all, s.ID())
		ids[fmt.Sprint(i)] = s.ID()
	}
	mapped := n.open(hub.Identity{User: "Mapped One", Address: netip.MustParseAddr("::ffff:198.51.100.1")}, overWebSocket).session
	six := n.open(hub.Identity{User: "x", Address: netip.MustParseAddr("2001:db8::5")}, overWebSocket).session
	behind := n.open(hub.Identity{}, hub.Description{Transport: "sse", Remote: "203.0.113.5:99"}).session
	all = append(all, mapped.ID(), six.ID(), behind.ID())
	slices.Sort(all)

	var got []string
	page := sessionPage{}
	for after := ""; ; after = page.Next {
		page = sessionPage{}
		n.ask(200, &page, "GET", "/sessions?limit=10&after="+after, "")
		for _, s := range page.Sessions {
			got = append(got, s.ID)
		}
		if page.Total != len(all) || len(page.Sessions) > 10 {
			t.Fatalf("%d of %d sessions on a page of 10", len(page.Sessions), page.Total)
		}
		if page.Next == "" {
			break
		}
	}
	if !slices.Equal(got, all) {
		t.Errorf("the pages together are\n%q, want\n%q", got, all)
	}
	for _, c := range []struct {
		find string
		want int
	}{
		{"user1", 8}, {"user", 0}, {"nobody%20at%20all", 0}, {"Mapped%20One", 1}, {"192.0.2.", 25}, {"192.0.2.11", 10}, {"192.0.2.110", 1},
		{"198.51.100.1", 1}, {"2001:db8:", 1}, {"203.0.113.5", 1}, {ids["3"], 1}, {ids["3"][:12], 1}, {ids["3"] + "x", 0}, {"%3F%3F", 0},
	} {
		page := sessionPage{}
		if n.ask(200, &page, "GET", "/sessions?find="+c.find, ""); page.Total != c.want || len(page.Sessions) != c.want {
			t.Errorf("%q finds %d (%d on the page), want %d", c.find, page.Total, len(page.Sessions), c.want)
		}
	}
}

func TestOneSessionIsShownInFull(t *testing.T) {
	n := start(t)
	who := someone("ann", "192.0.2.7")
	who.Expires = time.Now().Add(time.Hour)
	var channels []string
	for i := range 120 {
		channels = append(channels, fmt.Sprintf("room:%03d", 119-i))
	}
	ann := n.open(who, overWebSocket, channels...)
	type detail struct {
		ID, User, Address, Transport, Protocol, Subprotocol string
		Compression                                         bool
		Expires                                             *time.Time
		Queue                                               struct{ Items, Bytes int }
		RoundTrip                                           *float64 `json:"round_trip_seconds"`
		Channels                                            []string
		ChannelsTotal                                       int `json:"channels_total"`
	}
	var got detail
	n.ask(200, &got, "GET", "/sessions/"+ann.session.ID(), "")
	if got.User != "ann" || got.Address != "192.0.2.7" || got.Transport != "websocket" || got.Subprotocol != "ringdown.v1" || !got.Compression ||
		got.Expires == nil || got.Queue.Bytes != 7 || got.RoundTrip == nil || *got.RoundTrip != 0.02 {
		t.Errorf("%+v", got)
	}
	if got.ChannelsTotal != 120 || len(got.Channels) != 100 || got.Channels[0] != "room:000" {
		t.Errorf("%d of %d channels, from %s on", len(got.Channels), got.ChannelsTotal, got.Channels[0])
	}
	ann.trip = 0
	got = detail{}
	if n.ask(200, &got, "GET", "/sessions/"+ann.session.ID(), ""); got.RoundTrip != nil {
		t.Errorf("a client that does not answer took %v", *got.RoundTrip)
	}
	var done struct{ Ended bool }
	n.ask(200, &done, "POST", "/sessions/"+ann.session.ID()+"/disconnect", `{"code":4007,"reason":"bye"}`)
	if !done.Ended || n.hub.Session(ann.session.ID()) != nil {
		t.Error("the session goes on")
	}
	if log := n.written.String(); !strings.Contains(log, "disconnected") || !strings.Contains(log, "user=ann") || !strings.Contains(log, "reason=bye") {
		t.Errorf("the log does not tell who was disconnected:\n%s", log)
	}
}

// With 100,000 sessions pages are walked from the first to the last while sessions come and go, and none that stays is missed or doubled.
func TestAHundredThousandSessionsArePaged(t *testing.T) {
	const many = 100_000
	n := start(t)
	stays := make(map[string]bool, many)
	for i := range many {
		who := hub.Identity{User: fmt.Sprintf("User %d", i%1000), Address: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})}
		stays[n.open(who, overWebSocket).session.ID()] = true
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // others come and go meanwhile
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				n.open(hub.Identity{}, overWebSocket).session.Close()
			}
		}
	}()
	seen, last := 0, ""
	for range 4 { // a whole walk has 200 pages; the last one of each step is far on in it
		page := sessionPage{}
		n.ask(200, &page, "GET", "/sessions?limit=500&after="+last, "")
		if page.Total < many || len(page.Sessions) != 500 {
			t.Fatalf("%d of %d sessions", len(page.Sessions), page.Total)
		}
		for _, s := range page.Sessions {
			if s.ID <= last {
				t.Fatalf("%s comes after %s", s.ID, last)
			}
			if last = s.ID; stays[s.ID] {
				seen++
			}
		}
	}
	close(stop)
	<-stopped
	passed := 0
	for id := range stays {
		if id <= last {
			passed++
		}
	}
	if seen != passed {
		t.Errorf("%d sessions were on the pages, of %d that stayed", seen, passed)
	}
	page := sessionPage{}
	if n.ask(200, &page, "GET", "/sessions?find=User%20999", ""); page.Total != many/1000 {
		t.Errorf("a user has %d sessions, want %d", page.Total, many/1000)
	}
	if n.ask(200, &page, "GET", "/sessions?find=10.1.134.", ""); page.Total != 256-96 {
		t.Errorf("a network has %d sessions, want %d", page.Total, 256-96)
	}
}

func BenchmarkAPageOfAHundredThousandSessions(b *testing.B) {
	n := start(b)
	for i := range 100_000 {
		n.open(hub.Identity{Address: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})}, overWebSocket)
	}
	for _, path := range []string{"/sessions", "/sessions?find=10.0.7", "/sessions?find=Nobody"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n.do("GET", path, "")
			}
		})
	}
}
