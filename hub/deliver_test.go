package hub_test

import (
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// badLine is a hub over a broker whose line is bad, with one rule for all channels.
func badLine(t testing.TB, rule hub.Rule) (*hub.Hub, *faulty) {
	t.Helper()
	rule.Pattern = "*"
	b := &faulty{Broker: memory.New(memory.Options{}), fails: make(map[string]bool)}
	return start(t, hub.Options{Broker: b, Linger: -1, Rules: []hub.Rule{rule}, Log: slog.New(slog.DiscardHandler)}), b
}

// losing drops deliveries by their payload, one word each.
func losing(words string) func(p *hub.Publication) []*hub.Publication {
	lost := strings.Fields(words)
	return func(p *hub.Publication) []*hub.Publication {
		for _, word := range lost {
			if word == string(p.Payload) {
				return nil
			}
		}
		return []*hub.Publication{p}
	}
}

func TestHolesAreHealedFromHistory(t *testing.T) {
	kept, nothing := hub.Retention{Count: 5, Age: time.Hour}, hub.Retention{}
	for _, c := range []struct {
		name string
		hub.Retention
		lost, want string
	}{
		{"nothing is lost", kept, "", "1 2 3 4 5 6 7 8 9"},
		{"one is lost", kept, "4", "1 2 3 4 5 6 7 8 9"},
		{"several are lost", kept, "2 3 7", "1 2 3 4 5 6 7 8 9"},
		{"the first is lost", kept, "1", "1 2 3 4 5 6 7 8 9"},
		{"one is lost that nobody keeps", nothing, "4", "1 2 3 (gap 4-4) 5 6 7 8 9"},
		{"some are lost that nobody keeps", nothing, "3 4 7", "1 2 (gap 3-4) 5 6 (gap 7-7) 8 9"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, b := badLine(t, hub.Rule{History: c.Retention})
			s := open(t, h, "lobby")
			b.set(func() { b.line = losing(c.lost) })
			for _, word := range numbers(1, 9) {
				say(t, h, "lobby", word)
				synctest.Wait()
			}
			if got := strings.Join(s.told(), " "); got != c.want {
				t.Errorf("%s: was told %s, want %s", c.name, got, c.want)
			}
		})
	}
}

func TestAHoleWiderThanHistoryIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := badLine(t, hub.Rule{History: hub.Retention{Count: 3}})
		s := open(t, h, "lobby")
		b.set(func() { b.line = losing("2 3 4 5 6 7") })
		say(t, h, "lobby", numbers(1, 8)...)
		synctest.Wait()
		s.expect(t, "1 (gap 2-5) 6 7 8")
	})
}

func TestWhatIsDeliveredTwiceIsHandedOutOnce(t *testing.T) {
	h, b := badLine(t, history)
	s := open(t, h, "lobby")
	var all []*hub.Publication
	b.set(func() {
		b.line = func(p *hub.Publication) []*hub.Publication { // everything so far, backwards
			all = append([]*hub.Publication{p}, all...)
			return all
		}
	})
	say(t, h, "lobby", numbers(1, 5)...)
	s.expect(t, "1 2 3 4 5")
}

// What comes while a hole is being filled waits for it, so that the order stays.
func TestOrderStaysWhileAHoleIsFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := badLine(t, history)
		s := open(t, h, "lobby")
		b.set(func() {
			b.line = losing("2")
			b.before = func() { time.Sleep(time.Second) }
		})
		say(t, h, "lobby", numbers(1, 5)...)
		synctest.Wait()
		s.expect(t, "1")
		late := open(t, h, "lobby") // comes between: what was lost was before it
		time.Sleep(2 * time.Second)
		s.expect(t, "2 3 4 5")
		late.expect(t, "2 3 4 5")
		say(t, h, "lobby", "6")
		s.expect(t, "6")
	})
}

// More comes while a hole is being filled than can wait. That is a hole itself, even if nothing comes after it.
func TestMoreThanCanWaitIsHealedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := badLine(t, hub.Rule{History: hub.Retention{Count: 10_000}})
		s := open(t, h, "lobby")
		first := true
		b.set(func() {
			b.line = losing("2")
			b.before = func() {
				if first {
					first = false
					say(t, h, "lobby", numbers(4, 9000)...)
				}
			}
		})
		say(t, h, "lobby", "1", "2", "3")
		synctest.Wait()
		s.expect(t, strings.Join(numbers(1, 9000), " "))
	})
}

func TestAHoleThatCannotBeHealedIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := badLine(t, history)
		s := open(t, h, "lobby")
		b.set(func() {
			b.line = losing("2")
			b.fails["history"] = true
		})
		say(t, h, "lobby", numbers(1, 4)...)
		time.Sleep(9 * time.Second) // it may get better
		s.expect(t, "1")
		time.Sleep(time.Second)
		s.expect(t, "(gap 2-2) 3 4")
	})
}

// History that cannot be read for a moment is read again before a gap is told, and only its own channel waits for that.
func TestHistoryThatCannotBeReadForAMomentMakesNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := badLine(t, history)
		const channels = 20 // more than read from history at a time
		var listeners [channels]*client
		for i := range listeners {
			listeners[i] = open(t, h, "lobby"+strconv.Itoa(i))
		}
		other := open(t, h, "other")
		b.set(func() {
			b.line = losing("2")
			b.fails["history"] = true
		})
		for i := range listeners {
			say(t, h, "lobby"+strconv.Itoa(i), numbers(1, 4)...)
		}
		time.Sleep(5 * time.Second)
		b.set(func() { b.fails["history"] = false })
		say(t, h, "other", "1", "2", "3")
		synctest.Wait()
		other.expect(t, "1 2 3")
		time.Sleep(2 * time.Second)
		for _, s := range listeners {
			s.expect(t, "1 2 3 4")
		}
	})
}

// Nothing is waited for that nobody keeps.
func TestAHoleInAChannelWithoutHistoryIsAGapAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := badLine(t, hub.Rule{})
		s := open(t, h, "lobby")
		b.set(func() {
			b.line = losing("2")
			b.fails["history"] = true
		})
		say(t, h, "lobby", numbers(1, 3)...)
		synctest.Wait()
		s.expect(t, "1 (gap 2-2) 3")
	})
}

func TestInterruptionsAreHealedWithoutAnotherPublication(t *testing.T) {
	for _, channel := range []string{"lobby", ""} {
		synctest.Test(t, func(t *testing.T) {
			h, b := badLine(t, hub.Rule{History: hub.Retention{Count: 3}})
			s, other := open(t, h, "lobby"), open(t, h, "other")
			b.set(func() { b.line = losing("2 3") })
			say(t, h, "lobby", "1", "2", "3")
			s.expect(t, "1")
			b.Interrupted(channel)
			synctest.Wait()
			s.expect(t, "2 3")
			b.Interrupted(channel) // for nothing
			b.Interrupted("nowhere")
			synctest.Wait()
			s.expect(t, "")
			b.set(func() { b.line = losing("4 5 6 7 8") })
			say(t, h, "lobby", numbers(4, 8)...)
			b.Interrupted(channel)
			synctest.Wait()
			s.expect(t, "(gap 4-5) 6 7 8")
			other.expect(t, "")
		})
	}
}

// renumbered has all that is delivered come in another numbering, as after a broker has lost its memory.
func renumbered(epoch string, offset uint64) func(p *hub.Publication) []*hub.Publication {
	return func(p *hub.Publication) []*hub.Publication {
		offset++
		return []*hub.Publication{{Channel: p.Channel, Payload: p.Payload, Epoch: epoch, Offset: offset, Time: p.Time}}
	}
}

func TestANewNumberingIsAGapOfUnknownSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := badLine(t, drops)
		s, slow := open(t, h, "lobby"), open(t, h, "lobby")
		slow.room = 1
		say(t, h, "lobby", "1", "2", "3")
		slow.expect(t, "1")
		b.set(func() { b.line = renumbered("bbbbbbbb", 7) })
		say(t, h, "lobby", "new", "newer")
		s.expect(t, "1 2 3 (gap 0-7) new newer")
		if got := s.position(); got != (hub.Position{Epoch: "bbbbbbbb", Offset: 9}) {
			t.Errorf("is at %v", got)
		}
		slow.expect(t, "(gap 0-7) new") // what had waited is gone with its numbering, and it is late again
		slow.take(100)
		slow.expect(t, "newer")
	})
}

// The broker has begun anew, and says so before anything is published again.
func TestInterruptionWithANewNumbering(t *testing.T) {
	for _, count := range []int{0, 5} {
		synctest.Test(t, func(t *testing.T) {
			h, b := badLine(t, hub.Rule{History: hub.Retention{Count: count}})
			s := open(t, h, "lobby")
			say(t, h, "lobby", "1", "2", "3")
			s.told()
			b.Unsubscribe("lobby") // behind the hub's back
			b.Broker.Close()
			b.Broker = memory.New(memory.Options{})
			b.Start(hub.SinkOf(h))
			position, _ := b.Broker.Subscribe(t.Context(), "lobby", hub.Retention{Count: count})
			b.set(func() { b.line = losing("4") })
			say(t, h, "lobby", "4")
			b.Interrupted("lobby")
			synctest.Wait()
			if s.expect(t, map[int]string{0: "(gap 0-1)", 5: "(gap 0-0) 4"}[count]); s.position() != (hub.Position{Epoch: position.Epoch, Offset: 1}) {
				t.Errorf("is at %v, the broker in %v", s.position(), position.Epoch)
			}
			say(t, h, "lobby", "5")
			s.expect(t, "5")
		})
	}
}

// A gap of the whole channel must reach those who are behind in its place: after what came before it.
func TestGapsComeInTheirPlaceForThoseWhoAreBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, slow := range []hub.Policy{hub.DropOldest, hub.Conflate} {
			h, b := badLine(t, hub.Rule{Slow: slow})
			s := open(t, h, "lobby")
			s.room = 1
			say(t, h, "lobby", "1", "2")
			b.set(func() { b.line = losing("3") })
			say(t, h, "lobby", "3", "4")
			synctest.Wait()
			s.take(100)
			if slow == hub.Conflate { // 4 takes the place of 2
				s.expect(t, "1 (gap 3-3) 4")
				continue
			}
			s.expect(t, "1 2 (gap 3-3) 4")
		}

		h, b := badLine(t, hub.Rule{History: hub.Retention{Count: 3}})
		s := open(t, h, "lobby")
		say(t, h, "lobby", "1")
		at := s.position()
		say(t, h, "lobby", "2", "3")
		slow := open(t, h)
		slow.room = 1
		slow.subscribe(t, "lobby", after(at))
		b.set(func() { b.line = losing("4 5 6 7") })
		say(t, h, "lobby", numbers(4, 8)...)
		synctest.Wait()
		slow.take(100)
		slow.expect(t, "(recovered at 1) 2 3 (gap 4-5) 6 7 8")
	})
}

func TestWhatTheBrokerCannotDoIsUnavailable(t *testing.T) {
	h, b := badLine(t, hub.Rule{History: hub.Retention{Count: 3}, Presence: true})
	stays, c := open(t, h, "lobby"), open(t, h)
	at := stays.position()
	say(t, h, "lobby", "1")
	for _, call := range []struct {
		name string
		do   func() error
	}{
		{"subscribe", func() error { return c.Subscribe(t.Context(), "new", hub.SubscribeOptions{}) }},
		{"join", func() error { return c.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{}) }},
		{"history", func() error { return c.Subscribe(t.Context(), "lobby", after(at)) }},
		{"history", func() error { _, err := h.History(t.Context(), "lobby", hub.Query{Limit: 1}); return err }},
		{"presence", func() error { _, err := h.Presence(t.Context(), "lobby", 1); return err }},
		{"publish", func() error {
			_, err := h.Publish(t.Context(), &hub.Publication{Channel: "lobby"}, hub.PublishOptions{})
			return err
		}},
	} {
		b.set(func() { b.fails[call.name] = true })
		err := call.do()
		refused(t, call.name, err, hub.Unavailable)
		if strings.Contains(err.Error(), errFault.Error()) {
			t.Errorf("%s: the client learns %q", call.name, err)
		}
		b.set(func() { delete(b.fails, call.name) })
		if len(c.Subscriptions()) != 0 || hub.ChannelCount(h) != 1 || h.Subscribers("lobby") != 1 {
			t.Errorf("%s: something of a failed subscription is left", call.name)
		}
		c.expect(t, "")
	}
	for _, name := range []string{"new", "lobby"} { // and then it works
		c.subscribe(t, name, hub.SubscribeOptions{})
	}
}

func TestAFailedReplayIsAGap(t *testing.T) {
	h, b := badLine(t, hub.Rule{History: hub.Retention{Count: 500}})
	first := open(t, h, "lobby")
	at := hub.Position{Epoch: say(t, h, "lobby", numbers(1, 300)...).Epoch}
	first.Close()
	c := open(t, h)
	c.room = 200
	c.subscribe(t, "lobby", after(at))
	c.expect(t, "(recovered at 0) "+strings.Join(numbers(1, 200), " "))
	b.set(func() { b.fails["history"] = true })
	c.take(1000)
	c.expect(t, strings.Join(numbers(201, 256), " ")+" (gap 257-300)")
	say(t, h, "lobby", "301")
	c.expect(t, "301")
}

// With a broker beyond a network, Ready does not wait for it.
func TestReadyDoesNotWaitForARemoteBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, b := badLine(t, hub.Rule{History: hub.Retention{Count: 500}})
		b.remote = true
		at := hub.Position{Epoch: say(t, h, "lobby", numbers(1, 300)...).Epoch}
		c := open(t, h)
		c.room = 128
		c.subscribe(t, "lobby", after(at))
		c.told()
		b.set(func() { b.before = func() { time.Sleep(time.Second) } })
		began := time.Now()
		c.take(1000)
		if took := time.Since(began); took != 0 {
			t.Errorf("Ready took %v", took)
		}
		say(t, h, "lobby", "301")
		time.Sleep(10 * time.Second)
		c.expect(t, strings.Join(numbers(129, 301), " "))
	})
}

func TestWhoeverIsTakenOutWhileSubscribingIsOut(t *testing.T) {
	for _, c := range []struct {
		name string
		out  func(c *client)
		want hub.Code // none for ErrEnded
	}{
		{"expelled", func(c *client) { c.Expel("lobby", "out") }, hub.NotSubscribed},
		{"unsubscribed", func(c *client) { c.Unsubscribe("lobby") }, hub.NotSubscribed},
		{"ended", func(c *client) { c.Session.End(errFault) }, ""},
		{"closed", func(c *client) { c.Close() }, ""},
	} {
		h, b := badLine(t, hub.Rule{History: hub.Retention{Count: 1}, Last: true, Presence: true})
		s := open(t, h)
		b.set(func() { b.before = func() { c.out(s) } })
		err := s.Subscribe(t.Context(), "lobby", hub.SubscribeOptions{})
		if c.want != "" {
			refused(t, c.name, err, c.want)
		} else if !errors.Is(err, hub.ErrEnded) {
			t.Errorf("%s: %v, want ErrEnded", c.name, err)
		}
		s.expect(t, "")
		if s.Subscribed("lobby") || hub.ChannelCount(h) != 0 {
			t.Errorf("%s: something of the subscription is left", c.name)
		}
	}
}
