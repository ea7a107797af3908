//go:build linux

package redis_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

// client is a receiver that keeps what it is told: texts, and notices in brackets.
type client struct {
	mu   sync.Mutex // guards what follows
	told []string
}

func (c *client) Receive(p *hub.Publication) hub.Reception {
	c.tell(string(p.Payload))
	return hub.Taken
}

func (c *client) Notify(n *hub.Notice) {
	switch n.Type {
	case hub.Subscribed:
		c.tell(fmt.Sprintf("[recovered %v]", n.Recovered))
	case hub.Gap:
		c.tell(fmt.Sprintf("[gap %d to %d]", n.From, n.To))
	}
}

func (c *client) End(cause error) { c.tell(fmt.Sprintf("[%v]", cause)) }

func (c *client) tell(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, text)
}

func (c *client) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told)
}

// A client on one node hears everything that is published on the other, although Redis dies on the way, and goes on with its cursor on
// any node.
func TestTwoHubsAreOneWhileRedisDiesAndComesBack(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{Durable: true})
	o := options(r.URL())
	o.Timeout = 2 * time.Second
	var hubs [2]*hub.Hub
	for i := range hubs {
		h, err := hub.New(hub.Options{Broker: newBroker(t, o), Rules: []hub.Rule{{Pattern: "**", History: hub.Retention{Count: 10_000, Age: time.Hour}}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Shutdown(t.Context()) })
		hubs[i] = h
	}
	join := func(h *hub.Hub, options hub.SubscribeOptions) *client {
		c := new(client)
		s, err := h.Open(c, hub.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Subscribe(t.Context(), "lobby", options); err != nil {
			t.Fatal(err)
		}
		return c
	}
	listener := join(hubs[1], hub.SubscribeOptions{})
	const count = 300
	want := []string{"[recovered false]"}
	var middle hub.Cursor
	for i := range count {
		text := fmt.Sprint(i)
		want = append(want, text)
		if i == count/3 {
			r.Kill()
			if _, err := hubs[0].Publish(t.Context(), &hub.Publication{Channel: "lobby", Payload: []byte("lost")}, hub.PublishOptions{}); err == nil {
				t.Error("published without a server")
			}
			r.Start()
		}
		eventually(t, text+" is published", func() bool {
			receipt, err := hubs[0].Publish(t.Context(), &hub.Publication{Channel: "lobby", Payload: []byte(text)}, hub.PublishOptions{IdempotencyKey: text})
			if err == nil && i == count/2 {
				middle = hub.Cursor{receipt.Position}
			}
			return err == nil
		})
	}
	eventually(t, "all have come", func() bool { return len(listener.all()) >= len(want) })
	if got := listener.all(); !slices.Equal(got, want) {
		t.Errorf("the client was told %s", strings.Join(got, " "))
	}
	for i, h := range hubs {
		late := join(h, hub.SubscribeOptions{Recover: true, After: middle})
		missed := append([]string{"[recovered true]"}, want[count/2+2:]...)
		eventually(t, "all that was missed has come", func() bool { return len(late.all()) >= len(missed) })
		if got := late.all(); !slices.Equal(got, missed) {
			t.Errorf("on node %d, a client that came back was told %s", i, strings.Join(got, " "))
		}
	}
}
