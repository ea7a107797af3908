// Package wheel is coarse time: ticks of a tenth of a second, and a timing wheel that finds what is due among very many
// for a few pointers each.
package wheel

import (
	"math"
	"time"
)

// Tick counts steps of a clock. It wraps after thirteen years, so ticks are compared by difference.
type Tick uint32

// Step is the time from one tick to the next.
const Step = 100 * time.Millisecond

// Before reports whether t is earlier than u.
func (t Tick) Before(u Tick) bool { return int32(t-u) < 0 }

// Since is how long after u t is.
func (t Tick) Since(u Tick) time.Duration { return time.Duration(int32(t-u)) * Step }

// Ticks is d in steps, rounded down so that nothing is found later than its time plus one step, but at least one.
func Ticks(d time.Duration) Tick { return Tick(min(max(d/Step, 1), math.MaxInt32)) }

// Slots is the size of a wheel: what is due later than a full turn comes round early and is put back.
const Slots = 512

// Place is where something stands in a wheel. Whatever goes into one has a Place of its own, whose zero value is "in none".
type Place[T any] struct {
	prev, next *T
	slot       uint16
	in         bool
}

// In reports whether it stands in a wheel.
func (p *Place[T]) In() bool { return p.in }

// Wheel finds those that are due to be looked at. Each is in one slot, and moving it there and away costs a few pointers.
// Whoever drives the wheel owns it, and the places of all that is in it: nothing here is safe for concurrent use.
type Wheel[T any] struct {
	place func(*T) *Place[T]
	slots [Slots]*T // doubly linked lists
	now   Tick      // the last slot that was emptied
	count int
}

// New returns an empty wheel at now, for things whose places the function finds.
func New[T any](now Tick, place func(*T) *Place[T]) *Wheel[T] {
	return &Wheel[T]{now: now, place: place}
}

// Now is the tick to which the wheel was turned.
func (w *Wheel[T]) Now() Tick { return w.now }

// Add puts x, which is in no wheel, where it will be due in d steps from now on.
func (w *Wheel[T]) Add(x *T, d Tick) {
	p := w.place(x)
	d = min(max(d, 1), Slots-1)
	p.slot = uint16((w.now + d) % Slots)
	p.in = true
	head := w.slots[p.slot]
	p.prev, p.next = nil, head
	if head != nil {
		w.place(head).prev = x
	}
	w.slots[p.slot] = x
	w.count++
}

// Remove takes x out, if it is in.
func (w *Wheel[T]) Remove(x *T) {
	p := w.place(x)
	if !p.in {
		return
	}
	if p.prev != nil {
		w.place(p.prev).next = p.next
	} else {
		w.slots[p.slot] = p.next
	}
	if p.next != nil {
		w.place(p.next).prev = p.prev
	}
	*p = Place[T]{}
	w.count--
}

// Sooner moves x so that it is due in d steps, if that is before it would be.
func (w *Wheel[T]) Sooner(x *T, d Tick) {
	if p := w.place(x); p.in {
		if left := (Tick(p.slot) - w.now) % Slots; left != 0 && left <= d {
			return
		}
		w.Remove(x)
	}
	w.Add(x, d)
}

// Advance turns the wheel to now and has look called for each that is due. look returns in how many steps it is due again,
// or false when it is never. It must not move others in the wheel.
func (w *Wheel[T]) Advance(now Tick, look func(*T) (Tick, bool)) {
	if behind := int32(now - w.now); behind > Slots {
		w.now = now - Slots
	}
	for w.now.Before(now) {
		w.now++
		due := w.slots[w.now%Slots]
		w.slots[w.now%Slots] = nil
		for x := due; x != nil; {
			p := w.place(x)
			next := p.next
			*p = Place[T]{}
			w.count--
			if again, ok := look(x); ok {
				w.Add(x, again)
			}
			x = next
		}
	}
}
