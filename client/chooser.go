// Which transport to use: the best of those that really pass something, remembered.

package client

import (
	"errors"
	"net"
	"slices"
	"time"
)

// Memory stores which transport has worked at a server, for the next client or the next run of the program. It is called from one
// goroutine at a time, which waits for it.
type Memory interface {
	// Load returns what was stored last for a server, and when; "" if nothing was.
	Load(server string) (Transport, time.Time)
	Store(server string, t Transport, at time.Time)
}

const (
	tries  = 3                // attempts in a row after which a transport that has worked is not believed in alone any more
	soon   = 30 * time.Second // until the best is tried again where it has worked before
	good   = 10 * time.Minute // until then where it has not; and how long it is remembered that another one worked
	seldom = time.Hour        // the time doubles up to this
)

// chooser is used by the goroutine that runs the client or, while a link is open over what is not the best, by that which tries the best.
type chooser struct {
	all      []transport // the best first; at least one
	memory   Memory      // or nil
	server   string      // its name there
	at       int
	failures int
	proven   bool          // the transport has worked
	best     bool          // the best one has worked
	pause    time.Duration // until the best is tried again
	again    time.Time     // when that is; zero if it is not
}

// newChooser recalls what worked not long ago.
func newChooser(all []transport, memory Memory, server string) *chooser {
	c := &chooser{all: all, memory: memory, server: server, pause: good}
	if memory == nil {
		return c
	}
	name, since := memory.Load(server)
	at := slices.IndexFunc(all, func(t transport) bool { return t.name == name })
	if until := since.Add(good); at >= 0 && time.Now().Before(until) {
		c.at, c.proven = at, true
		if at > 0 {
			c.again = until
		}
	}
	return c
}

// current is the transport for the next attempt.
func (c *chooser) current() transport { return c.all[c.at] }

// settles tells whether that is not the best.
func (c *chooser) settles() bool { return c.at > 0 }

// worked notes that the transport has passed something both ways.
func (c *chooser) worked() {
	c.failures, c.proven = 0, true
	if !c.settles() {
		c.best = true
	} else if c.again.IsZero() {
		if c.pause = good; c.best {
			c.pause = soon
		}
		c.again = time.Now().Add(c.pause)
	}
	if c.memory != nil {
		c.memory.Store(c.server, c.current().name, time.Now())
	}
}

// failed notes that an attempt over the transport has failed, and tells whether to try the next one at once: after one that passed
// nothing, or was refused by something that is not the server. When nothing answers at all, nor will it to the next.
func (c *chooser) failed(err error) (next bool) {
	c.failures++
	if c.proven && c.failures%tries != 0 {
		return false
	}
	if c.at+1 < len(c.all) && c.mayBeTheTransports(err) {
		c.at++
		c.failures-- // it is still the same attempt
		return true
	}
	c.at = 0
	return false
}

// mayBeTheTransports tells whether a failure may have to do with the transport.
func (c *chooser) mayBeTheTransports(err error) bool {
	if codeOf(err) != "" || comeBack(err) > 0 {
		return false // the server's own word
	}
	if network, ok := errors.AsType[*net.OpError](err); ok && network.Op == "dial" {
		return false
	}
	if _, refused := errors.AsType[*RefusedError](err); refused || !c.settles() {
		return true
	}
	return errors.Is(err, ErrSilent) || errors.Is(err, errNotRingdown)
}

// doubt notes that an open link passes nothing of what it should. Over anything but a WebSocket, that may be the transport's fault.
func (c *chooser) doubt() {
	if c.settles() {
		c.proven = false
	}
}

// later notes that the best one has been tried, and does not work yet.
func (c *chooser) later() {
	c.pause = min(c.pause*2, seldom)
	c.again = time.Now().Add(c.pause)
}

// forget forgets what was learned: the best transport works.
func (c *chooser) forget() {
	c.at, c.proven, c.again = 0, false, time.Time{}
}
