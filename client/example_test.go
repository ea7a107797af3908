package client_test

import (
	"context"
	"fmt"
	"log"
	"os/signal"
	"syscall"

	"github.com/ringdown/ringdown/client"
)

// Listen to a channel until interrupted, through any number of connections.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT)
	defer stop()
	c, err := client.Dial(ctx, "ws://127.0.0.1:8000/connect", client.Options{
		Observe: func(change client.Change) { log.Printf("%s: %v", change.To, change.Err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	news, err := c.Subscribe(ctx, "news", client.SubscribeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range news.Events(ctx) {
		switch e := e.(type) {
		case *client.Message:
			fmt.Println(e.Text())
		case *client.Gap:
			log.Print("something was missed; load the page anew")
		case nil:
			log.Print(err)
		}
	}
}

// Publish with a receipt. Should the connection break, it is published once all the same.
func ExampleClient_Publish() {
	ctx := context.Background()
	c, err := client.Dial(ctx, "ws://127.0.0.1:8000/connect", client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	receipt, err := c.Publish(ctx, client.Publication{Channel: "prices", Kind: client.JSON, Data: []byte(`{"bid":231.5}`), Key: "AAPL"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.Offset, receipt.Subscribers)
}
