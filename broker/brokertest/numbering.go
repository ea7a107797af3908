// Numberings: epochs and offsets.

package brokertest

import (
	"fmt"
	"time"

	"github.com/ringdown/ringdown/hub"
)

var numberingTests = []test{
	{"every channel has an epoch of its own", epochsAreUnique},
	{"a numbering is one on all nodes", oneNumbering},
	{"a numbering survives its subscribers while its retention keeps anything", numberingSurvives},
	{"what a retention of any age has numbered goes on", ageZeroSurvives},
	{"a position read before the first publication holds after it", emptyChannelHasPosition},
}

func epochsAreUnique(c *cluster) {
	n := c.start()
	seen := make(map[string]string)
	for i := range 100 {
		name := fmt.Sprint("channel", i)
		position := n.subscribe(name, hub.Retention{Count: i % 2})
		if other, ok := seen[position.Epoch]; ok {
			c.Errorf("%q and %q both have the epoch %q", name, other, position.Epoch)
		}
		seen[position.Epoch] = name
		if position.Offset != 0 {
			c.Errorf("%q begins at %d", name, position.Offset)
		}
		if cursor, err := hub.ParseCursor(position.Cursor()); err != nil || cursor[0] != position {
			c.Errorf("%q is at %v, whose cursor is read as %v: %v", name, position, cursor, err)
		}
	}
}

func oneNumbering(c *cluster) {
	nodes := c.nodes()
	var top hub.Position
	for i := range 10 {
		_, done := nodes[i%len(nodes)].say("lobby", "x", hub.Storing{Retention: kept})
		if i > 0 && (done.Epoch != top.Epoch || done.Offset != top.Offset+1) {
			c.Fatalf("%v comes after %v", done.Position, top)
		}
		top = done.Position
	}
	for i, n := range nodes {
		if got := n.subscribe("lobby", kept); got != top {
			c.Errorf("node %d is subscribed at %v, want %v", i, got, top)
		}
		if got := n.history("lobby", hub.Query{Limit: 1, Retention: kept}).Top; got != top {
			c.Errorf("the history of node %d ends at %v, want %v", i, got, top)
		}
	}
}

func numberingSurvives(c *cluster) {
	c.aside()
	n := c.start()
	r := hub.Retention{Count: 2, Age: 10 * time.Second}
	n.subscribe("lobby", r)
	last := n.sayMany("lobby", 5, hub.Storing{Retention: r})
	n.await("lobby", 5)
	n.Unsubscribe("lobby")
	time.Sleep(time.Second)
	if got := n.subscribe("lobby", r); got != last.Position {
		c.Errorf("subscribed again at %v, want %v", got, last.Position)
	}
	n.Unsubscribe("lobby")
	if _, done := n.say("lobby", "x", hub.Storing{Retention: r}); done.Epoch != last.Epoch || done.Offset != last.Offset+1 {
		c.Errorf("published at %v, want it after %v", done.Position, last.Position)
	}
}

func ageZeroSurvives(c *cluster) {
	c.aside()
	n := c.start()
	r := hub.Retention{Count: 2}
	last := n.sayMany("lobby", 5, hub.Storing{Retention: r})
	time.Sleep(time.Second)
	h := n.history("lobby", hub.Query{After: 3, Limit: 10, Retention: r})
	if h.Top != last.Position || len(h.Publications) != 2 || h.Lost != 0 {
		c.Errorf("%d publications up to %v, %d lost; want 2 up to %v", len(h.Publications), h.Top, h.Lost, last.Position)
	}
}

func emptyChannelHasPosition(c *cluster) {
	nodes := c.nodes()
	h := nodes[0].history("lobby", hub.Query{Limit: 10, Retention: kept})
	if h.Top.Epoch == "" || h.Top.Offset != 0 || len(h.Publications) != 0 || h.Lost != 0 {
		c.Fatalf("the history of a channel never used is %+v", h)
	}
	if _, done := nodes[len(nodes)-1].say("lobby", "x", hub.Storing{Retention: kept}); done.Epoch != h.Top.Epoch || done.Offset != 1 {
		c.Errorf("the first publication is at %v, want it after %v", done.Position, h.Top)
	}
}
