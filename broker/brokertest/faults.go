// What a broker promises when what it rides on stumbles.

package brokertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Fault is something that happens to what brokers ride on.
type Fault struct {
	Name string // what happens, like "the server is killed and comes back"

	// Begin begins a cluster that nothing has been published in, and returns what makes its nodes, and the fault itself: strike and mend
	// are called once, one after the other.
	Begin func(t *testing.T) (node func() hub.Broker, strike, mend func())

	// Loses is set if what was acknowledged may be forgotten. Then a new epoch must show it.
	Loses bool

	// Others is set if the fault strikes all nodes but the first, which goes on publishing.
	Others bool
}

// RunFaults runs tests of each fault as subtests of t.
func RunFaults(t *testing.T, faults []Fault) {
	for _, f := range faults {
		t.Run(f.Name, func(t *testing.T) {
			node, strike, mend := f.Begin(t)
			c := &cluster{T: t, node: node}
			runFault(c, f, strike, mend)
		})
	}
}

// observer is a sink that heals as the hub does: of a channel that has a hole, or that an interruption was told of, it reads the history.
// What it is delivered must be in order and without duplicates, whatever happens.
type observer struct {
	c    *cluster
	name string

	mu       sync.Mutex // guards what follows
	channels map[string]*observed
	told     map[string]bool // messages of other nodes
	unheard  bool            // some may have been lost
}

// observed is what an observer has got of a channel.
type observed struct {
	last    hub.Position // delivered
	got     map[string]bool
	doubt   bool // something may be missing
	renewed bool // the numbering is not the first
}

// begin notes where a channel is.
func (o *observer) begin(channel string, at hub.Position) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.channel(channel).last = at
}

// channel is called with the lock.
func (o *observer) channel(name string) *observed {
	if o.channels[name] == nil {
		o.channels[name] = &observed{got: make(map[string]bool)}
	}
	return o.channels[name]
}

// Deliver implements [hub.Sink].
func (o *observer) Deliver(p *hub.Publication) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ch := o.channel(p.Channel)
	switch {
	case p.Epoch != ch.last.Epoch:
		ch.renewed, ch.doubt = true, true
	case p.Offset <= ch.last.Offset:
		o.c.Errorf("%s: %q is delivered at %v after %v", o.name, p.Payload, p.Position(), ch.last)
	case p.Offset > ch.last.Offset+1:
		ch.doubt = true
	}
	ch.last = p.Position()
	ch.got[string(p.Payload)] = true
}

// Present implements [hub.Sink].
func (o *observer) Present(hub.PresenceEvent) {}

// Interrupted implements [hub.Sink].
func (o *observer) Interrupted(channel string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, ch := range o.channels {
		ch.doubt = ch.doubt || channel == "" || channel == name
	}
}

// Told implements [hub.ClusterSink].
func (o *observer) Told(_ string, message []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told[string(message)] = true
}

// Unheard implements [hub.ClusterSink].
func (o *observer) Unheard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unheard = true
}

// heard tells whether a message has come, or that it may have been lost was told.
func (o *observer) heard(message string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.told[message] || o.unheard
}

// heal reads the history of a channel in doubt. A position that is delivered twice, or two publications at one, fail the test.
func (o *observer) heal(n hub.Broker, channel string) {
	o.mu.Lock()
	ch := o.channel(channel)
	doubt := ch.doubt
	ch.doubt = false
	o.mu.Unlock()
	if !doubt {
		return
	}
	h, err := n.History(o.c.Context(), channel, hub.Query{Limit: everything.Count, Retention: everything})
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil { // it is tried again
		ch.doubt = true
		return
	}
	ch.renewed = ch.renewed || h.Top.Epoch != ch.last.Epoch
	at := make(map[string]hub.Position)
	for _, p := range h.Publications {
		text := string(p.Payload)
		if before, twice := at[text]; twice {
			o.c.Errorf("%s: %q is kept at %v and at %v", o.name, text, before, p.Position())
		}
		at[text] = p.Position()
		ch.got[text] = true
	}
}

// has tells whether a text has come, in whichever way; and whether another numbering has.
func (o *observer) has(channel, text string) (got, renewed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ch := o.channel(channel)
	return ch.got[text], ch.renewed
}

// everything is a retention that no test exceeds.
var everything = hub.Retention{Count: 100_000, Age: time.Hour}

// member of a faulty cluster.
type faulty struct {
	hub.Broker
	*observer
}

// runFault publishes from two nodes before, during and after a fault. Then every node must have got, or found in history, everything
// that was acknowledged, unless the fault loses it and a new epoch says so; and nothing twice or out of order.
func runFault(c *cluster, f Fault, strike, mend func()) {
	nodes := []*faulty{c.faulty("first"), c.faulty("second")}
	for _, n := range nodes {
		for _, channel := range []string{"busy", "quiet"} {
			position, err := n.Subscribe(c.Context(), channel, everything)
			if err != nil {
				c.Fatalf("subscribing: %v", err)
			}
			n.begin(channel, position)
		}
	}
	var published publishedTexts
	published.say(c, nodes[0], "quiet", "before")

	during, stop := context.WithCancel(c.Context())
	var publishing sync.WaitGroup
	for i, n := range nodes {
		publishing.Go(func() {
			for k := 0; during.Err() == nil; k++ {
				published.say(c, n, "busy", fmt.Sprint(i, "/", k)) // what was not acknowledged is not said again
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	c.eventually(func() bool { return published.count() > 100 }, "publishing is under way")
	strike()
	if f.Others { // somebody who is not struck says something in a channel of which nothing follows
		published.say(c, nodes[0], "quiet", "during")
	} else {
		time.Sleep(time.Second)
	}
	told := tell(nodes[0], "during")
	mend()
	back := published.count() + 100
	c.eventually(func() bool { return published.count() > back }, "publishing goes on")
	stop()
	publishing.Wait()

	for _, n := range nodes {
		c.eventually(func() bool { return published.say(c, n, "busy", "last of "+n.name) }, "%s publishes again", n.name)
	}
	for _, n := range nodes {
		for _, channel := range []string{"busy", "quiet"} {
			var missing string
			c.eventually(func() bool {
				n.heal(n.Broker, channel)
				missing = published.missing(n.observer, channel, f.Loses)
				return missing == ""
			}, "%s has got everything of %s", n.name, channel)
		}
		c.health(n)
	}
	if told {
		c.eventually(func() bool { return nodes[1].heard("during") }, "what was told during the fault arrives, or is known to be missing")
	}
}

// tell tells all other nodes something, and reports whether the broker has taken it.
func tell(n *faulty, message string) bool {
	between, ok := n.Broker.(hub.Cluster)
	return ok && between.Tell(n.c.Context(), "", []byte(message)) == nil
}

func (c *cluster) faulty(name string) *faulty {
	c.Helper()
	n := &faulty{c.node(), &observer{c: c, name: name, channels: make(map[string]*observed), told: make(map[string]bool)}}
	if err := n.Start(n.observer); err != nil {
		c.Fatalf("starting a node: %v", err)
	}
	c.Cleanup(func() { n.Close() })
	return n
}

// health waits until a broker that tells says that it is well.
func (c *cluster) health(n *faulty) {
	if h, ok := n.Broker.(interface{ Health() error }); ok {
		c.eventually(func() bool { return h.Health() == nil }, "%s is well", n.name)
	}
}

// publishedTexts are what was acknowledged.
type publishedTexts struct {
	mu  sync.Mutex // guards what follows
	all map[string][]string
	n   int
}

// say publishes, and reports whether that was acknowledged. If it was not, the error must say what to do.
func (a *publishedTexts) say(c *cluster, n *faulty, channel, text string) bool {
	p := &hub.Publication{Channel: channel, Payload: []byte(text)}
	_, err := n.Publish(c.Context(), p, hub.Storing{Retention: everything})
	if err != nil {
		if known, ok := errors.AsType[*hub.Error](err); !ok || known.Code != hub.Unavailable {
			c.Errorf("publishing during a fault: %v, want an error with the code %q", err, hub.Unavailable)
		}
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = make(map[string][]string)
	}
	a.all[channel] = append(a.all[channel], text)
	a.n++
	return true
}

func (a *publishedTexts) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n
}

// missing is something that was acknowledged and that an observer neither got nor was told to have lost; "" if there is nothing.
func (a *publishedTexts) missing(o *observer, channel string, loses bool) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, text := range a.all[channel] {
		if got, renewed := o.has(channel, text); !got && !(loses && renewed) {
			return text
		}
	}
	return ""
}
