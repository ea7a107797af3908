// Idempotency: publishing again what may have been published.

package brokertest

import (
	"fmt"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
)

var idempotencyTests = []test{
	{"a key publishes once, and is answered as the first time", keyPublishesOnce},
	{"a key is of one channel", keyOfOneChannel},
	{"a key is remembered for its window only", keyExpires},
	{"what a key has published can be asked for without publishing", keyIsAskedFor},
	{"one of many concurrent publications with one key is published", concurrentKeys},
}

func keyed(key string) hub.Storing {
	return hub.Storing{Retention: kept, IdempotencyKey: key, Window: time.Hour}
}

func keyPublishesOnce(c *cluster) {
	nodes := c.nodes()
	n := nodes[len(nodes)-1]
	for _, retention := range []hub.Retention{{}, kept} {
		name := fmt.Sprint("keeps", retention.Count)
		n.subscribe(name, retention)
		s := hub.Storing{Retention: retention, IdempotencyKey: "key", Window: time.Hour}
		_, first := nodes[0].say(name, "first", s)
		nodes[0].say(name, "other", hub.Storing{Retention: retention})
		time.Sleep(5 * time.Millisecond)

		p, again := n.say(name, "again", s)
		if p.Epoch != "" || p.Offset != 0 || !p.Time.IsZero() {
			c.Errorf("a duplicate was numbered %v", p.Position())
		}
		if !again.Duplicate || again.Position != first.Position || again.Time.Sub(first.Time).Abs() >= time.Millisecond {
			c.Errorf("the duplicate was answered %+v, the first %+v", again, first)
		}
		n.say(name, "last", hub.Storing{Retention: retention})
		if got := fmt.Sprint(texts(n.await(name, 3))); got != "[first other last]" {
			c.Errorf("%s were delivered", got)
		}
		if got := fmt.Sprint(texts(n.history(name, hub.Query{Limit: 10, Retention: retention}).Publications)); retention.Count > 0 && got != "[first other last]" {
			c.Errorf("%s are kept", got)
		}
	}
}

func keyOfOneChannel(c *cluster) {
	n := c.start()
	for i, s := range []struct{ channel, key string }{{"a", "key"}, {"b", "key"}, {"a", "other"}, {"a", "Key"}, {"a", ""}, {"a", ""}, {"a:b", "c"}, {"a", "b:c"}} {
		if _, done := n.say(s.channel, "x", keyed(s.key)); done.Duplicate {
			c.Errorf("publication %d, of key %q in %q, is said to be a duplicate", i, s.key, s.channel)
		}
	}
}

func keyExpires(c *cluster) {
	c.aside()
	n := c.start()
	n.subscribe("lobby", kept)
	s := keyed("key")
	s.Window = 2 * time.Second
	n.say("lobby", "1", s)
	time.Sleep(s.Window / 2)
	if _, done := n.say("lobby", "2", s); !done.Duplicate {
		c.Error("a key is forgotten within its window")
	}
	time.Sleep(s.Window) // repeating did not prolong it
	if _, done := n.say("lobby", "3", s); done.Duplicate || done.Offset != 2 {
		c.Errorf("after its window the key is answered %+v", done)
	}
	if _, done := n.say("lobby", "4", s); !done.Duplicate || done.Offset != 2 {
		c.Errorf("used again, the key is answered %+v", done)
	}
}

func keyIsAskedFor(c *cluster) {
	c.aside()
	nodes := c.nodes()
	n := nodes[len(nodes)-1]
	n.subscribe("lobby", kept)
	earlier := func(channel, key string) hub.Published {
		done, err := n.Earlier(c.Context(), channel, key)
		if err != nil {
			c.Errorf("asking for %q in %q: %v", key, channel, err)
		}
		return done
	}
	s := keyed("key")
	s.Window = 2 * time.Second
	_, first := nodes[0].say("lobby", "1", s)
	nodes[0].say("lobby", "2", hub.Storing{Retention: kept})
	if got := earlier("lobby", "key"); !got.Duplicate || got.Position != first.Position || got.Time.Sub(first.Time).Abs() >= time.Millisecond {
		c.Errorf("the key is answered %+v, the publication was %+v", got, first)
	}
	for _, other := range []struct{ channel, key string }{{"lobby", "other"}, {"lobby", ""}, {"elsewhere", "key"}} {
		if got := earlier(other.channel, other.key); got != (hub.Published{}) {
			c.Errorf("%q in %q, which nobody has used, is answered %+v", other.key, other.channel, got)
		}
	}
	time.Sleep(s.Window + s.Window/2)
	if got := earlier("lobby", "key"); got != (hub.Published{}) {
		c.Errorf("after its window the key is answered %+v", got)
	}
	if got := len(n.await("lobby", 2)); got != 2 {
		c.Errorf("%d deliveries, want 2", got)
	}
}

func concurrentKeys(c *cluster) {
	const publishers, keys = 8, 20
	nodes := c.nodes()
	n := nodes[len(nodes)-1]
	n.subscribe("lobby", kept)
	var mu sync.Mutex
	originals := make(map[string]uint64)
	answers := make(map[string]map[uint64]int)
	var publishing sync.WaitGroup
	for i := range publishers {
		publishing.Go(func() {
			for k := range keys {
				key := fmt.Sprint("key", k)
				_, done := nodes[i%len(nodes)].say("lobby", key, keyed(key))
				mu.Lock()
				if !done.Duplicate {
					if _, twice := originals[key]; twice {
						c.Errorf("%q was published twice", key)
					}
					originals[key] = done.Offset
				}
				if answers[key] == nil {
					answers[key] = make(map[uint64]int)
				}
				answers[key][done.Offset]++
				mu.Unlock()
			}
		})
	}
	publishing.Wait()
	for key, offsets := range answers {
		if offset, ok := originals[key]; !ok || offsets[offset] != publishers {
			c.Errorf("%q is at %d (%v); answered were %v", key, offset, ok, offsets)
		}
	}
	if got := len(n.await("lobby", keys)); got != keys {
		c.Errorf("%d deliveries, want %d", got, keys)
	}
}
