// The wheel against a model, and the clocks that do not agree.

package loop

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// Every connection is looked at when it is due, whatever the clock does: it may stand still, jump, or wrap.
func TestTheWheelIsAsItsModel(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		now := []tick{1, 1000, math.MaxUint32 - 300}[seed%3]
		w := wheel{now: now}
		due := make(map[*Conn]tick) // those in the wheel
		conns := make([]*Conn, 40)
		for i := range conns {
			conns[i] = new(Conn)
		}
		put := func(c *Conn, d tick) { due[c] = now + min(max(d, 1), wheelSlots-1) }
		for range 1000 {
			c := conns[r.IntN(len(conns))]
			d := tick(r.IntN(20))
			if r.IntN(5) == 0 {
				d = tick(r.IntN(2000))
			}
			_, in := due[c]
			switch r.IntN(5) {
			case 0:
				if !in {
					w.add(c, d)
					put(c, d)
				}
			case 1:
				w.remove(c)
				delete(due, c)
			case 2:
				w.sooner(c, d)
				if at, in := due[c]; !in || (now + max(d, 1)).before(at) {
					put(c, d)
				}
			default:
				steps := tick(r.IntN(4))
				if r.IntN(20) == 0 {
					steps = tick(r.IntN(3 * wheelSlots)) // the machine slept
				}
				now += steps
				again := make(map[*Conn]tick)
				w.advance(now, func(c *Conn) (tick, bool) {
					if d, twice := again[c]; twice { // by a wheel that catches up
						return d, true
					}
					at, in := due[c]
					if !in || now.before(at) {
						t.Fatalf("looked at a connection that is due at %d, %t, at %d", at, in, now)
					}
					delete(due, c)
					if r.IntN(3) == 0 {
						return 0, false
					}
					d := tick(r.IntN(600)) + wheelSlots // behind the jump, so that it is not due again at once
					again[c] = d
					return d, true
				})
				for c := range again {
					due[c] = now + wheelSlots - 1
					w.remove(c) // it was put where the wheel was, while that caught up
					w.add(c, wheelSlots-1)
				}
				for c, at := range due {
					if !now.before(at) {
						t.Fatalf("a connection due at %d was not looked at by %d: slot %d", at, now, c.slot)
					}
				}
			}
			if w.count != len(due) {
				t.Fatalf("%d in the wheel, want %d", w.count, len(due))
			}
			for _, c := range conns {
				if _, in := due[c]; in != c.inWheel {
					t.Fatalf("in the wheel: %t, want %t", c.inWheel, in)
				}
			}
		}
	}
}

func TestAWheelThatHasNotTickedLooksAtNothing(t *testing.T) {
	w := wheel{now: 7}
	w.add(new(Conn), 1)
	w.advance(7, func(*Conn) (tick, bool) { t.Error("looked"); return 0, false })
	w.advance(6, func(*Conn) (tick, bool) { t.Error("looked at a time before"); return 0, false })
	if w.now != 7 || w.count != 1 {
		t.Errorf("the wheel is at %d with %d", w.now, w.count)
	}
}

// A loop hears of a tick after the server's clock has made it: what began meanwhile is younger than the loop's time, and
// not older by thirteen years.
func TestWhatIsYoungerThanTheLoopsTimeIsNotDue(t *testing.T) {
	opts := Options{Goroutines: true}
	opts.Accept.KeepAlive = websocket.KeepAlive{Interval: time.Second, Timeout: time.Second}
	s, err := New(Handler{}, &opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	for _, now := range []tick{10, math.MaxUint32 - 1, math.MaxUint32} {
		for name, c := range map[string]*Conn{
			"silent":     {since: now + 1},
			"pinged":     {since: now - 20, pinged: now + 2},
			"slow":       {since: now, moved: now + 1},
			"closing":    {since: now + 1},
			"lingering":  {since: now + 3},
			"unfinished": {since: now},
			"waiting":    {since: now},
		} {
			c.server, c.driver = s, deaf{}
			state := stateOpen
			switch name {
			case "closing":
				state = stateClosing
			case "lingering":
				state = stateLingering
			case "unfinished":
				c.unfinished.Store(uint32(now + 1))
			case "waiting":
				c.out.add(item{b: []byte("x"), at: now + 1})
			}
			c.state.Store(uint32(state))
			again, ok := c.look(now, false)
			if c.at() != state || c.err != nil || !ok || again == 0 || again > wheelSlots {
				t.Errorf("%s at %d: state %d, error %v, looked at again after %d, %t", name, now, c.at(), c.err, again, ok)
			}
		}
	}
}

// What is encrypted and under way is not in the outbox any more, but what is queued behind it ages.
func TestALineThatIsFullIsLookedAtInTime(t *testing.T) {
	s, err := New(Handler{}, &Options{Goroutines: true, Outbox: Outbox{Age: 3 * step, Policy: DropOldest}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	c := &Conn{server: s, driver: deaf{}, since: 100, moved: 100}
	if again, ok := c.look(100, false); !ok || again > 3 {
		t.Errorf("looked at again after %d steps, %t", again, ok)
	}
}

func TestTicks(t *testing.T) {
	for d, want := range map[time.Duration]tick{
		0: 1, 1: 1, step: 1, 2*step - 1: 1, 2 * step: 2, time.Minute: 600, math.MaxInt64: math.MaxInt32,
	} {
		if got := ticks(d); got != want {
			t.Errorf("ticks(%v) = %d, want %d", d, got, want)
		}
	}
	if !tick(math.MaxUint32).before(3) || tick(3).before(math.MaxUint32) || tick(3).since(math.MaxUint32) != 4*step {
		t.Error("ticks are not compared by difference")
	}
}

// A connection for which a limit is off is not looked at for that limit.
func TestALimitThatIsOffAsksForNoLook(t *testing.T) {
	s, err := New(Handler{}, &Options{Goroutines: true, Accept: websocket.AcceptOptions{Limits: websocket.Limits{FrameTimeout: -1, WriteTimeout: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	c := &Conn{server: s}
	if d, ok := c.look(5, false); !ok || d < 100 {
		t.Errorf("an idle connection is looked at again in %d steps", d)
	}
}
