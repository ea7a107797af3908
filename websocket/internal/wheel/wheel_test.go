// The wheel against a model.

package wheel

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

type thing struct{ Place[thing] }

func placeOf(t *thing) *Place[thing] { return &t.Place }

// Everything is looked at when it is due, whatever the clock does: it may stand still, jump, or wrap.
func TestTheWheelIsAsItsModel(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		now := []Tick{1, 1000, math.MaxUint32 - 300}[seed%3]
		w := New(now, placeOf)
		due := make(map[*thing]Tick) // those in the wheel
		things := make([]*thing, 40)
		for i := range things {
			things[i] = new(thing)
		}
		put := func(c *thing, d Tick) { due[c] = now + min(max(d, 1), Slots-1) }
		for range 1000 {
			c := things[r.IntN(len(things))]
			d := Tick(r.IntN(20))
			if r.IntN(5) == 0 {
				d = Tick(r.IntN(2000))
			}
			_, in := due[c]
			switch r.IntN(5) {
			case 0:
				if !in {
					w.Add(c, d)
					put(c, d)
				}
			case 1:
				w.Remove(c)
				delete(due, c)
			case 2:
				w.Sooner(c, d)
				if at, in := due[c]; !in || (now + max(d, 1)).Before(at) {
					put(c, d)
				}
			default:
				steps := Tick(r.IntN(4))
				if r.IntN(20) == 0 {
					steps = Tick(r.IntN(3 * Slots)) // the machine slept
				}
				now += steps
				again := make(map[*thing]Tick)
				w.Advance(now, func(c *thing) (Tick, bool) {
					if d, twice := again[c]; twice { // by a wheel that catches up
						return d, true
					}
					at, in := due[c]
					if !in || now.Before(at) {
						t.Fatalf("looked at a thing that is due at %d, %t, at %d", at, in, now)
					}
					delete(due, c)
					if r.IntN(3) == 0 {
						return 0, false
					}
					d := Tick(r.IntN(600)) + Slots // behind the jump, so that it is not due again at once
					again[c] = d
					return d, true
				})
				for c := range again {
					due[c] = now + Slots - 1
					w.Remove(c) // it was put where the wheel was, while that caught up
					w.Add(c, Slots-1)
				}
				for c, at := range due {
					if !now.Before(at) {
						t.Fatalf("a thing due at %d was not looked at by %d: slot %d", at, now, c.slot)
					}
				}
			}
			if w.count != len(due) {
				t.Fatalf("%d in the wheel, want %d", w.count, len(due))
			}
			for _, c := range things {
				if _, in := due[c]; in != c.In() {
					t.Fatalf("in the wheel: %t, want %t", c.In(), in)
				}
			}
		}
	}
}

func TestAWheelThatHasNotTickedLooksAtNothing(t *testing.T) {
	w := New(7, placeOf)
	w.Add(new(thing), 1)
	w.Advance(7, func(*thing) (Tick, bool) { t.Error("looked"); return 0, false })
	w.Advance(6, func(*thing) (Tick, bool) { t.Error("looked at a time before"); return 0, false })
	if w.now != 7 || w.count != 1 {
		t.Errorf("the wheel is at %d with %d", w.now, w.count)
	}
}

func TestTicks(t *testing.T) {
	for d, want := range map[time.Duration]Tick{
		0: 1, 1: 1, Step: 1, 2*Step - 1: 1, 2 * Step: 2, time.Minute: 600, math.MaxInt64: math.MaxInt32,
	} {
		if got := Ticks(d); got != want {
			t.Errorf("Ticks(%v) = %d, want %d", d, got, want)
		}
	}
	if !Tick(math.MaxUint32).Before(3) || Tick(3).Before(math.MaxUint32) || Tick(3).Since(math.MaxUint32) != 4*Step {
		t.Error("ticks are not compared by difference")
	}
}
