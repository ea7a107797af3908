package hub_test

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// Whatever two commands of a client do at the same time, it is a member once, and hears everything once.
func TestNobodyIsInAChannelTwice(t *testing.T) {
	h := start(t, hub.Options{})
	c := open(t, h)
	done := make(chan struct{})
	var coming sync.WaitGroup
	for range 2 {
		coming.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					c.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{})
					c.Unsubscribe("lobby")
				}
			}
		})
	}
	for i := range 20_000 {
		if n := say(t, h, "lobby", fmt.Sprint(i)).Subscribers; n > 1 {
			t.Errorf("one session is %d subscribers", n)
			break
		}
	}
	close(done)
	coming.Wait()
	last := ""
	for _, word := range c.told() {
		if word == last && word[0] != '(' {
			t.Fatalf("was told %s twice", word)
		}
		last = word
	}
}

// A Subscribe that is taken out has its presence end before the next one's begins.
func TestPresenceOfOneThatIsTakenOutAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &faulty{Broker: memory.New(memory.Options{}), fails: make(map[string]bool)}
		h := start(t, hub.Options{Broker: b, Rules: []hub.Rule{{Pattern: "*", Presence: true, Last: true}}})
		c := open(t, h)
		var again sync.WaitGroup
		b.set(func() {
			b.before = func() {
				b.set(func() { b.before = nil })
				c.Unsubscribe("room")
				again.Go(func() { c.subscribe(t, "room", hub.SubscribeOptions{}) })
				time.Sleep(time.Second)
			}
		})
		refused(t, "the first", c.Subscribe(t.Context(), "room", hub.SubscribeOptions{}), hub.NotSubscribed)
		again.Wait()
		time.Sleep(time.Minute)
		if now, err := h.Presence(t.Context(), "room", 10); err != nil || now.Sessions != 1 {
			t.Errorf("subscribed for a minute, but present are %+v, %v", now, err)
		}
	})
}

// blocking is a receiver that takes its time.
type blocking struct {
	counter
	entered, leave chan struct{}
}

func (b *blocking) Receive(*hub.Publication) hub.Reception {
	close(b.entered)
	<-b.leave
	return hub.Taken
}

func TestCloseWaitsForTheEndThatIsGoingOn(t *testing.T) {
	h := start(t, hub.Options{})
	slow := &blocking{entered: make(chan struct{}), leave: make(chan struct{})}
	s, err := h.Open(slow, hub.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{}); err != nil {
		t.Fatal(err)
	}
	c := open(t, h, "lobby")
	var others sync.WaitGroup
	others.Go(func() { say(t, h, "lobby", "1") })
	<-slow.entered
	others.Go(func() { c.Session.End(errFault) })
	for c.Subscribed("lobby") {
		runtime.Gosched()
	}
	var closing sync.WaitGroup
	closing.Go(func() {
		c.Close()
		c.told()
	})
	for range 1000 { // time enough for a Close that does not wait
		runtime.Gosched()
	}
	close(slow.leave)
	closing.Wait()
	others.Wait()
	c.expect(t, "")
}

// broken is a receiver with a bug.
type broken struct {
	client
	fails string
}

func (b *broken) Receive(p *hub.Publication) hub.Reception {
	if b.fails == "receive" {
		panic("bug")
	}
	return b.client.Receive(p)
}

func (b *broken) Notify(n *hub.Notice) {
	if b.fails == "notify" {
		panic("bug")
	}
	b.client.Notify(n)
}

func TestAPanicOfOneReceiverEndsItsSessionAlone(t *testing.T) {
	for _, c := range []struct {
		fails string
		rule  hub.Rule
	}{
		{"receive", hub.Rule{}},
		{"notify", hub.Rule{}},
		{"receive", hub.Rule{Last: true}}, // while it catches up
	} {
		c.rule.Pattern = "*"
		h := start(t, hub.Options{Rules: []hub.Rule{c.rule}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		say(t, h, "lobby", "0")
		before := open(t, h, "lobby")
		bad := &broken{client: client{ended: make(chan struct{})}, fails: c.fails}
		s, err := h.Open(bad, hub.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		s.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{})
		after := open(t, h, "lobby")
		say(t, h, "lobby", "1")
		<-bad.ended
		if r, _ := hub.RefusalOf(bad.cause); r.Code != hub.Internal {
			t.Errorf("%s: ended for %v", c.fails, bad.cause)
		}
		say(t, h, "lobby", "2")
		for _, other := range []*client{before, after} {
			if got := strings.Join(other.told(), " "); !strings.HasSuffix(got, "1 2") {
				t.Errorf("%s: another was told %s", c.fails, got)
			}
		}
	}
}

// refusing takes nothing.
type refusing struct{ counter }

func (r *refusing) Receive(*hub.Publication) hub.Reception { r.received++; return hub.Refused }

func TestWhoeverRefusesIsNotCaughtUp(t *testing.T) {
	h := ruled(t, hub.Rule{History: hub.Retention{Count: 1000}})
	at := hub.Position{Epoch: say(t, h, "lobby", numbers(1, 1000)...).Epoch}
	r := &refusing{}
	s, err := h.Open(r, hub.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Subscribe(t.Context(), "lobby", after(at)); err != nil {
		t.Fatal(err)
	}
	if r.received > 1 {
		t.Errorf("was handed %d publications", r.received)
	}
}

// A receiver that is late at once gets one publication a Ready, not one of every channel, and none of its channels starves.
func TestReadyStopsWhereTheReceiverIsLateAndTakesTurns(t *testing.T) {
	h := ruled(t, drops)
	c := open(t, h)
	const channels = 20
	for i := range channels {
		c.subscribe(t, fmt.Sprint(i), hub.SubscribeOptions{})
	}
	c.told()
	c.room = 0
	for range 3 {
		for i := range channels {
			say(t, h, fmt.Sprint(i), fmt.Sprint(i))
		}
	}
	c.told()
	seen := make(map[string]int)
	for range 2 * channels {
		c.take(1)
		got := c.told()
		if len(got) != 1 {
			t.Fatalf("at one Ready, was told %q", got)
		}
		seen[got[0]]++
	}
	for i := range channels {
		if n := seen[fmt.Sprint(i)]; n != 2 {
			t.Errorf("of channel %d, %d publications", i, n)
		}
	}
}
