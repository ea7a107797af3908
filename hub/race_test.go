package hub_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
)

func TestSessionsComeAndGoWhileOthersPublish(t *testing.T) {
	h := start(t, hub.Options{})
	stays := open(t, h, "lobby")
	var coming sync.WaitGroup
	for range 4 {
		coming.Go(func() {
			for range 200 {
				open(t, h, "lobby", "other").Close()
			}
		})
	}
	for i := range 500 {
		say(t, h, "lobby", fmt.Sprint(i))
	}
	coming.Wait()
	if n := len(stays.told()); n != 500 {
		t.Errorf("whoever stayed was told %d of 500 publications", n)
	}
	if n := h.Subscribers("lobby"); n != 1 {
		t.Errorf("%d subscribers are left, want 1", n)
	}
}

// A channel without anybody is given up and taken again all the time; nobody may be left with a channel that is not delivered,
// or begin where the channel was before.
func TestTheLastLeavesWhileTheNextComes(t *testing.T) {
	for _, rule := range []hub.Rule{{}, history} {
		h := ruled(t, rule)
		var coming sync.WaitGroup
		for range 4 {
			coming.Go(func() {
				for i := range 200 {
					c := open(t, h, "lobby")
					word := fmt.Sprint(c.ID(), i)
					say(t, h, "lobby", word)
					found := 0
					for _, heard := range c.told() {
						if heard == word {
							found++
						}
						if heard[0] == '(' {
							t.Errorf("was told %s, where nothing was lost", heard)
						}
					}
					if found != 1 {
						t.Errorf("was told its own publication %d times", found)
					}
					c.Close()
				}
			})
		}
		coming.Wait()
		if n := hub.ChannelCount(h); n != 0 {
			t.Errorf("%d channels are left", n)
		}
	}
}

// The next comes in the very moment in which the last has left: the numbering has ended with the last.
func TestComingWhileTheChannelIsGivenUp(t *testing.T) {
	h, b := badLine(t, hub.Rule{})
	last, next := open(t, h, "lobby"), open(t, h)
	say(t, h, "lobby", "1", "2")
	var coming sync.WaitGroup
	b.set(func() {
		b.left = func() {
			b.set(func() { b.left = nil })
			coming.Go(func() { next.subscribe(t, "lobby", hub.SubscribeOptions{}) })
			for !next.Subscribed("lobby") {
				runtime.Gosched()
			}
		}
	})
	last.Close()
	coming.Wait()
	receipt := say(t, h, "lobby", "3")
	next.expect(t, "(subscribed at 0) 3")
	if next.position() != receipt.Position || receipt.Offset != 1 {
		t.Errorf("is at %v, published was at %v", next.position(), receipt.Position)
	}
}

// A client that is expelled and subscribes again at the same time must not believe the opposite of what is true.
func TestExpelledAndSubscribedAreToldInOrder(t *testing.T) {
	h := start(t, hub.Options{})
	c := open(t, h)
	var expelling sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		expelling.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					c.Expel("lobby", "out")
				}
			}
		})
	}
	for range 3000 {
		c.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{})
	}
	close(done)
	expelling.Wait()
	in := false
	for i, word := range c.told() {
		if subscribed := word != "(unsubscribed: out)"; subscribed == in {
			t.Fatalf("notice %d is %s, as the one before", i, word)
		}
		in = !in
	}
	if in != c.Subscribed("lobby") {
		t.Errorf("it is subscribed: %v, but was told %v", !in, in)
	}
}

// Clients lose their connections again and again while publications pour in, and some are slow; with a history that is long
// enough, each hears everything once and in order.
func TestWhoeverComesBackMissesNothing(t *testing.T) {
	const total = 2000
	h := ruled(t, hub.Rule{History: hub.Retention{Count: total}})
	epoch := open(t, h, "lobby").position().Epoch
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			next := uint64(1)
			for next <= total {
				c := newClient()
				c.login(t, h, hub.Identity{})
				c.room = 1 + rand.IntN(50)
				c.subscribe(t, "lobby", after(hub.Position{Epoch: epoch, Offset: next - 1}))
				for range rand.IntN(20) {
					c.take(1 + rand.IntN(50))
				}
				c.Close()
				words := c.told()
				if want := fmt.Sprintf("(recovered at %d)", next-1); words[0] != want {
					t.Errorf("client %d: %s, want %s", i, words[0], want)
					return
				}
				for _, word := range words[1:] {
					if word != fmt.Sprint(next) {
						t.Errorf("client %d: was told %s, want %d", i, word, next)
						return
					}
					next++
				}
			}
		})
	}
	say(t, h, "lobby", numbers(1, total)...)
	clients.Wait()
}

// The same where publications are dropped: what is told and what is said to be lost are, together, everything.
func TestGapsAndPublicationsAreEverything(t *testing.T) {
	for _, slow := range []hub.Policy{hub.DropOldest, hub.Disconnect} {
		h := ruled(t, hub.Rule{History: hub.Retention{Count: 20}, Slow: slow, Backlog: 500})
		c := open(t, h, "lobby")
		c.room = 1
		var publishing sync.WaitGroup
		publishing.Go(func() { say(t, h, "lobby", numbers(1, 3000)...) })
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 2000 {
				c.take(1 + rand.IntN(3))
			}
		}()
		publishing.Wait()
		<-done
		c.take(1 << 30)
		next := 1
		for _, word := range c.told() {
			var from, to int
			if n, _ := fmt.Sscanf(word, "(gap %d-%d)", &from, &to); n == 2 {
				if from != next || to < from {
					t.Fatalf("%s where %d was next", word, next)
				}
				next = to + 1
				continue
			}
			if word != fmt.Sprint(next) {
				t.Fatalf("was told %s, want %d", word, next)
			}
			next++
		}
		if next != 3001 {
			t.Errorf("was told up to %d", next-1)
		}
	}
}

// Everything that may be called at the same time is.
func TestEverythingAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hub.Options{Linger: time.Microsecond, MaxSubscriptions: 3, Rules: []hub.Rule{
			{Pattern: "a", History: hub.Retention{Count: 5}, Last: true, Slow: hub.Conflate, Presence: true, Backlog: 500},
			{Pattern: "b", History: hub.Retention{Count: 5}, Slow: hub.DropOldest, Presence: true, Backlog: 500},
			{Pattern: "*", Presence: true},
		}})
		names := []string{"a", "b", "c", "d"}
		var busy sync.WaitGroup
		for i := range 6 {
			busy.Go(func() {
				r := rand.New(rand.NewPCG(1, uint64(i)))
				for range 20 {
					c := newClient()
					c.room = r.IntN(5)
					c.login(t, h, hub.Identity{User: fmt.Sprint("u", i%2)})
					var parts sync.WaitGroup
					for part := range 3 {
						r := rand.New(rand.NewPCG(r.Uint64(), uint64(part)))
						parts.Go(func() { meddle(t, h, c, r, names) })
					}
					parts.Wait()
					c.Close()
					hub.SinkOf(h).Interrupted("")
				}
			})
		}
		busy.Wait()
		time.Sleep(time.Second)
		if n := hub.ChannelCount(h); n != 0 || h.Sessions() != 0 {
			t.Errorf("%d channels and %d sessions are left", n, h.Sessions())
		}
		for _, name := range names {
			if p, err := h.Presence(t.Context(), name, 10); err != nil || p.Sessions != 0 {
				t.Errorf("in %s are %d sessions: %v", name, p.Sessions, err)
			}
		}
	})
}

// meddle does whatever a client and a server can do with a session.
func meddle(t *testing.T, h *hub.Hub, c *client, r *rand.Rand, names []string) {
	ctx := t.Context()
	for range 20 {
		name := names[r.IntN(len(names))]
		switch r.IntN(10) {
		case 0, 1:
			c.Subscribe(ctx, name, hub.SubscribeOptions{Presence: r.IntN(2) == 0})
		case 2:
			c.Subscribe(ctx, name, after(c.anyPosition()))
		case 3:
			c.Unsubscribe(name)
		case 4:
			c.Expel(name, "out")
		case 5:
			c.take(r.IntN(5))
		case 6:
			c.Presence(ctx, name, 3)
		case 7:
			c.Lag()
			h.Channels(func(string, int) bool { return true })
		default:
			post(t, h, &hub.Publication{Channel: name, Key: fmt.Sprint(r.IntN(3)), Payload: make([]byte, r.IntN(100))})
		}
		if r.IntN(60) == 0 {
			c.Session.End(errors.New("out"))
		}
		time.Sleep(time.Duration(r.IntN(3)) * time.Microsecond)
	}
}

func (c *client) anyPosition() hub.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.marks) == 0 {
		return hub.Position{}
	}
	return c.marks[0]
}

// A shutdown in the middle of everything ends, and everything after it is refused rather than stuck.
func TestShutdownWhileEverythingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hub.Options{Rules: []hub.Rule{{Pattern: "*", Presence: true, History: hub.Retention{Count: 10}}}})
		var busy sync.WaitGroup
		for range 4 {
			busy.Go(func() {
				for {
					c := newClient()
					s, err := h.Open(c, hub.Identity{})
					if err != nil {
						return
					}
					c.Session = s
					c.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{})
					s.Publish(t.Context(), &hub.Publication{Channel: "lobby"}, hub.PublishOptions{})
					hub.SinkOf(h).Interrupted("")
					time.Sleep(time.Microsecond)
					s.Close()
				}
			})
		}
		time.Sleep(time.Millisecond)
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		busy.Wait()
	})
}
