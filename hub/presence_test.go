package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// room is a hub with presence everywhere and, unless linger says otherwise, the default linger.
func room(t testing.TB, linger time.Duration) *hub.Hub {
	t.Helper()
	return start(t, hub.Options{Linger: linger, Rules: []hub.Rule{{Pattern: "*", Presence: true}}})
}

// enter opens a session of a user that is in the room; it watches who comes and goes if it is told to.
func enter(t testing.TB, h *hub.Hub, user string, watch bool) *client {
	t.Helper()
	c := newClient()
	c.login(t, h, hub.Identity{User: user, Info: []byte(`"` + user + `"`)})
	c.subscribe(t, "room", hub.SubscribeOptions{Presence: watch})
	c.told()
	return c
}

// present is who is in the room, as words.
func present(t testing.TB, h *hub.Hub) string {
	t.Helper()
	p, err := h.Presence(context.Background(), "room", 10)
	if err != nil {
		t.Fatal(err)
	}
	words := []string{fmt.Sprintf("%d/%d:", p.Sessions, p.Users)}
	for _, m := range p.Members {
		words = append(words, m.User)
	}
	return strings.Join(words, " ")
}

func TestPresenceTellsThoseWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := room(t, time.Second)
		watcher, other := enter(t, h, "watcher", true), enter(t, h, "other", false)
		ann := enter(t, h, "ann", true)
		watcher.expect(t, "(+other 2/2) (+ann 3/3)")
		if got := present(t, h); got != "3/3: ann other watcher" {
			t.Errorf("present are %s", got)
		}
		ann.Close()
		watcher.expect(t, "") // it lingers
		time.Sleep(2 * time.Second)
		watcher.expect(t, "(-ann 2/2)")
		other.expect(t, "")
		if _, err := other.Presence(t.Context(), "room", 1); err != nil {
			t.Error(err)
		}
		_, err := other.Presence(t.Context(), "elsewhere", 1)
		refused(t, "the presence of a channel not subscribed to", err, hub.NotSubscribed)
	})
}

func TestPresenceLingers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := room(t, 5*time.Second)
		watcher := enter(t, h, "watcher", true)
		for range 3 { // ann reloads her page again and again
			ann := enter(t, h, "ann", false)
			time.Sleep(time.Second)
			ann.Close()
			time.Sleep(4 * time.Second)
		}
		watcher.expect(t, "(+ann 2/2)")
		time.Sleep(2 * time.Second)
		watcher.expect(t, "(-ann 1/1)")

		bob := enter(t, h, "bob", false) // the same session leaves and comes back
		for range 3 {
			bob.Unsubscribe("room")
			time.Sleep(4 * time.Second)
			bob.subscribe(t, "room", hub.SubscribeOptions{})
			time.Sleep(10 * time.Second)
		}
		watcher.expect(t, "(+bob 2/2)")
		bob.Unsubscribe("room")
		time.Sleep(4900 * time.Millisecond)
		watcher.expect(t, "")
		time.Sleep(200 * time.Millisecond)
		watcher.expect(t, "(-bob 1/1)")
	})
}

func TestWithoutLingerPresenceEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := room(t, -1)
		watcher := enter(t, h, "watcher", true)
		enter(t, h, "ann", false).Close()
		synctest.Wait()
		watcher.expect(t, "(+ann 2/2) (-ann 1/1)")
	})
}

func TestTabsAreOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := room(t, time.Second)
		watcher := enter(t, h, "watcher", true)
		first, second := enter(t, h, "ann", false), enter(t, h, "ann", false)
		nobody := enter(t, h, "", false)
		watcher.expect(t, "(+ann 2/2) (+ 4/3)")
		first.Close()
		time.Sleep(2 * time.Second)
		watcher.expect(t, "")
		second.Session.End(errors.New("out"))
		nobody.Close()
		time.Sleep(2 * time.Second)
		watcher.expect(t, "(-ann 2/2) (- 1/1)")
		if got := present(t, h); got != "1/1: watcher" {
			t.Errorf("present are %s", got)
		}
	})
}

func TestCrowdsAreToldCountsOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := room(t, -1)
		watcher := enter(t, h, "watcher", true)
		var crowd []*client
		come := func(n int) {
			for range n {
				crowd = append(crowd, enter(t, h, fmt.Sprint("u", len(crowd)), false))
			}
		}
		come(499)
		if got := len(watcher.told()); got != 499 {
			t.Errorf("told were %d of 499 that came", got)
		}
		come(300)
		watcher.expect(t, "(crowd 501/501)")
		time.Sleep(1100 * time.Millisecond)
		watcher.expect(t, "(crowd 800/800)")
		time.Sleep(10 * time.Second)
		watcher.expect(t, "") // nothing has happened
		for _, c := range crowd[100:] {
			c.Close()
		}
		time.Sleep(3 * time.Second)
		told := watcher.told()
		if last := told[len(told)-1]; len(told) > 3 || last != "(crowd 101/101)" && last != "(-u798 101/101)" {
			t.Errorf("was told %q", told)
		}
		crowd[0].Close() // no crowd any more
		synctest.Wait()
		watcher.expect(t, "(-u0 100/100)")
	})
}

func TestPresenceIsLimited(t *testing.T) {
	h := room(t, 0)
	for range hub.MaxPresence + 10 {
		enter(t, h, "", false)
	}
	p, err := h.Presence(t.Context(), "room", hub.MaxPresence*2)
	if err != nil || len(p.Members) != hub.MaxPresence || p.Sessions != hub.MaxPresence+10 {
		t.Errorf("%d members of %d: %v", len(p.Members), p.Sessions, err)
	}
	_, err = start(t, hub.Options{}).Presence(t.Context(), "room", 1)
	refused(t, "presence that is not there", err, hub.NoPresence)
	_, err = h.Presence(t.Context(), "\n", 1)
	refused(t, "the presence of no channel", err, hub.BadChannel)
}

func TestShutdownLetsThoseLeaveWhoLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &leaving{Broker: memory.New(memory.Options{})}
		h := start(t, hub.Options{Broker: b, Rules: []hub.Rule{{Pattern: "*", Presence: true}}})
		c := enter(t, h, "ann", false)
		c.Close()
		if err := h.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b.left.Load() != 1 {
			t.Errorf("%d have left", b.left.Load())
		}
	})
}

// A session that comes back in the very moment in which it leaves is there.
func TestComingBackWhileLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &leaving{Broker: memory.New(memory.Options{}), takes: time.Second}
		h := start(t, hub.Options{Broker: b, Linger: 5 * time.Second, Rules: []hub.Rule{{Pattern: "*", Presence: true}}})
		c := enter(t, h, "ann", false)
		c.Unsubscribe("room")
		time.Sleep(5*time.Second + b.takes/2) // the broker is being told
		c.subscribe(t, "room", hub.SubscribeOptions{})
		time.Sleep(time.Minute)
		if got := present(t, h); got != "1/1: ann" {
			t.Errorf("present are %s", got)
		}
	})
}

// Whatever sessions of one user do at the same time, in the end nobody is there.
func TestPresenceOfManyAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := room(t, time.Millisecond)
		watcher := enter(t, h, "watcher", true)
		var tabs sync.WaitGroup
		for i := range 8 {
			tabs.Go(func() {
				c := newClient()
				c.login(t, h, hub.Identity{User: fmt.Sprint("u", i%3)})
				defer c.Close()
				for k := range 50 {
					c.subscribe(t, "room", hub.SubscribeOptions{})
					time.Sleep(time.Duration(k%4) * 400 * time.Microsecond)
					c.Unsubscribe("room")
					time.Sleep(time.Duration(k%3) * 500 * time.Microsecond)
				}
			})
		}
		tabs.Wait()
		time.Sleep(time.Second)
		if got := present(t, h); got != "1/1: watcher" {
			t.Errorf("present are %s", got)
		}
		in := make(map[string]bool)
		for _, word := range watcher.told() {
			if user, ok := strings.CutPrefix(word, "(+"); ok {
				in[user[:2]] = true
			} else {
				delete(in, word[2:4])
			}
		}
		if len(in) != 0 {
			t.Errorf("the watcher believes that %v are there", in)
		}
	})
}

// However often a session comes and goes, it lingers once in a channel, and for as long as after its last time.
func TestComingAndGoingLingersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hub.Options{Linger: 5 * time.Second, Rules: []hub.Rule{{Pattern: "*", Presence: true}}})
		c := open(t, h)
		for range 1000 {
			c.subscribe(t, "room", hub.SubscribeOptions{})
			c.Unsubscribe("room")
		}
		if n := hub.Lingering(h); n > 2 {
			t.Errorf("%d leaves are remembered", n)
		}
		time.Sleep(4 * time.Second)
		c.subscribe(t, "room", hub.SubscribeOptions{})
		c.Unsubscribe("room")
		time.Sleep(4 * time.Second)
		if now, _ := h.Presence(t.Context(), "room", 1); now.Sessions != 1 {
			t.Error("it was taken for gone after the time of an earlier leave")
		}
		time.Sleep(time.Second + time.Millisecond)
		if now, _ := h.Presence(t.Context(), "room", 1); now.Sessions != 0 || hub.Lingering(h) != 0 {
			t.Errorf("present: %d, remembered: %d", now.Sessions, hub.Lingering(h))
		}
	})
}

// A broker that does not answer must not hold up a shutdown for each who was present.
func TestShutdownLeavesForAsLongAsItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &leaving{Broker: memory.New(memory.Options{}), takes: time.Second}
		h := start(t, hub.Options{Broker: b, Rules: []hub.Rule{{Pattern: "*", Presence: true}}, Log: slog.New(slog.DiscardHandler)})
		for range 100 {
			open(t, h, "room").Close()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		began := time.Now()
		h.Shutdown(ctx)
		if took := time.Since(began); took > 3*time.Second || b.left.Load() < 1 {
			t.Errorf("took %v, and %d have left", took, b.left.Load())
		}
	})
}
