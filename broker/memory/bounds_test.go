package memory_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// deaf is a sink that nobody listens to.
type deaf struct{}

func (deaf) Deliver(*hub.Publication)  {}
func (deaf) Present(hub.PresenceEvent) {}
func (deaf) Interrupted(string)        {}

func start(t testing.TB, options memory.Options) *memory.Broker {
	t.Helper()
	b := memory.New(options)
	if err := b.Start(deaf{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func publish(t testing.TB, b *memory.Broker, channel string, payload int, s hub.Storing) hub.Published {
	t.Helper()
	done, err := b.Publish(t.Context(), &hub.Publication{Channel: channel, Payload: make([]byte, payload)}, s)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func history(t testing.TB, b *memory.Broker, channel string, q hub.Query) hub.History {
	t.Helper()
	h, err := b.History(t.Context(), channel, q)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var forever = hub.Storing{Retention: hub.Retention{Count: 1000}}

func all(r hub.Retention) hub.Query { return hub.Query{Limit: 10_000, Retention: r} }

// recount fails the test unless every channel is charged what it keeps.
func recount(t *testing.T, b *memory.Broker) {
	t.Helper()
	if want, _ := memory.Charged(b); memory.Bytes(b) != want {
		t.Errorf("charged are %d bytes, kept %d", memory.Bytes(b), want)
	}
}

func TestCountlessChannelNamesStayInBounds(t *testing.T) {
	const maxBytes, names = 4 << 20, 24_000 // half as many again as there is room for
	for _, attack := range []struct {
		name string
		do   func(b *memory.Broker, channel string)
	}{
		{"published in", func(b *memory.Broker, channel string) { publish(t, b, channel, 100, forever) }},
		{"published in with a key", func(b *memory.Broker, channel string) {
			publish(t, b, channel, 0, hub.Storing{IdempotencyKey: "key", Window: time.Hour})
		}},
		{"read", func(b *memory.Broker, channel string) { history(t, b, channel, all(forever.Retention)) }},
	} {
		t.Run(attack.name, func(t *testing.T) {
			b := start(t, memory.Options{MaxBytes: maxBytes})
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for i := range names {
				attack.do(b, fmt.Sprint("channel", i))
				if got := memory.Bytes(b); got > maxBytes {
					t.Fatalf("after %d channels %d bytes are charged", i, got)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2*maxBytes {
				t.Errorf("the heap has grown by %d bytes, of which %d are charged", grown, memory.Bytes(b))
			}
			if n := memory.Channels(b); n > maxBytes/256 {
				t.Errorf("%d channels are known", n)
			}
			recount(t, b)
		})
	}
}

func TestTheLeastRecentlyPublishedLosesItsOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, memory.Options{MaxBytes: 1 << 20})
		for range 50 { // a tenth of all there is room for
			publish(t, b, "quiet", 1000, forever)
			publish(t, b, "busy", 1000, forever)
		}
		time.Sleep(time.Second)
		for range 50 {
			publish(t, b, "busy", 1000, forever)
		}
		for memory.Bytes(b) < 1<<20-3000 {
			publish(t, b, "flood", 1000, forever)
		}
		for range 2 {
			publish(t, b, "flood", 1000, forever)
		}
		quiet, busy := history(t, b, "quiet", all(forever.Retention)), history(t, b, "busy", all(forever.Retention))
		if n := len(quiet.Publications); n == 0 || n == 50 || quiet.Lost != uint64(50-n) || quiet.Top.Offset != 50 {
			t.Errorf("of the quiet channel %d are left, %d lost up to %d", n, quiet.Lost, quiet.Top.Offset)
		}
		if last := quiet.Publications[len(quiet.Publications)-1]; last.Offset != 50 {
			t.Errorf("its newest is gone: %d is the last", last.Offset)
		}
		if len(busy.Publications) != 100 {
			t.Errorf("of the busy channel only %d are left", len(busy.Publications))
		}
		recount(t, b)
	})
}

// A flood of reads makes numberings only. They must not cost anybody a history.
func TestNumberingsGoBeforeHistory(t *testing.T) {
	b := start(t, memory.Options{MaxBytes: 1 << 20})
	for range 100 {
		publish(t, b, "lobby", 1000, forever)
	}
	for i := range 10_000 {
		history(t, b, fmt.Sprint("read", i), all(forever.Retention))
	}
	if h := history(t, b, "lobby", all(forever.Retention)); len(h.Publications) != 100 {
		t.Errorf("%d of 100 publications are left", len(h.Publications))
	}
}

func TestEvictionKeepsTheNumberingOfThoseSubscribed(t *testing.T) {
	b := start(t, memory.Options{MaxBytes: 64 << 10})
	position, err := b.Subscribe(t.Context(), "lobby", forever.Retention)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, "lobby", 10, forever)
	for range 500 {
		publish(t, b, "flood", 1000, forever)
	}
	h := history(t, b, "lobby", all(forever.Retention))
	if h.Top != (hub.Position{Epoch: position.Epoch, Offset: 1}) || len(h.Publications) != 0 || h.Lost != 1 {
		t.Errorf("%+v, want the one publication lost, in the same numbering", h)
	}
}

func TestAPublicationThatAloneIsTooMuchIsDeliveredAndLost(t *testing.T) {
	b := start(t, memory.Options{MaxBytes: 1000})
	if _, err := b.Subscribe(t.Context(), "lobby", forever.Retention); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "lobby", 10_000, forever)
	if h := history(t, b, "lobby", all(forever.Retention)); h.Lost != 1 || h.Top.Offset != 1 {
		t.Errorf("%+v", h)
	}
	if got := memory.Bytes(b); got != 0 {
		t.Errorf("%d bytes are charged", got)
	}
}

func TestTheSweepForgetsWhatNobodyAsksForAnyMore(t *testing.T) {
	for _, c := range []struct {
		name  string
		use   func(t *testing.T, b *memory.Broker)
		lasts time.Duration // 0: is never forgotten; under a second: is not even remembered
	}{
		{"publications", func(t *testing.T, b *memory.Broker) {
			publish(t, b, "lobby", 1, hub.Storing{Retention: hub.Retention{Count: 10, Age: time.Minute}})
		}, time.Minute},
		{"publications without an age", func(t *testing.T, b *memory.Broker) {
			publish(t, b, "lobby", 1, hub.Storing{Retention: hub.Retention{Count: 10}})
		}, 0},
		{"keys", func(t *testing.T, b *memory.Broker) {
			publish(t, b, "lobby", 1, hub.Storing{IdempotencyKey: "key", Window: time.Minute})
		}, time.Minute},
		{"keys beyond publications", func(t *testing.T, b *memory.Broker) {
			publish(t, b, "lobby", 1, hub.Storing{IdempotencyKey: "key", Window: 2 * time.Minute,
				Retention: hub.Retention{Count: 10, Age: time.Minute}})
		}, 2 * time.Minute},
		{"a subscription to what keeps nothing", func(t *testing.T, b *memory.Broker) {
			b.Subscribe(t.Context(), "lobby", hub.Retention{})
			b.Unsubscribe("lobby")
		}, time.Nanosecond},
		{"a subscription to what keeps something", func(t *testing.T, b *memory.Broker) {
			b.Subscribe(t.Context(), "lobby", hub.Retention{Count: 1, Age: time.Minute})
			b.Unsubscribe("lobby")
		}, time.Minute},
		{"a subscription", func(t *testing.T, b *memory.Broker) {
			b.Subscribe(t.Context(), "lobby", hub.Retention{})
		}, 0},
		{"a member", func(t *testing.T, b *memory.Broker) {
			b.Join(t.Context(), "lobby", hub.Member{Session: "s"})
		}, 0},
		{"a member that left", func(t *testing.T, b *memory.Broker) {
			b.Join(t.Context(), "lobby", hub.Member{Session: "s"})
			b.Leave(t.Context(), "lobby", hub.Member{Session: "s"})
		}, time.Nanosecond},
		{"a read of what keeps something", func(t *testing.T, b *memory.Broker) {
			history(t, b, "lobby", all(hub.Retention{Count: 1, Age: time.Minute}))
		}, time.Minute},
		{"a read of what keeps nothing", func(t *testing.T, b *memory.Broker) {
			history(t, b, "lobby", all(hub.Retention{}))
		}, time.Nanosecond},
		{"a publication that nobody hears", func(t *testing.T, b *memory.Broker) {
			publish(t, b, "lobby", 1, hub.Storing{})
		}, time.Nanosecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, memory.Options{})
				c.use(t, b)
				time.Sleep(c.lasts - c.lasts/10)
				if want := c.lasts == 0 || c.lasts >= time.Second; want != (memory.Channels(b) == 1) {
					t.Errorf("%d channels are known before the time is up", memory.Channels(b))
				}
				time.Sleep(c.lasts + time.Hour)
				synctest.Wait()
				if want := c.lasts == 0; want != (memory.Channels(b) == 1) {
					t.Errorf("%d channels are known long after", memory.Channels(b))
				}
				if _, listed := memory.Charged(b); memory.Channels(b) == 0 && (listed != 0 || memory.Bytes(b) != 0) {
					t.Errorf("%d bytes are charged, %d channels listed", memory.Bytes(b), listed)
				}
			})
		})
	}
}

func TestADroppedChannelBeginsANewNumbering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, memory.Options{})
		s := hub.Storing{Retention: hub.Retention{Count: 10, Age: time.Minute}}
		before := publish(t, b, "lobby", 1, s)
		time.Sleep(2 * time.Minute)
		if after := publish(t, b, "lobby", 1, s); after.Epoch == before.Epoch || after.Offset != 1 {
			t.Errorf("%v comes after %v was forgotten", after.Position, before.Position)
		}
	})
}

func TestKeysAreBoundedPerChannel(t *testing.T) {
	b := start(t, memory.Options{})
	s := func(i int) hub.Storing { return hub.Storing{IdempotencyKey: fmt.Sprint(i), Window: time.Hour} }
	for i := range memory.MaxKeys + 1 {
		publish(t, b, "lobby", 0, s(i))
	}
	if done := publish(t, b, "lobby", 0, s(1)); !done.Duplicate {
		t.Error("one of the newest keys is forgotten")
	}
	if done := publish(t, b, "lobby", 0, s(0)); done.Duplicate {
		t.Error("the oldest key is still known")
	}
	recount(t, b)
}

func TestEverythingAtTheSameTime(t *testing.T) {
	b := start(t, memory.Options{MaxBytes: 20_000})
	var users sync.WaitGroup
	for i := range 4 {
		users.Go(func() {
			for k := range 2000 {
				name := fmt.Sprint("channel", (i+k)%5)
				switch (i*7 + k) % 8 {
				case 0:
					b.Subscribe(t.Context(), name, forever.Retention)
				case 1:
					b.Unsubscribe(name)
				case 2:
					b.Join(t.Context(), name, hub.Member{Session: fmt.Sprint(i), User: "ann"})
				case 3:
					b.Leave(t.Context(), name, hub.Member{Session: fmt.Sprint(i), User: "ann"})
				case 4:
					history(t, b, name, all(forever.Retention))
				default:
					publish(t, b, name, k%300, hub.Storing{Retention: hub.Retention{Count: k % 50}, IdempotencyKey: fmt.Sprint(k % 10), Window: time.Millisecond})
				}
			}
		})
	}
	users.Wait()
	recount(t, b)
	b.Close()
	if n := memory.Channels(b); n != 0 || memory.Bytes(b) != 0 {
		t.Errorf("after Close %d channels with %d bytes are left", n, memory.Bytes(b))
	}
}
