// The life of a broker: started once, and nothing more once it is closed.

package brokertest

import (
	"errors"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
)

var closeTests = []test{
	{"a broker is started once", startedOnce},
	{"a closed broker says that it is unavailable", closedIsUnavailable},
	{"nothing is told once Close has returned", closedIsSilent},
	{"a node that closes leaves the others alone", othersGoOn},
}

func startedOnce(c *cluster) {
	n := c.start()
	if err := n.Start(n.sink); err == nil {
		c.Error("a broker was started twice")
	}
	n.Close()
	if err := n.Start(n.sink); err == nil {
		c.Error("a closed broker was started")
	}
}

func closedIsUnavailable(c *cluster) {
	n := c.start()
	n.subscribe("lobby", kept)
	n.join("lobby", member("s1", "ann"))
	if err := n.Close(); err != nil {
		c.Fatalf("closing: %v", err)
	}
	n.Unsubscribe("lobby")
	ctx := c.Context()
	for name, call := range map[string]func() error{
		"Publish": func() error {
			_, err := n.Publish(ctx, &hub.Publication{Channel: "lobby"}, hub.Storing{Retention: kept})
			return err
		},
		"Publish, keeping nothing": func() error {
			_, err := n.Publish(ctx, &hub.Publication{Channel: "other"}, hub.Storing{})
			return err
		},
		"Earlier":   func() error { _, err := n.Earlier(ctx, "lobby", "key"); return err },
		"Subscribe": func() error { _, err := n.Subscribe(ctx, "lobby", kept); return err },
		"History": func() error {
			_, err := n.History(ctx, "lobby", hub.Query{Limit: 1, Retention: kept})
			return err
		},
		"Join":     func() error { return n.Join(ctx, "lobby", member("s1", "ann")) },
		"Leave":    func() error { return n.Leave(ctx, "lobby", member("s1", "ann")) },
		"Presence": func() error { _, err := n.Presence(ctx, "lobby", 1); return err },
	} {
		err := call()
		if known, ok := errors.AsType[*hub.Error](err); !ok || known.Code != hub.Unavailable {
			c.Errorf("%s of a closed broker: %v, want an error with the code %q", name, err, hub.Unavailable)
		}
	}
	if err := n.Close(); err != nil {
		c.Errorf("closing again: %v", err)
	}
}

func closedIsSilent(c *cluster) {
	n := c.start()
	n.subscribe("lobby", kept)
	var publishing sync.WaitGroup
	for range 4 {
		publishing.Go(func() {
			for {
				_, err := n.Publish(c.Context(), &hub.Publication{Channel: "lobby"}, hub.Storing{Retention: kept})
				if err != nil {
					return
				}
				time.Sleep(time.Microsecond) // a bubble's time stands still while anybody is busy
			}
		})
	}
	n.await("lobby", 100)
	if err := n.Close(); err != nil {
		c.Errorf("closing: %v", err)
	}
	n.closed.Store(true)
	publishing.Wait()
	c.quiet()
}

func othersGoOn(c *cluster) {
	nodes := c.nodes()
	n := nodes[len(nodes)-1]
	n.subscribe("lobby", kept)
	if len(nodes) > 1 {
		nodes[0].subscribe("lobby", kept)
		nodes[0].Close()
	}
	n.say("lobby", "x", hub.Storing{Retention: kept})
	n.await("lobby", 1)
}
