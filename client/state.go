// The client's states, and who is told when they change.

package client

import (
	"fmt"
	"time"
)

// State is where a client is in its life.
type State uint8

// The states. A client begins in Connecting.
const (
	Connecting State = iota // an attempt is being made
	Open                    // there is a connection, and something has passed both ways
	Waiting                 // until the next attempt
	Closed                  // for good
)

func (s State) String() string { return [...]string{"connecting", "open", "waiting", "closed"}[s] }

// Change is a change of state.
type Change struct {
	From, To  State
	Err       error         // why it is Waiting or Closed
	Wait      time.Duration // how long it will be Waiting, unless Wake is called
	Transport Transport     // over which it is Open
}

// leadsTo are the states that may follow each other.
var leadsTo = [...][]State{
	Connecting: {Open, Waiting, Closed},
	Open:       {Waiting, Closed},
	Waiting:    {Connecting, Closed},
	Closed:     {},
}

func (s State) mayBecome(next State) bool {
	for _, n := range leadsTo[s] {
		if n == next {
			return true
		}
	}
	return false
}

// to changes the state. Only run calls it. l is the connection of state Open.
func (c *Client) to(next State, l *link, cause error, wait time.Duration) {
	c.mu.Lock()
	from := c.state
	if !from.mayBecome(next) {
		panic(fmt.Sprintf("client: %s cannot become %s", from, next))
	}
	c.state, c.link = next, l
	change := Change{From: from, To: next, Err: cause, Wait: wait}
	if l != nil {
		change.Transport = l.transport.name
	} else {
		c.line = nil
	}
	if cause != nil {
		c.cause = cause
	}
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	if c.options.Observe != nil {
		c.options.Observe(change)
	}
}
