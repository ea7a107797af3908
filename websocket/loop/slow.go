// Telling the program about a slow peer: what was dropped, and that it has read up.

package loop

// dropped tells the handler's Dropped, if there is anything to tell and no call is under way. What is dropped while one is,
// by Dropped's own writes for instance, goes with the next: with the next drop, or at the next look at the connection.
// Called without the lock.
func (c *Conn) dropped(d Drop) {
	if d.Messages == 0 {
		return
	}
	c.server.stats.dropped.Add(uint64(d.Messages))
	if c.server.handler.Dropped == nil {
		return
	}
	c.mu.Lock()
	c.needRare().addUntold(d)
	c.mu.Unlock()
	c.tellDropped()
}

// tellDropped calls the handler's Dropped for what it has not been told of, unless it is being called.
func (c *Conn) tellDropped() {
	c.mu.Lock()
	untold, busy := c.needRare().takeUntold()
	c.mu.Unlock()
	if busy {
		return
	}
	defer func() {
		c.mu.Lock()
		c.rare().telling = false
		more, open := c.hasUntold(), c.at() == stateOpen
		if more && open {
			c.wake() // for the look that tells of it
		}
		c.mu.Unlock()
		if more && !open { // nobody looks any more, and callClose found this call under way
			c.tellDropped()
		}
	}()
	c.guard(func() {
		for _, d := range untold {
			if d.Messages > 0 {
				c.server.handler.Dropped(c, d)
			}
		}
	})
}

// callClose calls the handler's Close, behind the last word about what was dropped unless that is being said just now. The goroutine that calls the handler
// calls it, once.
func (c *Conn) callClose() {
	if c.rare() != nil && c.server.handler.Dropped != nil {
		c.tellDropped()
	}
	c.guard(func() { c.server.handler.Close(c, c.Err()) })
}

// addUntold adds d to what Dropped is to be told of.
func (r *rare) addUntold(d Drop) {
	u := &r.untold[0]
	if d.Conflated {
		u = &r.untold[1]
		u.Conflated = true
	}
	u.Messages += d.Messages
	u.Bytes += d.Bytes
}

// takeUntold returns what Dropped is to be told of now, and whether it is being called already.
func (r *rare) takeUntold() (untold [2]Drop, busy bool) {
	if r.telling {
		return untold, true
	}
	untold, r.untold = r.untold, [2]Drop{}
	r.telling = untold != [2]Drop{}
	return untold, !r.telling
}

// hasUntold reports whether Dropped has not been told of something. Called with the lock.
func (c *Conn) hasUntold() bool {
	return c.rare() != nil && !c.rare().telling && c.rare().untold != [2]Drop{}
}

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
	c.needRare().drainedAt = max(below, 0)
	c.awaits, c.drained = true, false
	if c.checkDrained() {
		c.wake()
	}
}

// checkDrained makes the handler's Drained due if so little waits. The driver is to be woken then. Called with the lock, if
// c.awaits.
func (c *Conn) checkDrained() bool {
	if c.at() != stateOpen || c.out.Unwritten() > c.rare().drainedAt {
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
		c.guard(func() { c.server.handler.Drained(c) })
	}
	return due
}
