package hub_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// after asks for what was missed since some positions.
func after(positions ...hub.Position) hub.SubscribeOptions {
	return hub.SubscribeOptions{Recover: true, After: positions}
}

func TestRecoveryIsAllOrSaysThatItIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := ruled(t, hub.Rule{History: hub.Retention{Count: 5, Age: time.Hour}})
		other := say(t, h, "other", "x").Position
		top := say(t, h, "lobby", numbers(1, 8)...).Position // 4 to 8 are kept
		at := func(offset uint64) hub.Position { return hub.Position{Epoch: top.Epoch, Offset: offset} }
		for _, c := range []struct {
			name  string
			after hub.SubscribeOptions
			want  string
		}{
			{"nothing was asked for", hub.SubscribeOptions{}, "(subscribed at 8)"},
			{"no position", after(), "(unrecovered at 8)"},
			{"all that is kept", after(at(3)), "(recovered at 3) 4 5 6 7 8"},
			{"a part of what is kept", after(at(6)), "(recovered at 6) 7 8"},
			{"nothing was missed", after(at(8)), "(recovered at 8)"},
			{"one more than is kept", after(at(2)), "(unrecovered at 8)"},
			{"from the beginning", after(at(0)), "(unrecovered at 8)"},
			{"beyond the top", after(at(9)), "(unrecovered at 8)"},
			{"far beyond the top", after(at(1<<63 - 1)), "(unrecovered at 8)"},
			{"another channel's position", after(other), "(unrecovered at 8)"},
			{"another numbering's", after(hub.Position{Epoch: "aaaaaaaa", Offset: 5}), "(unrecovered at 8)"},
			{"one of many positions", after(other, at(7), hub.Position{Epoch: "aaaaaaaa", Offset: 5}), "(recovered at 7) 8"},
		} {
			s := open(t, h)
			s.subscribe(t, "lobby", c.after)
			if got := strings.Join(s.told(), " "); got != c.want {
				t.Errorf("%s: was told %s, want %s", c.name, got, c.want)
			}
			if strings.HasPrefix(c.want, "(recovered") && s.position() != top {
				t.Errorf("%s: is at %v, want %v", c.name, s.position(), top)
			}
			s.Unsubscribe("lobby")
		}

		time.Sleep(2 * time.Hour) // the numbering is forgotten with what was kept
		s := open(t, h)
		s.subscribe(t, "lobby", after(top))
		s.expect(t, "(unrecovered at 0)")
		say(t, h, "lobby", "new")
		s.expect(t, "new")
	})
}

func TestRecoveryWithoutHistory(t *testing.T) {
	h := start(t, hub.Options{})
	stays := open(t, h, "lobby")
	say(t, h, "lobby", "1", "2")
	c := open(t, h)
	c.subscribe(t, "lobby", after(stays.position()))
	c.expect(t, "(recovered at 2)") // it has missed nothing
	c.Unsubscribe("lobby")
	at := stays.position()
	say(t, h, "lobby", "3")
	c.subscribe(t, "lobby", after(at))
	c.expect(t, "(unrecovered at 3)")
}

func TestRecoveryGoesOnWithWhatIsPublished(t *testing.T) {
	h := ruled(t, history)
	c := open(t, h, "lobby")
	say(t, h, "lobby", "1", "2")
	at := c.position()
	c.Close()
	say(t, h, "lobby", "3", "4")
	again := open(t, h)
	again.subscribe(t, "lobby", after(at))
	say(t, h, "lobby", "5")
	again.expect(t, "(recovered at 2) 3 4 5")
}

// A client that reads more slowly than history is long is given no more than it takes, and all of it.
func TestReplayIsPacedByTheClient(t *testing.T) {
	h := ruled(t, hub.Rule{History: hub.Retention{Count: 1000}})
	first := open(t, h, "lobby")
	say(t, h, "lobby", numbers(1, 1)...)
	at := first.position()
	say(t, h, "lobby", numbers(2, 700)...)

	c := open(t, h)
	c.room = 10
	c.subscribe(t, "lobby", after(at))
	c.expect(t, "(recovered at 1) "+strings.Join(numbers(2, 11), " "))
	if lag := c.Lag(); lag != 689 {
		t.Errorf("%d are said to be held back, want 689", lag)
	}
	say(t, h, "lobby", "701")
	c.expect(t, "") // it is not its turn
	c.take(300)
	c.expect(t, strings.Join(numbers(12, 311), " "))
	c.take(1000)
	c.expect(t, strings.Join(numbers(312, 701), " "))
	say(t, h, "lobby", "702")
	c.expect(t, "702")
	if lag := c.Lag(); lag != 0 {
		t.Errorf("%d are said to be held back from a client that is up to date", lag)
	}
}

// What is published meanwhile pushes out of history what a slow client has not been given.
func TestReplayThatIsOverrunTellsTheGapExactly(t *testing.T) {
	for _, slow := range []hub.Policy{hub.Disconnect, hub.DropOldest, hub.Conflate} {
		h := ruled(t, hub.Rule{History: hub.Retention{Count: 10}, Slow: slow})
		first := open(t, h, "lobby")
		say(t, h, "lobby", numbers(1, 1)...)
		at := first.position()
		say(t, h, "lobby", numbers(2, 11)...)
		first.Close()

		c := open(t, h)
		c.room = 3
		c.subscribe(t, "lobby", after(at))
		c.expect(t, "(recovered at 1) 2 3 4")
		c.take(1) // of a page that was read before
		c.expect(t, "5")
		say(t, h, "lobby", numbers(12, 30)...)
		c.take(100)
		want := "6 7 8 9 10 11 (gap 12-20) " + strings.Join(numbers(21, 30), " ")
		if slow != hub.Disconnect { // all that was to be recovered was at hand already, and what comes since is kept apart
			want = strings.Join(numbers(6, 30), " ")
		}
		if slow == hub.Conflate {
			want = "6 7 8 9 10 11 30"
		}
		c.expect(t, want)
		say(t, h, "lobby", "31")
		c.expect(t, "31")
	}
}

func TestLastIsToldToNewSubscribers(t *testing.T) {
	h := ruled(t, hub.Rule{Last: true})
	c := open(t, h)
	c.subscribe(t, "lobby", hub.SubscribeOptions{})
	c.expect(t, "(subscribed at 0)")
	say(t, h, "lobby", "1", "2")
	c.expect(t, "1 2")

	late := open(t, h)
	late.subscribe(t, "lobby", hub.SubscribeOptions{})
	late.expect(t, "(subscribed at 1) 2")
	say(t, h, "lobby", "3")
	late.expect(t, "3")

	back := open(t, h)
	back.subscribe(t, "lobby", after(c.position()))
	back.expect(t, "(recovered at 3)")
	lost := open(t, h)
	lost.subscribe(t, "lobby", after(hub.Position{Epoch: "aaaaaaaa"}))
	lost.expect(t, "(unrecovered at 2) 3")
}

// Before it had come, nothing was promised; after that, everything is, also to one who is slow from the beginning.
func TestWhatIsLostAfterTheLastValueIsTold(t *testing.T) {
	h := ruled(t, hub.Rule{Last: true})
	say(t, h, "lobby", "1", "2")
	slow := open(t, h)
	slow.room = 1
	slow.subscribe(t, "lobby", hub.SubscribeOptions{})
	slow.expect(t, "(subscribed at 1) 2")
	say(t, h, "lobby", "3", "4", "5")
	slow.take(100)
	slow.expect(t, "(gap 3-4) 5")
}

func TestLastOfEachKeyIsToldWhereTheChannelConflates(t *testing.T) {
	h := ruled(t, hub.Rule{Last: true, Slow: hub.Conflate, History: hub.Retention{Count: 5}})
	for _, key := range []string{"old", "a", "b", "a", "", "b"} {
		post(t, h, &hub.Publication{Channel: "prices", Key: key, Payload: []byte("key:" + key)})
	}
	c := open(t, h)
	c.subscribe(t, "prices", hub.SubscribeOptions{})
	c.expect(t, "(subscribed at 3) key:a key: key:b")

	slow := open(t, h)
	slow.room = 1
	slow.subscribe(t, "prices", hub.SubscribeOptions{})
	slow.expect(t, "(subscribed at 3) key:a")
	for i := range 20 { // more than history holds: it must not forget the other keys
		key := []string{"x", "y"}[i%2]
		post(t, h, &hub.Publication{Channel: "prices", Key: key, Payload: []byte("new:" + key)})
	}
	slow.take(100)
	slow.expect(t, "key: key:b new:x new:y")
}

func TestSubscribedTellsWhatHolds(t *testing.T) {
	h := start(t, hub.Options{Rules: []hub.Rule{{Pattern: "users:*", Subscribe: hub.Users}}})
	var got hub.Notice
	s, err := h.Open(noticed{&got}, hub.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	refused(t, "an anonymous client", s.Subscribe(t.Context(), "users:1", hub.SubscribeOptions{}), hub.NotAllowed)
	if err := s.Subscribe(t.Context(), "users:1", hub.SubscribeOptions{Forced: true, Tag: 7}); err != nil {
		t.Fatal(err)
	}
	if got.Type != hub.Subscribed || got.Channel != "users:1" || !got.Forced || got.Tag != 7 || got.Rule != h.Rule("users:1") || got.Asked {
		t.Errorf("%+v", got)
	}
}

// noticed keeps the last notice.
type noticed struct{ *hub.Notice }

func (n noticed) Receive(*hub.Publication) hub.Reception { return hub.Taken }
func (n noticed) Notify(notice *hub.Notice)              { *n.Notice = *notice }
func (n noticed) End(error)                              {}

// What is published between reading the last value and becoming a member was promised by that value, too.
func TestWhatIsLostBetweenTheLastValueAndTheBeginningIsTold(t *testing.T) {
	h, b := badLine(t, hub.Rule{Last: true})
	open(t, h, "lobby") // keeps the channel
	say(t, h, "lobby", "1")
	c := open(t, h)
	c.room = 1
	reads := 0
	b.set(func() {
		b.after = func() {
			if reads++; reads == 1 {
				say(t, h, "lobby", "2", "3", "4")
			}
		}
	})
	c.subscribe(t, "lobby", hub.SubscribeOptions{})
	c.take(100)
	c.expect(t, "(subscribed at 0) 1 (gap 2-3) 4")
}

// Who catches up when the broker goes away waits for it, as long as nothing comes that the client could be handed instead.
func TestWhoCatchesUpWaitsForABrokerThatIsAway(t *testing.T) {
	for _, c := range []struct {
		name       string
		away, then time.Duration // how long history cannot be read, and when something is published; 0 is never
		gap        bool
	}{
		{"for long", 25 * time.Second, 0, false},
		{"for too long", time.Minute, 0, true},
		{"for a moment", 600 * time.Millisecond, 100 * time.Millisecond, false},
		{"while others publish", 25 * time.Second, time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, b := badLine(t, hub.Rule{History: hub.Retention{Count: 1000, Age: time.Hour}})
				open(t, h, "lobby")
				last := say(t, h, "lobby", numbers(1, 300)...).Position
				b.set(func() {
					b.remote = true
					b.after = func() { b.set(func() { b.fails["history"] = true }) } // once the first page is read
				})
				time.AfterFunc(c.away, func() {
					b.set(func() {
						b.after = nil
						b.fails["history"] = false
					})
				})
				if c.then > 0 {
					time.AfterFunc(c.then, func() { say(t, h, "lobby", "301") })
				}
				s := newClient()
				s.login(t, h, hub.Identity{})
				began := time.Now()
				s.subscribe(t, "lobby", after(hub.Position{Epoch: last.Epoch, Offset: 1}))
				if took := time.Since(began); took > 0 {
					t.Errorf("who subscribes was kept for %v", took)
				}
				time.Sleep(time.Minute)
				told := strings.Join(s.told(), " ")
				if is := strings.Contains(told, "gap"); is != c.gap {
					t.Errorf("a gap is told: %v; all of it: %s", is, told)
				}
				if want := strings.Join(numbers(2, 300), " "); !c.gap && !strings.Contains(told, want) {
					t.Errorf("was told %s", told)
				}
			})
		})
	}
}

// dying is a broker that goes away once the first page of history was read, and takes two seconds to say so.
type dying struct {
	*faulty
	away atomic.Bool
	once sync.Once
}

func (d *dying) History(ctx context.Context, c string, q hub.Query) (hub.History, error) {
	if d.away.Load() {
		time.Sleep(2 * time.Second)
		return hub.History{}, errFault
	}
	h, err := d.faulty.History(ctx, c, q)
	if q.Limit == 128 {
		d.once.Do(func() { d.away.Store(true) })
	}
	return h, err
}

// A publication that comes while history is still being asked for may come because the broker is back.
func TestWhoCatchesUpIsToldOfNoGapAsTheBrokerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dying{faulty: &faulty{Broker: memory.New(memory.Options{}), fails: map[string]bool{}, remote: true}}
		rule := hub.Rule{Pattern: "*", History: hub.Retention{Count: 1000, Age: time.Hour}}
		h := start(t, hub.Options{Broker: d, Linger: -1, Rules: []hub.Rule{rule}, Log: slog.New(slog.DiscardHandler)})
		open(t, h, "lobby")
		last := say(t, h, "lobby", numbers(1, 300)...).Position
		time.AfterFunc(10*time.Second, func() { d.away.Store(false) })
		time.AfterFunc(10500*time.Millisecond, func() { say(t, h, "lobby", "301") })
		s := newClient()
		s.login(t, h, hub.Identity{})
		s.subscribe(t, "lobby", after(hub.Position{Epoch: last.Epoch, Offset: 1}))
		time.Sleep(time.Minute)
		if told := strings.Join(s.told(), " "); strings.Contains(told, "gap") || !strings.HasSuffix(told, strings.Join(numbers(2, 301), " ")) {
			t.Errorf("was told %s", told)
		}
	})
}
