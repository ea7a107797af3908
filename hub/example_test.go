package hub_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
)

// printer is a client that prints what it is told.
type printer struct{ name string }

func (c printer) Receive(p *hub.Publication) hub.Reception {
	fmt.Printf("%s reads %s\n", c.name, p.Payload)
	return hub.Taken
}

func (c printer) Notify(n *hub.Notice) {
	if n.Type == hub.Subscribed {
		fmt.Printf("%s is in %s, recovered: %v\n", c.name, n.Channel, n.Recovered)
	}
}

func (c printer) End(cause error) { fmt.Printf("%s is out: %v\n", c.name, cause) }

// A hub, a client that is there when something is published, and one that comes back with its cursor.
func Example() {
	ctx := context.Background()
	h, err := hub.New(hub.Options{
		Broker: memory.New(memory.Options{}),
		Rules:  []hub.Rule{{Pattern: "chat:*", History: hub.Retention{Count: 100, Age: time.Hour}}},
	})
	if err != nil {
		panic(err)
	}
	ann, err := h.Open(printer{"ann"}, hub.Identity{User: "ann"})
	if err != nil {
		panic(err)
	}
	ann.Subscribe(ctx, "chat:1", hub.SubscribeOptions{})

	first, _ := h.Publish(ctx, &hub.Publication{Channel: "chat:1", Payload: []byte("hello")}, hub.PublishOptions{})
	h.Publish(ctx, &hub.Publication{Channel: "chat:1", Payload: []byte("are you there?")}, hub.PublishOptions{})
	ann.Close()

	bob, err := h.Open(printer{"bob"}, hub.Identity{User: "bob"})
	if err != nil {
		panic(err)
	}
	seen, _ := hub.ParseCursor(first.Cursor()) // all that bob saw before his connection broke
	bob.Subscribe(ctx, "chat:1", hub.SubscribeOptions{Recover: true, After: seen})
	bob.Close()
	h.Shutdown(ctx)

	// Output:
	// ann is in chat:1, recovered: false
	// ann reads hello
	// ann reads are you there?
	// bob is in chat:1, recovered: true
	// bob reads are you there?
}
