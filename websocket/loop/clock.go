// Coarse time: one clock and one wheel for all the connections of a loop.

package loop

import (
	"math"
	"time"
)

// tick counts steps of the server's clock. It wraps after thirteen years, so ticks are compared by difference.
type tick uint32

const step = 100 * time.Millisecond

func (t tick) before(u tick) bool { return int32(t-u) < 0 }

// since is how long after u t is.
func (t tick) since(u tick) time.Duration { return time.Duration(int32(t-u)) * step }

// ticks is d in steps, rounded down so that nothing is found later than its time plus one step, but at least one.
func ticks(d time.Duration) tick { return tick(min(max(d/step, 1), math.MaxInt32)) }

// wheelSlots is the size of a wheel: what is due later than a full turn comes round early and is put back.
const wheelSlots = 512

// wheel finds the connections that are due to be looked at. Each connection is in one slot, and moving it there and away
// costs a few pointers. Whoever drives it owns it, and the links of its connections.
type wheel struct {
	slots [wheelSlots]*Conn // doubly linked lists
	now   tick              // the last slot that was emptied
	count int
}

// add puts c where it will be due in d steps from now on.
func (w *wheel) add(c *Conn, d tick) {
	d = min(max(d, 1), wheelSlots-1)
	c.slot = uint16((w.now + d) % wheelSlots)
	c.inWheel = true
	head := w.slots[c.slot]
	c.prev, c.nextInSlot = nil, head
	if head != nil {
		head.prev = c
	}
	w.slots[c.slot] = c
	w.count++
}

// remove takes c out, if it is in.
func (w *wheel) remove(c *Conn) {
	if !c.inWheel {
		return
	}
	if c.prev != nil {
		c.prev.nextInSlot = c.nextInSlot
	} else {
		w.slots[c.slot] = c.nextInSlot
	}
	if c.nextInSlot != nil {
		c.nextInSlot.prev = c.prev
	}
	c.prev, c.nextInSlot, c.inWheel = nil, nil, false
	w.count--
}

// sooner moves c so that it is due in d steps, if that is before it would be.
func (w *wheel) sooner(c *Conn, d tick) {
	if c.inWheel {
		if left := (tick(c.slot) - w.now) % wheelSlots; left != 0 && left <= d {
			return
		}
		w.remove(c)
	}
	w.add(c, d)
}

// advance turns the wheel to now and has look called for each connection that is due. look returns in how many steps it is
// due again, or false when it is never.
func (w *wheel) advance(now tick, look func(*Conn) (tick, bool)) {
	if behind := int32(now - w.now); behind > wheelSlots {
		w.now = now - wheelSlots
	}
	for w.now.before(now) {
		w.now++
		due := w.slots[w.now%wheelSlots]
		w.slots[w.now%wheelSlots] = nil
		for c := due; c != nil; {
			next := c.nextInSlot
			c.prev, c.nextInSlot, c.inWheel = nil, nil, false
			w.count--
			if again, ok := look(c); ok {
				w.add(c, again)
			}
			c = next
		}
	}
}
