// Deliveries: to whom, in which order, how often.

package brokertest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
)

var orderTests = []test{
	{"every node is delivered all publications of concurrent publishers once and in one order", concurrentPublishers},
	{"a series is delivered in its order, beside what others publish", concurrentSeries},
	{"a publication arrives as it was published", arrivesAsPublished},
	{"every name of a channel is a channel of its own", oddNames},
	{"only channels that are subscribed to are delivered", unsubscribedIsSilent},
	{"everything after the position of a subscription is delivered", subscribeWhilePublishing},
	{"subscribing and unsubscribing again and again loses nothing in between", comingAndGoing},
}

func concurrentSeries(c *cluster) {
	const publishers, series, each = 4, 10, 16
	nodes := c.nodes()
	for _, n := range nodes {
		n.subscribe("lobby", kept)
	}
	answers := make(map[uint64]string) // what was published at each offset
	var mu sync.Mutex
	var publishing sync.WaitGroup
	for i := range publishers {
		publishing.Go(func() {
			for k := range series {
				var all []*hub.Publication
				for n := range each {
					all = append(all, &hub.Publication{Channel: "lobby", Payload: fmt.Appendf(nil, "%d/%03d", i, k*each+n)})
				}
				done, err := hub.PublishSeries(c.Context(), nodes[i%len(nodes)].Broker, all, hub.Storing{Retention: kept})
				if err != nil || len(done) != each {
					c.Errorf("%d of a series were published: %v", len(done), err)
					return
				}
				mu.Lock()
				for n, p := range all {
					if p.Position() != done[n].Position || !done[n].Time.Equal(p.Time) || done[n].Duplicate || n > 0 && p.Offset <= all[n-1].Offset {
						c.Errorf("the answer to %d of a series is %+v, the publication %v", n, done[n], p.Position())
					}
					answers[p.Offset] = string(p.Payload)
				}
				mu.Unlock()
			}
		})
	}
	publishing.Wait()
	const count = publishers * series * each
	for i, n := range nodes {
		all := n.await("lobby", count)
		if len(all) != count {
			c.Errorf("node %d was delivered %d publications of %d", i, len(all), count)
		}
		for k, p := range all {
			if p.Offset != uint64(k+1) || answers[p.Offset] != string(p.Payload) {
				c.Fatalf("node %d: delivery %d is %q at offset %d, where %q was published", i, k, p.Payload, p.Offset, answers[p.Offset])
			}
		}
	}
}

func concurrentPublishers(c *cluster) {
	const publishers, each = 4, 100
	nodes := c.nodes()
	for _, n := range nodes {
		n.subscribe("lobby", kept)
	}
	answers := make(map[uint64]string) // what was published at each offset
	var mu sync.Mutex
	var publishing sync.WaitGroup
	for i := range publishers {
		publishing.Go(func() {
			for k := range each {
				text := fmt.Sprint(i, "/", k)
				p, done := nodes[i%len(nodes)].say("lobby", text, hub.Storing{Retention: kept})
				if done.Position != p.Position() || !done.Time.Equal(p.Time) || done.Duplicate {
					c.Errorf("the answer is %+v, the publication %v of %v", done, p.Position(), p.Time)
				}
				mu.Lock()
				answers[done.Offset] = text
				mu.Unlock()
			}
		})
	}
	publishing.Wait()
	for i, n := range nodes {
		all := n.await("lobby", publishers*each)
		if len(all) != publishers*each {
			c.Errorf("node %d was delivered %d publications of %d", i, len(all), publishers*each)
		}
		for k, p := range all {
			if p.Offset != uint64(k+1) || answers[p.Offset] != string(p.Payload) {
				c.Fatalf("node %d: delivery %d is %q at offset %d, where %q was published", i, k, p.Payload, p.Offset, answers[p.Offset])
			}
		}
	}
}

func arrivesAsPublished(c *cluster) {
	nodes := c.nodes()
	for _, n := range nodes {
		n.subscribe("lobby", kept)
	}
	all := []*hub.Publication{
		{Payload: []byte("text\r\n\x00")},
		{Payload: []byte{}},
		{Kind: hub.JSON, Event: "price", Payload: []byte(`{"a":[1,"ü"]}`)},
		{Kind: hub.Binary, Key: "kéy ", Payload: []byte{0, 255, 128, 10}},
		{Session: "s1", User: "ann", Payload: bytes.Repeat([]byte("large "), 10_000)},
	}
	for i, p := range all {
		p.Channel = "lobby"
		if _, err := nodes[i%len(nodes)].Publish(c.Context(), p, hub.Storing{Retention: kept}); err != nil {
			c.Fatal(err)
		}
	}
	for i, n := range nodes {
		same(c, fmt.Sprintf("delivered to node %d", i), n.await("lobby", len(all)), all)
		same(c, fmt.Sprintf("in the history of node %d", i), n.history("lobby", hub.Query{Limit: 10, Retention: kept}).Publications, all)
	}
}

// same fails the test unless the publications are equal in all fields.
func same(c *cluster, where string, got, want []*hub.Publication) {
	c.Helper()
	if len(got) != len(want) {
		c.Fatalf("%s: %d publications, want %d", where, len(got), len(want))
	}
	for i, p := range got {
		w := want[i]
		fields := func(p *hub.Publication) string {
			return fmt.Sprintf("%q %q %v %q %q %q %v", p.Channel, p.Event, p.Kind, p.Key, p.Session, p.User, p.Position())
		}
		if fields(p) != fields(w) || !bytes.Equal(p.Payload, w.Payload) {
			c.Errorf("%s: %s with %.40q, want %s with %.40q", where, fields(p), p.Payload, fields(w), w.Payload)
		}
		if d := p.Time.Sub(w.Time).Abs(); d >= time.Millisecond {
			c.Errorf("%s: %v apart in time", where, d)
		}
	}
}

// Names that mean something to servers: patterns, separators, hash tags.
func oddNames(c *cluster) {
	names := []string{"a", "A", "a b", "a.b", "a:b", "a*b", "a>b", "a#b", "a/b", "a{b}", "{a}b", "a%2Fb", "a%b", "a\"b", "a'b", `a\b`, "ä",
		"*", ">", "#", "$SYS", "a\u0301", strings.Repeat("é", hub.MaxChannelName/2)}
	nodes := c.nodes()
	first, last := nodes[0], nodes[len(nodes)-1]
	for _, name := range names {
		last.subscribe(name, kept)
	}
	for _, name := range names {
		first.say(name, name, hub.Storing{Retention: kept})
	}
	for _, name := range names {
		if got := texts(last.await(name, 1)); !slices.Equal(got, []string{name}) {
			c.Errorf("%q was delivered %q", name, got)
		}
		if got := texts(first.history(name, hub.Query{Limit: 10, Retention: kept}).Publications); !slices.Equal(got, []string{name}) {
			c.Errorf("the history of %q is %q", name, got)
		}
	}
}

func unsubscribedIsSilent(c *cluster) {
	nodes := c.nodes()
	n := nodes[len(nodes)-1]
	n.subscribe("lobby", hub.Retention{})
	n.subscribe("left", hub.Retention{})
	nodes[0].say("left", "heard", hub.Storing{})
	n.await("left", 1)
	n.Unsubscribe("left")
	n.Unsubscribe("never joined")
	c.quiet()
	for _, name := range []string{"left", "never joined", "lobby"} {
		nodes[0].say(name, "x", hub.Storing{Retention: kept})
	}
	n.await("lobby", 1)
	for name, want := range map[string]int{"left": 1, "never joined": 0} {
		if got := len(n.delivered(name)); got != want {
			c.Errorf("%d deliveries of %q, want %d", got, name, want)
		}
	}
}

func subscribeWhilePublishing(c *cluster) {
	const count = 200
	nodes := c.nodes()
	n := nodes[len(nodes)-1]
	for round := range 20 {
		name := fmt.Sprint("race", round)
		begin := make(chan struct{})
		var last hub.Published
		var publishing sync.WaitGroup
		publishing.Go(func() {
			nodes[0].sayMany(name, rand.IntN(count), hub.Storing{Retention: kept})
			close(begin)
			last = nodes[0].sayMany(name, count, hub.Storing{Retention: kept})
		})
		<-begin
		from := n.subscribe(name, kept)
		publishing.Wait()
		if from.Epoch != last.Epoch {
			c.Fatalf("subscribed at %v, published up to %v", from, last.Position)
		}
		n.await(name, int(last.Offset-from.Offset))
	}
}

func comingAndGoing(c *cluster) {
	nodes := c.nodes()
	n := nodes[len(nodes)-1]
	var top hub.Position
	for range 20 {
		position := n.subscribe("lobby", kept)
		if top.Epoch != "" && position != top {
			c.Fatalf("subscribed at %v, want %v", position, top)
		}
		nodes[0].say("lobby", "in", hub.Storing{Retention: kept})
		n.await("lobby", 1)
		n.Unsubscribe("lobby")
		c.quiet()
		_, done := nodes[0].say("lobby", "out", hub.Storing{Retention: kept})
		top = done.Position
	}
}
