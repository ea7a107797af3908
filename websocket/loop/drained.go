// The news that a slow peer has read up, for whoever holds back what it would write to it.

package loop

import "math"

// NotifyDrained asks for the handler's Drained to be called, once, when [Conn.Waiting] is below or less; soon, if it is
// already. Drained is called as Message is: on the goroutine of the connection's handler, one at a time with the other calls,
// never from within NotifyDrained or a write, and not while a function of [Conn.Go] runs. Once a connection has ended or was
// detached it is not called any more, and NotifyDrained does nothing.
//
// Another call before Drained was called replaces the bound; Drained is then called once for both.
func (c *Conn) NotifyDrained(below int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at() != stateOpen {
		return
	}
	c.drainedAt = int32(min(max(below, 0), math.MaxInt32))
	c.awaits, c.drained = true, false
	if c.checkDrained() {
		c.wake()
	}
}

// checkDrained makes the handler's Drained due if so little waits. The driver is to be woken then. Called with the lock, if
// c.awaits.
func (c *Conn) checkDrained() bool {
	if c.at() != stateOpen || c.out.held()+int(c.out.leaving) > int(c.drainedAt) {
		return false
	}
	c.awaits, c.drained = false, true
	return true
}

// tellDrained calls the handler's Drained if that is due, and reports whether it was. The goroutine that calls the handler
// calls it.
func (c *Conn) tellDrained() bool {
	c.mu.Lock()
	due := c.drained && !c.pausing.Load() && c.at() == stateOpen
	if due {
		c.drained = false
	}
	c.mu.Unlock()
	if due {
		c.server.handler.Drained(c)
	}
	return due
}
