package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// client is a receiver that keeps what it is told.
type client struct {
	*hub.Session
	answer hub.Reception

	mu    sync.Mutex
	texts []string
	cause error
	ended chan struct{} // closed by End
}

func (c *client) Receive(p *hub.Publication) hub.Reception {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.texts = append(c.texts, string(p.Payload))
	return c.answer
}

func (c *client) End(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cause = cause
	close(c.ended) // panics if it is told twice
}

// told is what the client was told so far.
func (c *client) told() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.texts)
}

// open opens a session that is subscribed to channels and closed with the test.
func open(t testing.TB, h *hub.Hub, channels ...string) *client {
	t.Helper()
	c := &client{answer: hub.Taken, ended: make(chan struct{})}
	s, err := h.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Session = s
	t.Cleanup(s.Close)
	for _, name := range channels {
		if err := s.Subscribe(name); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func say(h *hub.Hub, channel, text string) hub.Receipt {
	return h.Publish(&hub.Publication{Channel: channel, Payload: []byte(text)})
}

func TestPublicationsReachTheirChannelOnly(t *testing.T) {
	h := hub.New(hub.Options{})
	lobby, both, other := open(t, h, "lobby"), open(t, h, "lobby", "news"), open(t, h, "other")

	for _, c := range []struct {
		channel, text string
		taken         int
	}{{"lobby", "one", 2}, {"news", "two", 1}, {"nowhere", "three", 0}, {"other", "four", 1}} {
		if got := say(h, c.channel, c.text); got != (hub.Receipt{Taken: c.taken}) {
			t.Errorf("%s: %+v, want %d to take it", c.channel, got, c.taken)
		}
	}
	for _, c := range []struct {
		name string
		*client
		want []string
	}{
		{"lobby", lobby, []string{"one"}},
		{"both", both, []string{"one", "two"}},
		{"other", other, []string{"four"}},
	} {
		if got := c.told(); !slices.Equal(got, c.want) {
			t.Errorf("%s was told %q, want %q", c.name, got, c.want)
		}
	}
}

func TestReceiptCountsWhoTookItAndWhoLags(t *testing.T) {
	h := hub.New(hub.Options{})
	for _, answer := range []hub.Reception{hub.Taken, hub.Refused, hub.Late, hub.Taken, hub.Late} {
		open(t, h, "lobby").answer = answer
	}
	if got, want := say(h, "lobby", "x"), (hub.Receipt{Taken: 4, Late: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestSubscribingTwiceIsSubscribingOnce(t *testing.T) {
	h := hub.New(hub.Options{})
	c := open(t, h, "lobby", "news", "lobby")
	say(h, "lobby", "once")
	if got := c.told(); !slices.Equal(got, []string{"once"}) {
		t.Errorf("was told %q", got)
	}
	c.Close()
	if n := h.Subscribers("lobby"); n != 0 {
		t.Errorf("%d subscribers after close", n)
	}
}

func TestEverySessionSeesTheSameOrder(t *testing.T) {
	const publishers, each, readers = 4, 250, 5
	h := hub.New(hub.Options{})
	var clients []*client
	for range readers {
		clients = append(clients, open(t, h, "lobby"))
	}
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for n := range each {
				say(h, "lobby", fmt.Sprint(p, "/", n))
			}
		})
	}
	publishing.Wait()
	first := clients[0].told()
	if len(first) != publishers*each {
		t.Errorf("reader 0 saw %d of %d publications", len(first), publishers*each)
	}
	for i, c := range clients {
		if !slices.Equal(c.told(), first) {
			t.Errorf("reader %d saw another order than reader 0", i)
		}
	}
}

// Members of a channel change their places as others leave. Whoever is in must be told, once, whoever is not must not.
func TestComingAndGoingLosesNobody(t *testing.T) {
	h := hub.New(hub.Options{})
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
		if got := say(h, "lobby", text); got.Taken != len(in) {
			t.Fatalf("round %d: %d took it, want %d", round, got.Taken, len(in))
		}
		for i, c := range in {
			if told := c.told(); told[len(told)-1] != text || slices.Index(told, text) != len(told)-1 {
				t.Fatalf("round %d: client %d was told %q", round, i, told)
			}
		}
	}
}

func TestSessionsComeAndGoWhileOthersPublish(t *testing.T) {
	h := hub.New(hub.Options{})
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
		say(h, "lobby", fmt.Sprint(i))
	}
	coming.Wait()
	if n := len(stays.told()); n != 500 {
		t.Errorf("whoever stayed was told %d of 500 publications", n)
	}
	if n := h.Subscribers("lobby"); n != 1 {
		t.Errorf("%d subscribers are left, want 1", n)
	}
}

func TestFullHubRefusesUntilASessionCloses(t *testing.T) {
	h := hub.New(hub.Options{MaxSessions: 2})
	first := open(t, h)
	open(t, h)
	if _, err := h.Open(nil); !errors.Is(err, hub.ErrFull) {
		t.Fatalf("a third session: %v, want ErrFull", err)
	}
	first.Session.End(errors.New("bye"))
	if _, err := h.Open(nil); !errors.Is(err, hub.ErrFull) {
		t.Fatalf("a third session while the first says goodbye: %v, want ErrFull", err)
	}
	first.Close()
	first.Close() // gives back one place, not two
	open(t, h)
	if _, err := h.Open(nil); !errors.Is(err, hub.ErrFull) {
		t.Fatalf("a third session after closing one twice: %v, want ErrFull", err)
	}
}

func TestChannelsVanishWhenEmpty(t *testing.T) {
	h := hub.New(hub.Options{})
	c := open(t, h, "lobby")
	if n := h.Subscribers("lobby"); n != 1 {
		t.Fatalf("%d subscribers, want 1", n)
	}
	c.Close()
	if n, channels := h.Subscribers("lobby"), hub.Channels(h); n != 0 || channels != 0 {
		t.Errorf("%d subscribers, %d channels after the last one left", n, channels)
	}
	if err := c.Subscribe("lobby"); !errors.Is(err, hub.ErrEnded) {
		t.Errorf("a closed session subscribed: %v", err)
	}
	if hub.Channels(h) != 0 {
		t.Error("a closed session made a channel")
	}
}

func TestEndedSessionIsToldWhyOnceAndNothingElse(t *testing.T) {
	h := hub.New(hub.Options{})
	c := open(t, h, "lobby")
	cause := errors.New("out")
	c.Session.End(cause)
	c.Session.End(errors.New("again"))
	if c.cause != cause {
		t.Errorf("the receiver was told %v", c.cause)
	}
	if got := say(h, "lobby", "too late"); got.Taken != 0 || len(c.told()) != 0 {
		t.Error("an ended session took a publication")
	}
	if err := c.Subscribe("lobby"); !errors.Is(err, hub.ErrEnded) {
		t.Errorf("an ended session subscribed: %v", err)
	}
	if n := h.Sessions(); n != 1 {
		t.Errorf("%d sessions, want 1 until the gateway closes it", n)
	}
}

func TestClosedSessionIsNotToldOfItsEnd(t *testing.T) {
	h := hub.New(hub.Options{})
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
		h := hub.New(hub.Options{})
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
		if _, err := h.Open(nil); !errors.Is(err, hub.ErrShutdown) {
			t.Errorf("open after shutdown: %v, want ErrShutdown", err)
		}
	})
}

func TestShutdownIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
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

// counter is the cheapest receiver, so that what is measured is the hub.
type counter struct{ received int }

func (c *counter) Receive(*hub.Publication) hub.Reception { c.received++; return hub.Taken }
func (c *counter) End(error)                              {}

// crowd fills "lobby" with n members.
func crowd(t testing.TB, n int) *hub.Hub {
	h := hub.New(hub.Options{})
	for range n {
		s, err := h.Open(new(counter))
		if err != nil {
			t.Fatal(err)
		}
		s.Subscribe("lobby")
	}
	return h
}

func TestFanOutAllocatesNothing(t *testing.T) {
	h := crowd(t, 100)
	p := &hub.Publication{Channel: "lobby"}
	if n := testing.AllocsPerRun(100, func() { h.Publish(p) }); n != 0 {
		t.Errorf("%v allocations for a publication to 100 members", n)
	}
}

func BenchmarkFanOut(b *testing.B) {
	for _, members := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			h := crowd(b, members)
			p := &hub.Publication{Channel: "lobby", Payload: make([]byte, 128)}
			b.ReportAllocs()
			for b.Loop() {
				h.Publish(p)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(members), "ns/delivery")
		})
	}
}
