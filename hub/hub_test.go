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

// open opens a session that is subscribed to channels and closed with the test.
func open(t *testing.T, h *hub.Hub, channels ...string) *hub.Session {
	t.Helper()
	s, err := h.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for _, name := range channels {
		if err := s.Subscribe(name); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func say(h *hub.Hub, channel, text string) int {
	return h.Publish(&hub.Publication{Channel: channel, Payload: []byte(text)})
}

// take returns the payloads of what waits in s.
func take(t *testing.T, s *hub.Session) []string {
	t.Helper()
	batch, ok := s.Next(nil)
	if !ok {
		t.Fatalf("the session has ended: %v", context.Cause(s.Context()))
	}
	var texts []string
	for _, p := range batch {
		texts = append(texts, string(p.Payload))
	}
	return texts
}

func TestPublicationsReachTheirChannelOnly(t *testing.T) {
	h := hub.New(hub.Options{})
	lobby, both, other := open(t, h, "lobby"), open(t, h, "lobby", "news"), open(t, h, "other")

	if n := say(h, "lobby", "one"); n != 2 {
		t.Errorf("lobby: %d sessions took it, want 2", n)
	}
	if n := say(h, "news", "two"); n != 1 {
		t.Errorf("news: %d sessions took it, want 1", n)
	}
	if n := say(h, "nowhere", "three"); n != 0 {
		t.Errorf("nowhere: %d sessions took it, want 0", n)
	}
	say(h, "other", "four")

	for _, c := range []struct {
		name string
		s    *hub.Session
		want []string
	}{
		{"lobby", lobby, []string{"one"}},
		{"both", both, []string{"one", "two"}},
		{"other", other, []string{"four"}},
	} {
		if got := take(t, c.s); !slices.Equal(got, c.want) {
			t.Errorf("%s took %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSubscribingTwiceIsSubscribingOnce(t *testing.T) {
	h := hub.New(hub.Options{})
	s := open(t, h, "lobby", "lobby")
	say(h, "lobby", "once")
	if got := take(t, s); !slices.Equal(got, []string{"once"}) {
		t.Errorf("took %q", got)
	}
	s.Close()
	if n := h.Subscribers("lobby"); n != 0 {
		t.Errorf("%d subscribers after close", n)
	}
}

func TestEverySessionSeesTheSameOrder(t *testing.T) {
	const publishers, each, readers = 4, 250, 5
	h := hub.New(hub.Options{})
	seen := make([][]string, readers)
	var reading sync.WaitGroup
	for i := range readers {
		s := open(t, h, "lobby")
		reading.Go(func() {
			var batch []*hub.Publication
			for len(seen[i]) < publishers*each {
				batch, _ = s.Next(batch)
				for _, p := range batch {
					seen[i] = append(seen[i], string(p.Payload))
				}
			}
		})
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
	reading.Wait()
	for i := range seen {
		if !slices.Equal(seen[i], seen[0]) {
			t.Errorf("reader %d saw another order than reader 0", i)
		}
	}
}

func TestOutboxOverflowEndsOnlyTheSlowSession(t *testing.T) {
	big := string(make([]byte, 60))
	for _, c := range []struct {
		name    string
		options hub.Options
		texts   []string // the last one is too many
	}{
		{"by count", hub.Options{OutboxCount: 3}, []string{"a", "b", "c", "d"}},
		{"by bytes", hub.Options{OutboxBytes: 120}, []string{big, big, "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := hub.New(c.options)
			slow, quick := open(t, h, "lobby"), open(t, h, "lobby")
			for i, text := range c.texts {
				want := 2
				if i == len(c.texts)-1 {
					want = 1
				}
				if n := say(h, "lobby", text); n != want {
					t.Fatalf("publication %d: %d sessions took it, want %d", i, n, want)
				}
				if got := take(t, quick); !slices.Equal(got, []string{text}) {
					t.Errorf("the quick session took %q", got)
				}
			}
			if cause := context.Cause(slow.Context()); cause != hub.ErrSlow {
				t.Errorf("the slow session ended for %v, want ErrSlow", cause)
			}
			if _, ok := slow.Next(nil); ok {
				t.Error("a session ended for slowness still hands out publications")
			}
		})
	}
}

// publish tells how long a publication takes.
func publish(h *hub.Hub) time.Duration {
	started := time.Now()
	say(h, "lobby", "x")
	return time.Since(started)
}

func TestPublisherWaitsOnceForASessionThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{OutboxCount: 10})
		s := open(t, h, "lobby")
		for i := range 11 {
			want := time.Duration(0)
			if i == 5 { // more than half of the outbox is full for the first time
				want = 100 * time.Millisecond
			}
			if took := publish(h); took != want {
				t.Errorf("publication %d took %v, want %v", i, took, want)
			}
		}
		if cause := context.Cause(s.Context()); cause != hub.ErrSlow {
			t.Errorf("it ended for %v, want ErrSlow", cause)
		}
	})
}

func TestPublisherWaitsForASessionThatIsOnlyLate(t *testing.T) {
	const late = 10 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{OutboxCount: 10})
		s := open(t, h, "lobby")
		var reading sync.WaitGroup
		reading.Go(func() {
			var batch []*hub.Publication
			for ok := true; ok; batch, ok = s.Next(batch) {
				time.Sleep(late)
			}
		})
		for i := range 1000 {
			if took := publish(h); took > 2*late {
				t.Fatalf("publication %d took %v", i, took)
			}
			if cause := context.Cause(s.Context()); cause != nil {
				t.Fatalf("publication %d ended the session: %v", i, cause)
			}
		}
		s.Close()
		reading.Wait()
	})
}

func TestSessionThatCaughtUpIsWaitedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{OutboxCount: 10})
		s := open(t, h, "lobby")
		turns := make(chan struct{})
		go func() {
			var batch []*hub.Publication
			for range turns {
				batch, _ = s.Next(batch)
			}
		}()
		for round := range 3 {
			waited := time.Duration(0)
			for range 8 {
				waited += publish(h)
			}
			if waited != 100*time.Millisecond {
				t.Errorf("round %d: publishers waited %v", round, waited)
			}
			turns <- struct{}{} // takes what there is
			turns <- struct{}{} // says that it is written, and waits for more
			synctest.Wait()
		}
		s.Close()
		close(turns)
	})
}

func TestEmptyOutboxTakesAPublicationOfAnySize(t *testing.T) {
	h := hub.New(hub.Options{OutboxBytes: 10})
	open(t, h, "lobby")
	if n := say(h, "lobby", "more than ten bytes"); n != 1 {
		t.Error("refused by an empty outbox")
	}
	if n := say(h, "lobby", "x"); n != 0 {
		t.Error("taken by an outbox that is over its bound")
	}
}

func TestWhatIsBeingWrittenCountsAgainstTheOutbox(t *testing.T) {
	h := hub.New(hub.Options{OutboxCount: 2})
	s := open(t, h, "lobby")
	say(h, "lobby", "a")
	batch, _ := s.Next(nil)
	say(h, "lobby", "b")
	if batch, _ = s.Next(batch); string(batch[0].Payload) != "b" {
		t.Fatalf("took %q", batch[0].Payload)
	}
	say(h, "lobby", "c")
	if n := say(h, "lobby", "d"); n != 0 {
		t.Error("b is being written, c waits, and d fitted into an outbox of two")
	}
}

func TestFullHubRefusesUntilASessionCloses(t *testing.T) {
	h := hub.New(hub.Options{MaxSessions: 2})
	first := open(t, h)
	open(t, h)
	if _, err := h.Open(); !errors.Is(err, hub.ErrFull) {
		t.Fatalf("a third session: %v, want ErrFull", err)
	}
	first.Close()
	first.Close() // gives back one place, not two
	open(t, h)
	if _, err := h.Open(); !errors.Is(err, hub.ErrFull) {
		t.Fatalf("a third session after closing one twice: %v, want ErrFull", err)
	}
}

func TestChannelsVanishWhenEmpty(t *testing.T) {
	h := hub.New(hub.Options{})
	s := open(t, h, "lobby")
	if n := h.Subscribers("lobby"); n != 1 {
		t.Fatalf("%d subscribers, want 1", n)
	}
	s.Close()
	if n, channels := h.Subscribers("lobby"), hub.Channels(h); n != 0 || channels != 0 {
		t.Errorf("%d subscribers, %d channels after the last one left", n, channels)
	}
	if err := s.Subscribe("lobby"); err != nil {
		t.Error(err)
	}
	if hub.Channels(h) != 0 {
		t.Error("a closed session subscribed")
	}
}

func TestShutdownEndsAllAndWaitsForTheirGateways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		const closing = time.Second
		for range 3 {
			s := open(t, h, "lobby")
			go func() {
				<-s.Context().Done()
				time.Sleep(closing)
				s.Close()
			}()
		}
		started := time.Now()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took != closing {
			t.Errorf("took %v, want %v", took, closing)
		}
		if _, err := h.Open(); !errors.Is(err, hub.ErrShutdown) {
			t.Errorf("open after shutdown: %v, want ErrShutdown", err)
		}
	})
}

func TestShutdownIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		s := open(t, h)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown with a gateway that never closes: %v", err)
		}
		s.Close()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown again, all closed: %v", err)
		}
	})
}

func TestShutdownLetsWaitingPublicationsBeTaken(t *testing.T) {
	h := hub.New(hub.Options{})
	s := open(t, h, "lobby")
	say(h, "lobby", "last words")
	s.End(hub.ErrShutdown)
	if n := say(h, "lobby", "too late"); n != 0 {
		t.Error("an ended session took a publication")
	}
	if got := take(t, s); !slices.Equal(got, []string{"last words"}) {
		t.Errorf("took %q", got)
	}
	if _, ok := s.Next(nil); ok {
		t.Error("more to take after the end")
	}
	if cause := context.Cause(s.Context()); cause != hub.ErrShutdown {
		t.Errorf("cause %v", cause)
	}
}

func TestNextWakesUpWhenTheSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, hub.New(hub.Options{}))
		done := make(chan bool)
		go func() {
			_, ok := s.Next(nil)
			done <- ok
		}()
		synctest.Wait()
		s.Close()
		if <-done {
			t.Error("a publication out of nowhere")
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

func BenchmarkFanOut(b *testing.B) {
	for _, subscribers := range []int{10, 1000} {
		b.Run(fmt.Sprint(subscribers), func(b *testing.B) {
			h := hub.New(hub.Options{})
			sessions := make([]*hub.Session, subscribers)
			for i := range sessions {
				sessions[i], _ = h.Open()
				sessions[i].Subscribe("lobby")
			}
			batches := make([][]*hub.Publication, subscribers)
			payload := make([]byte, 128)
			b.ReportAllocs()
			for b.Loop() {
				h.Publish(&hub.Publication{Channel: "lobby", Payload: payload})
				for i, s := range sessions {
					batches[i], _ = s.Next(batches[i])
				}
			}
		})
	}
}
