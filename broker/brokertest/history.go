// History: what is kept, and what is said to be lost.

package brokertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
)

var historyTests = []test{
	{"history holds what count, limit and offset say, and what is lost is exact", historyTable},
	{"history without retention has lost everything", nothingKept},
	{"history holds nothing that is too old", historyByAge},
	{"a query is answered by its own retention", queryRetention},
	{"history is consistent while others publish", historyWhilePublishing},
	{"history is asked for at least one publication", badLimit},
}

// historyTable asks a channel that keeps 6 to 10 of ten publications.
func historyTable(c *cluster) {
	nodes := c.nodes()
	r := hub.Retention{Count: 5, Age: time.Hour}
	top := nodes[0].sayMany("lobby", 10, hub.Storing{Retention: r}).Position
	for _, n := range nodes {
		for _, q := range []struct {
			hub.Query
			want string
			lost uint64
		}{
			{hub.Query{After: 0, Limit: 100}, "6 7 8 9 10", 5},
			{hub.Query{After: 0, Limit: 5}, "6 7 8 9 10", 5},
			{hub.Query{After: 0, Limit: 2}, "6 7", 5},
			{hub.Query{After: 1, Limit: 100}, "6 7 8 9 10", 4},
			{hub.Query{After: 4, Limit: 100}, "6 7 8 9 10", 1},
			{hub.Query{After: 5, Limit: 100}, "6 7 8 9 10", 0},
			{hub.Query{After: 5, Limit: 1}, "6", 0},
			{hub.Query{After: 6, Limit: 100}, "7 8 9 10", 0},
			{hub.Query{After: 7, Limit: 2}, "8 9", 0},
			{hub.Query{After: 9, Limit: 100}, "10", 0},
			{hub.Query{After: 10, Limit: 100}, "", 0},
			{hub.Query{After: 11, Limit: 100}, "", 0},
			{hub.Query{After: 1 << 62, Limit: 100}, "", 0},
			{hub.Query{After: 5, Newest: true, Limit: 1}, "10", 0},
			{hub.Query{After: 5, Newest: true, Limit: 3}, "8 9 10", 0},
			{hub.Query{After: 5, Newest: true, Limit: 5}, "6 7 8 9 10", 0},
			{hub.Query{After: 5, Newest: true, Limit: 100}, "6 7 8 9 10", 0},
		} {
			q.Retention = r
			h := n.history("lobby", q.Query)
			if got := strings.Join(texts(h.Publications), " "); got != q.want || h.Lost != q.lost || h.Top != top {
				c.Errorf("%+v: got %q, %d lost, top %v; want %q, %d, %v", q.Query, got, h.Lost, h.Top, q.want, q.lost, top)
			}
			for _, p := range h.Publications {
				if p.Epoch != top.Epoch || string(p.Payload) != fmt.Sprint(p.Offset) {
					c.Errorf("%+v: %q is at %v", q.Query, p.Payload, p.Position())
				}
			}
		}
	}
}

func nothingKept(c *cluster) {
	n := c.start()
	n.subscribe("lobby", hub.Retention{})
	n.sayMany("lobby", 7, hub.Storing{})
	n.await("lobby", 7)
	for after, lost := range []uint64{7, 6, 5, 4, 3, 2, 1, 0, 0, 0} {
		h := n.history("lobby", hub.Query{After: uint64(after), Limit: 10})
		if len(h.Publications) != 0 || h.Lost != lost || h.Top.Offset != 7 {
			c.Errorf("after %d: %d publications, %d lost, top %d; want none, %d, 7", after, len(h.Publications), h.Lost, h.Top.Offset, lost)
		}
	}
}

func historyByAge(c *cluster) {
	c.aside()
	nodes := c.nodes()
	n := nodes[len(nodes)-1]
	r := hub.Retention{Count: 100, Age: 4 * time.Second}
	n.subscribe("lobby", r)
	nodes[0].sayMany("lobby", 3, hub.Storing{Retention: r})
	time.Sleep(r.Age / 2)
	nodes[0].sayMany("lobby", 3, hub.Storing{Retention: r})
	c.check(n, r, 0, 6, 0)
	time.Sleep(r.Age * 3 / 4) // the first three are too old now, the others are not
	c.check(n, r, 0, 3, 3)
	c.check(n, r, 1, 3, 2)
	c.check(n, r, 3, 3, 0)
	c.check(n, r, 4, 2, 0)
	time.Sleep(r.Age)
	c.check(n, r, 0, 0, 6)
	c.check(n, r, 5, 0, 1)
	c.check(n, r, 6, 0, 0)
}

func (c *cluster) check(n *node, r hub.Retention, after uint64, count int, lost uint64) {
	c.Helper()
	h := n.history("lobby", hub.Query{After: after, Limit: 100, Retention: r})
	if len(h.Publications) != count || h.Lost != lost || h.Top.Offset != 6 {
		c.Errorf("after %d: %d publications, %d lost, top %d; want %d, %d, 6", after, len(h.Publications), h.Lost, h.Top.Offset, count, lost)
	}
}

func queryRetention(c *cluster) {
	n := c.start()
	n.sayMany("lobby", 10, hub.Storing{Retention: kept})
	h := n.history("lobby", hub.Query{Limit: 100, Retention: hub.Retention{Count: 4, Age: time.Hour}})
	if got, want := texts(h.Publications), []string{"7", "8", "9", "10"}; !slices.Equal(got, want) || h.Lost != 6 {
		c.Errorf("asked for the newest four: %q, %d lost", got, h.Lost)
	}
}

func historyWhilePublishing(c *cluster) {
	nodes := c.nodes()
	r := hub.Retention{Count: 10, Age: time.Hour}
	nodes[0].say("lobby", "1", hub.Storing{Retention: r})
	var publishing sync.WaitGroup
	publishing.Go(func() { nodes[0].sayMany("lobby", 300, hub.Storing{Retention: r}) })
	defer publishing.Wait()
	n := nodes[len(nodes)-1]
	for after := uint64(0); after < 301; {
		h := n.history("lobby", hub.Query{After: after, Limit: 3, Retention: r})
		for _, p := range h.Publications {
			if p.Offset != after+h.Lost+1 || p.Offset > h.Top.Offset {
				c.Fatalf("after %d with %d lost and the top %d comes %d", after, h.Lost, h.Top.Offset, p.Offset)
			}
			after, h.Lost = p.Offset, 0
		}
		if c.Failed() {
			return
		}
		time.Sleep(time.Microsecond)
	}
}

func badLimit(c *cluster) {
	n := c.start()
	if _, err := n.History(c.Context(), "lobby", hub.Query{Retention: kept}); err == nil {
		c.Error("a query without a limit is answered")
	}
}
