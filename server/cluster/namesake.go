// Namesakes: two nodes with one name, as of two machines with one configuration. What is for the one goes to both, neither hears what the other
// tells all, and others take the answer of one for that of both; so it has to be noticed.

package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ringdown/ringdown/hub"
)

const (
	// claim is the kind of message by which a node claims its name: it tells its own name who it is.
	claim = "claim"
	// claimEvery is how often, and claimHolds how long a namesake is remembered that says nothing any more.
	claimEvery = 5 * time.Second
	claimHolds = 3*claimEvery + time.Second
)

// self is this run of a node, by which it knows itself from its namesakes.
type self struct {
	began time.Time
	run   string
}

func newSelf() self { return self{time.Now(), hub.NewEpoch()} }

// claimName goes on claiming the name of this node.
func (c *Cluster) claimName() {
	ticker := time.NewTicker(claimEvery)
	defer ticker.Stop()
	for {
		ctx, cancel := context.WithTimeout(c.ctx, c.options.Timeout)
		c.Send(ctx, c.Node(), claim, fmt.Appendf(nil, "%d %s", c.self.began.UnixNano(), c.self.run)) // whether or not it arrives
		cancel()
		select {
		case <-ticker.C:
		case <-c.ctx.Done():
			return
		}
	}
}

// claimed hears a claim of this node's name, most often its own.
func (c *Cluster) claimed(body []byte) {
	var began int64
	var run string
	if _, err := fmt.Sscanf(string(body), "%d %s", &began, &run); err != nil || run == c.self.run {
		return
	}
	mine := c.self.began.UnixNano()
	c.mu.Lock()
	c.namesake, c.later = time.Now(), mine > began || mine == began && c.self.run > run
	c.mu.Unlock()
	if unlogged, due := c.names.Due(); due {
		c.log.Error("another node has the name of this one: revocations do not reach both, and answers of the API leave one out", "node", c.Node(),
			"cure", "give each node a broker.node of its own, or none", "unlogged", unlogged)
	}
}

// Namesake tells whether another node has this one's name, and whether that was there before.
func (c *Cluster) Namesake() (there, earlier bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	there = !c.namesake.IsZero() && time.Since(c.namesake) < claimHolds
	return there, there && c.later
}

var errNamesake = errors.New("another node, which was there before, has the name of this one; give each a broker.node of its own, or none")

// Ready is a check of readiness: of two nodes with one name the later one is not ready.
func (c *Cluster) Ready(context.Context) error {
	if _, earlier := c.Namesake(); earlier {
		return errNamesake
	}
	return nil
}
