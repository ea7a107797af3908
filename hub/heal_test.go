package hub_test

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// scripted is a broker beyond a network that delivers what a test tells it to, and has the history that the test says.
type scripted struct {
	hub.Sink
	at        hub.Position
	history   func(call int, q hub.Query) (hub.History, error)
	subscribe func(ctx context.Context) error
	calls     atomic.Int32
}

func (b *scripted) Start(sink hub.Sink) error { b.Sink = sink; return nil }
func (b *scripted) Publish(context.Context, *hub.Publication, hub.Storing) (hub.Published, error) {
	return hub.Published{}, errFault
}
func (b *scripted) Earlier(context.Context, string, string) (hub.Published, error) {
	return hub.Published{}, errFault
}
func (b *scripted) Subscribe(ctx context.Context, _ string, _ hub.Retention) (hub.Position, error) {
	if b.subscribe != nil {
		return b.at, b.subscribe(ctx)
	}
	return b.at, nil
}
func (b *scripted) Unsubscribe(string) {}
func (b *scripted) History(_ context.Context, _ string, q hub.Query) (hub.History, error) {
	return b.history(int(b.calls.Add(1)), q)
}
func (b *scripted) Join(context.Context, string, hub.Member) error  { return nil }
func (b *scripted) Leave(context.Context, string, hub.Member) error { return nil }
func (b *scripted) Presence(context.Context, string, int) (hub.Presence, error) {
	return hub.Presence{}, nil
}
func (b *scripted) Remote() bool { return true }
func (b *scripted) Close() error { return nil }

func (b *scripted) deliver(epoch string, from, to uint64) {
	for _, p := range published(epoch, from, to) {
		b.Deliver(p)
	}
}

// published are publications whose payload is their offset.
func published(epoch string, from, to uint64) (all []*hub.Publication) {
	for o := from; o <= to; o++ {
		all = append(all, &hub.Publication{Channel: "lobby", Epoch: epoch, Offset: o, Payload: []byte(numbers(int(o), int(o))[0])})
	}
	return all
}

const oldEpoch, newEpoch = "aaaaaaaa", "bbbbbbbb"

// scene is a hub over a scripted broker, and a client in its channel.
func scene(t *testing.T, b *scripted, slow hub.Policy) (*hub.Hub, *client) {
	h := start(t, hub.Options{Broker: b, Log: slog.New(slog.DiscardHandler),
		Rules: []hub.Rule{{Pattern: "*", Slow: slow, History: hub.Retention{Count: 10_000}}}})
	return h, open(t, h, "lobby")
}

func TestWhatCouldNotBeHealedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{at: hub.Position{Epoch: oldEpoch, Offset: 5}}
		b.history = func(call int, q hub.Query) (hub.History, error) {
			if call < 4 {
				return hub.History{}, errFault
			}
			return hub.History{Top: hub.Position{Epoch: oldEpoch, Offset: 6}, Publications: published(oldEpoch, q.After+1, 6)}, nil
		}
		_, c := scene(t, b, hub.Disconnect)
		b.Interrupted("")
		time.Sleep(time.Hour)
		c.expect(t, "6")
		if n := b.calls.Load(); n != 4 {
			t.Errorf("history was read %d times", n)
		}
	})
}

func TestAnInterruptionWhileHealingIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{at: hub.Position{Epoch: oldEpoch, Offset: 5}}
		b.history = func(call int, q hub.Query) (hub.History, error) {
			if call == 1 { // and then the line is cut again
				time.Sleep(time.Second)
				return hub.History{Top: b.at}, nil
			}
			return hub.History{Top: hub.Position{Epoch: oldEpoch, Offset: 6}, Publications: published(oldEpoch, q.After+1, 6)}, nil
		}
		_, c := scene(t, b, hub.Disconnect)
		b.Interrupted("lobby")
		synctest.Wait()
		b.Interrupted("lobby")
		time.Sleep(time.Hour)
		c.expect(t, "6")
	})
}

func TestWhatWasHeldOfANumberingThatIsOverIsNotHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{at: hub.Position{Epoch: oldEpoch, Offset: 5}}
		b.history = func(call int, q hub.Query) (hub.History, error) {
			if call == 1 {
				b.deliver(newEpoch, 6, 7)
			}
			return hub.History{Top: hub.Position{Epoch: newEpoch, Offset: 7}, Publications: published(newEpoch, q.After+1, 7)}, nil
		}
		_, c := scene(t, b, hub.Disconnect)
		b.deliver(oldEpoch, 8, 8)
		synctest.Wait()
		c.expect(t, "(gap 0-0) 1 2 3 4 5 6 7")
	})
}

func TestAGapStaysBehindWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{at: hub.Position{Epoch: oldEpoch}}
		b.history = func(int, hub.Query) (hub.History, error) { return hub.History{}, errFault }
		_, c := scene(t, b, hub.DropOldest)
		c.room = 1
		b.deliver(oldEpoch, 1, 3)
		b.deliver(oldEpoch, 6, 6)
		time.Sleep(time.Minute)
		c.take(100)
		c.expect(t, "1 2 3 (gap 4-5) 6")
	})
}

// A page that cannot be read at once is not lost.
func TestAReplayIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{at: hub.Position{Epoch: oldEpoch, Offset: 3}}
		b.history = func(call int, q hub.Query) (hub.History, error) {
			if call == 2 || call == 3 { // the first asks whether it can be recovered
				return hub.History{}, errFault
			}
			return hub.History{Top: b.at, Publications: published(oldEpoch, q.After+1, 3)}, nil
		}
		h, _ := scene(t, b, hub.Disconnect)
		c := open(t, h)
		c.subscribe(t, "lobby", after(hub.Position{Epoch: oldEpoch}))
		time.Sleep(time.Second)
		c.expect(t, "(recovered at 0) 1 2 3")
	})
}

// A node may be the last to hear that a numbering is over. A cursor of the new one is not to blame for that.
func TestACursorOfANumberingThatTheNodeHasNotHeardOfIsRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &scripted{at: hub.Position{Epoch: oldEpoch, Offset: 5}}
		b.history = func(_ int, q hub.Query) (hub.History, error) {
			if q.Newest {
				return hub.History{Top: hub.Position{Epoch: newEpoch, Offset: 3}}, nil
			}
			return hub.History{Top: hub.Position{Epoch: newEpoch, Offset: 3}, Publications: published(newEpoch, q.After+1, 3)}, nil
		}
		h, _ := scene(t, b, hub.Disconnect)
		c := open(t, h)
		c.subscribe(t, "lobby", after(hub.Position{Epoch: newEpoch, Offset: 2}))
		synctest.Wait()
		c.expect(t, "(recovered at 2) 3")
	})
}

// Whoever finds somebody else subscribing at the broker waits as long as its own context says.
func TestSubscribeWaitsForAnothersNoLongerThanAsked(t *testing.T) {
	asked, once := make(chan struct{}), sync.Once{}
	b := &scripted{subscribe: func(ctx context.Context) error { once.Do(func() { close(asked) }); <-ctx.Done(); return ctx.Err() }}
	h := start(t, hub.Options{Broker: b, Log: slog.New(slog.DiscardHandler)})
	first, second := open(t, h), open(t, h)
	long, cancelLong := context.WithCancel(t.Context())
	defer cancelLong()
	var subscribing sync.WaitGroup
	subscribing.Go(func() { first.Subscribe(long, "lobby", hub.SubscribeOptions{}) })
	<-asked
	short, cancelShort := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancelShort()
	refused(t, "the second", second.Subscribe(short, "lobby", hub.SubscribeOptions{}), hub.Unavailable) // while the first waits
	cancelLong()
	subscribing.Wait()
	for hub.ChannelCount(h) != 0 { // soon nothing of it is left
		runtime.Gosched()
	}
}

// A broker that does not answer is waited for once, by all who wait for it.
func TestWhoWaitsForAnothersSubscribingSharesItsError(t *testing.T) {
	asked, answer := make(chan struct{}, 8), make(chan struct{})
	b := &scripted{subscribe: func(context.Context) error { asked <- struct{}{}; <-answer; return errFault }}
	h := start(t, hub.Options{Broker: b, Log: slog.New(slog.DiscardHandler)})
	var subscribing sync.WaitGroup
	const clients = 8
	for range clients {
		c := open(t, h)
		subscribing.Go(func() {
			refused(t, "a client", c.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{}), hub.Unavailable)
		})
	}
	<-asked
	for hub.References(h, "lobby") < 2*clients { // each has its own, and that of its waiting
		runtime.Gosched()
	}
	close(answer)
	subscribing.Wait()
	if again := len(asked); again > 0 {
		t.Errorf("the broker was asked %d times more", again)
	}
	refused(t, "one who comes later", open(t, h).Subscribe(t.Context(), "lobby", hub.SubscribeOptions{}), hub.Unavailable)
	if len(asked) != 1 {
		t.Error("the broker is not asked for one who comes later")
	}
}
