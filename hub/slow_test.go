package hub_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/hub"
)

// A slow client of a channel that drops: how much it holds back is 10 publications of one byte, at 65 bytes each.
var drops = hub.Rule{Slow: hub.DropOldest, Backlog: 10 * 65}

func TestDropOldestTellsTheGapExactly(t *testing.T) {
	h := ruled(t, drops)
	slow, fast := open(t, h, "lobby"), open(t, h, "lobby")
	slow.room = 2
	letters := strings.Split("abcdefghijklmnopqrstuvwxyz", "")
	say(t, h, "lobby", letters[:12]...) // it takes two, ten wait
	slow.expect(t, "a b")
	if slow.Lag() != 10 || fast.Lag() != 0 {
		t.Errorf("lags are %d and %d, want 10 and 0", slow.Lag(), fast.Lag())
	}
	slow.take(1)
	slow.expect(t, "c") // nothing was lost yet
	say(t, h, "lobby", letters[12:15]...)
	slow.take(2)
	slow.expect(t, "(gap 4-5) f g")
	say(t, h, "lobby", letters[15:]...)
	slow.take(100)
	slow.expect(t, "(gap 8-16) q r s t u v w x y z")
	if want := fast.position(); slow.position() != want {
		t.Errorf("is at %v, want %v", slow.position(), want)
	}
	say(t, h, "lobby", "!")
	slow.expect(t, "!")
	fast.expect(t, strings.Join(letters, " ")+" !")
}

func TestDropOldestAlwaysKeepsTheNewest(t *testing.T) {
	h := ruled(t, drops)
	slow := open(t, h, "lobby")
	slow.room = 1
	big := strings.Repeat("x", 5000)
	say(t, h, "lobby", "1", "2", big, "y"+big)
	slow.take(100)
	slow.expect(t, "1 (gap 2-3) y"+big)
}

func TestDisconnectHoldsNothingBack(t *testing.T) {
	h := start(t, hub.Options{})
	slow := open(t, h, "lobby")
	slow.room = 0
	say(t, h, "lobby", numbers(1, 5)...)
	slow.expect(t, "1 2 3 4 5") // cutting it is its gateway's business
	if slow.Lag() != 0 {
		t.Errorf("%d are held back", slow.Lag())
	}
}

// keyed publishes values of keys, each written as "key=value".
func keyed(t *testing.T, h *hub.Hub, values ...string) {
	t.Helper()
	for _, v := range values {
		key, _, _ := strings.Cut(v, "=")
		post(t, h, &hub.Publication{Channel: "prices", Key: key, Payload: []byte(v)})
	}
}

func TestConflateKeepsTheNewestOfEachKeyInOrder(t *testing.T) {
	h := ruled(t, hub.Rule{Slow: hub.Conflate})
	slow := open(t, h, "prices")
	slow.room = 1
	keyed(t, h, "a=1", "a=2", "b=1", "c=1", "a=3", "b=2")
	slow.expect(t, "a=1")
	if slow.Lag() != 3 {
		t.Errorf("%d are held back, want 3", slow.Lag())
	}
	slow.take(1)
	slow.expect(t, "c=1") // what changed since has moved behind
	keyed(t, h, "a=4", "d=1")
	slow.take(100)
	slow.expect(t, "a=3 b=2 a=4 d=1")
	keyed(t, h, "a=5")
	slow.expect(t, "a=5")
}

func TestConflatedWithoutKeyIsOneValue(t *testing.T) {
	h := ruled(t, hub.Rule{Slow: hub.Conflate})
	slow := open(t, h, "prices")
	slow.room = 1
	say(t, h, "prices", numbers(1, 50)...)
	slow.take(100)
	slow.expect(t, "1 50")
}

// One key changes between any two that the client takes; it must be handed over all the same, and must not keep others waiting.
func TestConflateStarvesNoKey(t *testing.T) {
	h := ruled(t, hub.Rule{Slow: hub.Conflate})
	slow := open(t, h, "prices")
	slow.room = 1
	keyed(t, h, "first=0")
	for i := range 100 {
		keyed(t, h, fmt.Sprint("hot=", i), fmt.Sprint("warm", i%5, "=", i))
	}
	slow.told()
	seen := make(map[string]int)
	for i := range 60 {
		keyed(t, h, fmt.Sprint("hot=", 100+i))
		slow.take(1)
		for _, v := range slow.told() {
			key, _, _ := strings.Cut(v, "=")
			seen[key]++
		}
	}
	if seen["hot"] < 5 {
		t.Errorf("the hot key was handed over %d times of 60", seen["hot"])
	}
	for i := range 5 {
		if key := fmt.Sprint("warm", i); seen[key] != 1 {
			t.Errorf("%s was handed over %d times", key, seen[key])
		}
	}
}

// More keys than there is room for: the bound holds, what was lost is told, and what remains is the newest.
func TestConflateStaysInItsBounds(t *testing.T) {
	h := ruled(t, hub.Rule{Slow: hub.Conflate, Backlog: 100 * 100})
	slow := open(t, h, "prices")
	slow.room = 1
	most := 0
	for i := range 20_000 {
		keyed(t, h, fmt.Sprintf("%05d=%04d", i%3000, i%10_000))
		most = max(most, slow.Lag())
	}
	if most > 130 || most < 100 {
		t.Errorf("%d publications of 79 bytes were held back, where 10,000 bytes may be", most)
	}
	slow.told()
	slow.take(1 << 30)
	told := slow.told()
	if !strings.HasPrefix(told[0], "(gap 2-") || len(told) != most+1 {
		t.Fatalf("was told %d things, the first of them %s; want a gap and %d values", len(told), told[0], most)
	}
	lost, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(told[0], "(gap 2-"), ")"))
	if lost+most != 20_000 {
		t.Errorf("lost up to %d, then %d values, want 20,000 in all", lost, most)
	}
}

// A client that never catches up while one key changes must not gather anything for it.
func TestConflateOfOneKeyGathersOne(t *testing.T) {
	h := ruled(t, hub.Rule{Slow: hub.Conflate})
	slow := open(t, h, "prices")
	slow.room = 1
	for i := range 10_000 {
		keyed(t, h, fmt.Sprint("a=", i))
		if lag := slow.Lag(); lag > 1 {
			t.Fatalf("%d are held back", lag)
		}
	}
	slow.take(1)
	slow.expect(t, "a=0 a=9999")
}

// One slow subscription must not hold up the session's others, nor be caught up by what is not its own.
func TestReadyServesEverySubscription(t *testing.T) {
	h := ruled(t, drops)
	slow := open(t, h, "a", "b")
	slow.room = 1
	say(t, h, "a", "a1", "a2")
	say(t, h, "b", "b1", "b2")
	slow.expect(t, "a1 b1") // it is late already, but b did not know
	slow.take(100)
	if got := strings.Join(slow.told(), " "); got != "a2 b2" && got != "b2 a2" {
		t.Errorf("was told %s", got)
	}
	slow.Ready() // for nothing
	slow.expect(t, "")
}

// Old values that are dropped are no loss where the newer ones of their keys wait.
func TestConflateTellsNoGapOfValuesThatAreOvertaken(t *testing.T) {
	h := ruled(t, hub.Rule{Slow: hub.Conflate, Backlog: 15 * 68})
	slow := open(t, h, "prices")
	slow.room = 1
	for range 3 {
		for _, key := range strings.Split("abcdefghij", "") {
			keyed(t, h, key+"=1")
		}
		slow.take(1)
	}
	slow.take(100)
	for _, word := range slow.told() {
		if strings.HasPrefix(word, "(gap") {
			t.Errorf("was told %s", word)
		}
	}
}
