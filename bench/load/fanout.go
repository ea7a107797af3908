//go:build linux

package load

// This file: fan-out. What one connection publishes, all must receive.

import (
	"bytes"
	"fmt"
	"time"
)

// publisher is the connection that publishes; it receives like all others.
const publisher = 0

// fanout is the publications of one window. They are numbered, and each connection receives them in order, so that those
// under way are never more than the slots they are kept in.
type fanout struct {
	slots     []publication // publication n is in n modulo their number
	heard     []int         // of each connection, how many it has received
	published int
	complete  int    // received by all
	frames    []byte // as many publications as there are slots, laid out side by side
}

type publication struct {
	sent    time.Duration
	missing int // connections that have not received it
}

// Publish keeps as many as inFlight publications under way for as long as d, and then waits until all have been
// received. The connections must keep to a script of Echo with one message at a time, and have joined with [Client.Once].
// In the result a message is a delivery: one publication to one connection.
func (c *Client) Publish(d time.Duration, inFlight int) (*Result, error) {
	begin := c.now()
	c.result = Result{}
	f := &fanout{
		slots:  make([]publication, inFlight),
		heard:  make([]int, len(c.conns)),
		frames: bytes.Repeat(c.conns[publisher].say.bytes[0], inFlight),
	}
	if err := c.publish(f); err != nil {
		return nil, err
	}
	taken := func(i, messages int) error { return c.delivered(f, i, messages) }
	for f.complete < f.published {
		if err := c.turn(taken); err != nil {
			return nil, err
		}
		now := c.now()
		if now > begin+d+drainLimit {
			return nil, fmt.Errorf("a publication has not been received by %d of %d connections in %v",
				f.slots[f.complete%inFlight].missing, len(c.conns), drainLimit)
		}
		if now < begin+d {
			if err := c.publish(f); err != nil {
				return nil, err
			}
		}
	}
	c.result.Elapsed = c.now() - begin
	result := c.result
	return &result, nil
}

// publish fills the free slots, in one write.
func (c *Client) publish(f *fanout) error {
	free := len(f.slots) - (f.published - f.complete)
	if free == 0 || len(c.conns[publisher].unsent) > 0 {
		return nil
	}
	now := c.now()
	for range free {
		f.slots[f.published%len(f.slots)] = publication{sent: now, missing: len(c.conns)}
		f.published++
	}
	return c.begin(publisher, f.frames[:free*len(f.frames)/len(f.slots)])
}

// delivered notes that connection i has received so many more publications.
func (c *Client) delivered(f *fanout, i, messages int) error {
	if f.heard[i]+messages > f.published {
		return fmt.Errorf("connection %d received %d messages more than were published", i, f.heard[i]+messages-f.published)
	}
	now := c.now()
	for range messages {
		p := &f.slots[f.heard[i]%len(f.slots)]
		f.heard[i]++
		c.result.Latencies.Record(now-p.sent, 1)
		if p.missing--; p.missing == 0 {
			f.complete++
		}
	}
	c.result.Messages += messages
	return nil
}
