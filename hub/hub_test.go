package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// client is a receiver that writes down what it is told.
type client struct {
	*hub.Session

	mu    sync.Mutex
	heard []string
	marks []hub.Position // of every publication and of every notice with a position
	room  int            // how many publications it takes before it is late
	cause error
	ended chan struct{} // closed by End
}

func newClient() *client { return &client{room: 1 << 30, ended: make(chan struct{})} }

func (c *client) Receive(p *hub.Publication) hub.Reception {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, string(p.Payload))
	c.marks = append(c.marks, p.Position())
	if c.room--; c.room <= 0 {
		return hub.Late
	}
	return hub.Taken
}

func (c *client) Notify(n *hub.Notice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n.Type {
	case hub.Subscribed:
		how := "subscribed"
		if n.Recovered {
			how = "recovered"
		} else if n.Asked {
			how = "unrecovered"
		}
		c.heard = append(c.heard, fmt.Sprintf("(%s at %d)", how, n.Position.Offset))
	case hub.Gap:
		c.heard = append(c.heard, fmt.Sprintf("(gap %d-%d)", n.From, n.To))
	case hub.Unsubscribed:
		c.heard = append(c.heard, "(unsubscribed: "+n.Reason+")")
	case hub.Present:
		e, sign := n.Presence, "-"
		if e.Joined {
			sign = "+"
		}
		who := sign + e.Member.User
		if n.Crowded {
			who = "crowd"
		}
		c.heard = append(c.heard, fmt.Sprintf("(%s %d/%d)", who, e.Sessions, e.Users))
		return
	}
	c.marks = append(c.marks, n.Position)
}

func (c *client) End(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cause = cause
	close(c.ended) // panics if it is told twice
}

// told is what the client was told since it was asked last.
func (c *client) told() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	heard := c.heard
	c.heard = nil
	return heard
}

// expect fails the test unless this, as words, is what the client was told since it was asked last.
func (c *client) expect(t *testing.T, want string) {
	t.Helper()
	if got := strings.Join(c.told(), " "); got != want {
		t.Errorf("was told\n%s\nwant\n%s", got, want)
	}
}

// position is where the client's next connection would go on.
func (c *client) position() hub.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.marks[len(c.marks)-1]
}

// take lets the client take n publications before it is late again.
func (c *client) take(n int) {
	c.mu.Lock()
	c.room = n
	c.mu.Unlock()
	c.Ready()
}

// start returns a hub over a broker in memory, which is shut down with the test, without waiting for sessions.
func start(t testing.TB, options hub.Options) *hub.Hub {
	t.Helper()
	if options.Broker == nil {
		options.Broker = memory.New(memory.Options{})
	}
	h, err := hub.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		h.Shutdown(ctx)
	})
	return h
}

// ruled is a hub with one rule for all channels.
func ruled(t testing.TB, rule hub.Rule) *hub.Hub {
	t.Helper()
	rule.Pattern = "*"
	return start(t, hub.Options{Rules: []hub.Rule{rule}})
}

var history = hub.Rule{History: hub.Retention{Count: 10, Age: time.Hour}}

// open opens a session that is subscribed to channels and has read the notices of that.
func open(t testing.TB, h *hub.Hub, channels ...string) *client {
	t.Helper()
	c := newClient()
	c.login(t, h, hub.Identity{})
	for _, name := range channels {
		c.subscribe(t, name, hub.SubscribeOptions{})
	}
	c.told()
	return c
}

func (c *client) login(t testing.TB, h *hub.Hub, who hub.Identity) {
	t.Helper()
	s, err := h.Open(c, who)
	if err != nil {
		t.Fatal(err)
	}
	c.Session = s
	t.Cleanup(s.Close)
}

func (c *client) subscribe(t testing.TB, channel string, o hub.SubscribeOptions) {
	t.Helper()
	if err := c.Subscribe(context.Background(), channel, o); err != nil {
		t.Fatal(err)
	}
}

func say(t testing.TB, h *hub.Hub, channel string, words ...string) (last hub.Receipt) {
	t.Helper()
	for _, word := range words {
		last = post(t, h, &hub.Publication{Channel: channel, Payload: []byte(word)})
	}
	return last
}

func post(t testing.TB, h *hub.Hub, p *hub.Publication) hub.Receipt {
	t.Helper()
	receipt, err := h.Publish(context.Background(), p, hub.PublishOptions{})
	if err != nil {
		t.Error(err)
	}
	return receipt
}

// numbers are the words from one number to another.
func numbers(from, to int) (words []string) {
	for i := from; i <= to; i++ {
		words = append(words, fmt.Sprint(i))
	}
	return words
}

func refused(t *testing.T, what string, err error, want hub.Code) {
	t.Helper()
	if known, ok := errors.AsType[*hub.Error](err); !ok || known.Code != want {
		t.Errorf("%s: %v, want an error with the code %q", what, err, want)
	}
}

func TestPublicationsReachTheirChannelOnly(t *testing.T) {
	h := start(t, hub.Options{})
	lobby, both, other := open(t, h, "lobby"), open(t, h, "lobby", "news"), open(t, h, "other")
	for _, c := range []struct {
		channel, text string
		subscribers   int
	}{{"lobby", "one", 2}, {"news", "two", 1}, {"nowhere", "three", 0}, {"other", "four", 1}} {
		if got := say(t, h, c.channel, c.text); got.Subscribers != c.subscribers || got.Offset != 1 || got.Lagging != 0 {
			t.Errorf("%s: %+v, want %d subscribers", c.channel, got, c.subscribers)
		}
	}
	lobby.expect(t, "one")
	both.expect(t, "one two")
	other.expect(t, "four")
}

func TestReceiptCountsWhoLagsAndWhoIsWorthWaitingFor(t *testing.T) {
	h := start(t, hub.Options{Rules: []hub.Rule{{Pattern: "drops", Slow: hub.DropOldest}}})
	for _, room := range []int{100, 0, 100, 0} {
		open(t, h, "lobby", "drops").room = room
	}
	if got := say(t, h, "lobby", "x"); got.Subscribers != 4 || got.Lagging != 2 || got.Late != 2 {
		t.Errorf("%+v, want 4 subscribers, 2 lagging, 2 late", got)
	}
	say(t, h, "drops", "x")
	if got := say(t, h, "drops", "x"); got.Subscribers != 4 || got.Lagging != 2 || got.Late != 0 {
		t.Errorf("%+v, want 4 subscribers, 2 lagging, none worth waiting for", got)
	}
}

func TestEverySessionSeesTheSameOrder(t *testing.T) {
	const publishers, each, readers = 4, 250, 5
	h := start(t, hub.Options{})
	var clients []*client
	for range readers {
		clients = append(clients, open(t, h, "lobby"))
	}
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for n := range each {
				say(t, h, "lobby", fmt.Sprint(p, "/", n))
			}
		})
	}
	publishing.Wait()
	first := clients[0].told()
	if len(first) != publishers*each {
		t.Errorf("reader 0 saw %d of %d publications", len(first), publishers*each)
	}
	for i, c := range clients[1:] {
		if !slices.Equal(c.told(), first) {
			t.Errorf("reader %d saw another order than reader 0", i+1)
		}
	}
}

// Members of a channel change their places as others leave. Whoever is in must be told, once, whoever is not must not.
func TestComingAndGoingLosesNobody(t *testing.T) {
	h := start(t, hub.Options{})
	var in []*client
	for round := range 200 {
		switch {
		case round%3 == 2: // one goes: the first, the last, or one between
			at := (round * 7) % len(in)
			in[at].Close()
			in = slices.Delete(in, at, at+1)
		case round%2 == 0:
			in = append(in, open(t, h, "lobby", "other"))
		default:
			in = append(in, open(t, h, "other", "lobby"))
		}
		text := fmt.Sprint(round)
		if got := say(t, h, "lobby", text); got.Subscribers != len(in) {
			t.Fatalf("round %d: %d subscribers, want %d", round, got.Subscribers, len(in))
		}
		for i, c := range in {
			if told := c.told(); !slices.Equal(told, []string{text}) {
				t.Fatalf("round %d: client %d was told %q", round, i, told)
			}
		}
	}
}

func TestUnsubscribedIsToldNothingMore(t *testing.T) {
	h := start(t, hub.Options{})
	c := open(t, h, "lobby", "news")
	if err := c.Unsubscribe("lobby"); err != nil {
		t.Fatal(err)
	}
	say(t, h, "lobby", "one")
	say(t, h, "news", "two")
	c.expect(t, "two")
	refused(t, "unsubscribing again", c.Unsubscribe("lobby"), hub.NotSubscribed)
	if got := c.Subscriptions(); !slices.Equal(got, []string{"news"}) || c.Subscribed("lobby") || !c.Subscribed("news") {
		t.Errorf("subscribed to %q", got)
	}
	if err := c.Expel("news", "closed for today"); err != nil {
		t.Fatal(err)
	}
	say(t, h, "news", "three")
	c.expect(t, "(unsubscribed: closed for today)")
	refused(t, "expelling again", c.Expel("news", ""), hub.NotSubscribed)
}

func TestEncodingIsMadeOncePerProtocol(t *testing.T) {
	var made int
	upper := &hub.Encoding[string]{Encode: func(p *hub.Publication) string { made++; return "upper " + string(p.Payload) }}
	lower := &hub.Encoding[int]{Encode: func(p *hub.Publication) int { made++; return len(p.Payload) }}
	p := &hub.Publication{Payload: []byte("abc")}

	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			if got := upper.Of(p); got != "upper abc" {
				t.Errorf("got %q", got)
			}
			if got := lower.Of(p); got != 3 {
				t.Errorf("got %d", got)
			}
		})
	}
	readers.Wait()
	if made != 2 {
		t.Errorf("encoded %d times for two protocols", made)
	}
}
