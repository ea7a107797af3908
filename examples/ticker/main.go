// Ticker streams prices, each client at its own pace: one that reads slowly skips to the newest price of each symbol and holds up nobody.
//
//	go run ./examples/ticker
//	curl -N -H 'Accept: text/event-stream' localhost:8000/channels/prices
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
)

func main() {
	channels, err := ticker(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/channels/{channel}", channels)
	log.Print("prices on http://127.0.0.1:8000/channels/prices")
	log.Fatal(http.ListenAndServe("127.0.0.1:8000", nil))
}

// ticker is the channel, with prices until ctx ends.
func ticker(ctx context.Context) (http.Handler, error) {
	h, err := hub.New(hub.Options{
		Broker: memory.New(memory.Options{}),
		// Last: who comes is told every symbol's price at once.
		Rules: []hub.Rule{{Pattern: "prices", Slow: hub.Conflate, Last: true, History: hub.Retention{Count: 100, Age: time.Hour}}},
	})
	if err != nil {
		return nil, err
	}
	go tick(ctx, h)
	return channelhttp.New(h, channelhttp.Options{})
}

// tick publishes a price of one of the symbols, a hundred times a second, until ctx ends.
func tick(ctx context.Context, h *hub.Hub) {
	prices := map[string]float64{"AAPL": 231.5, "MSFT": 512.3, "NVDA": 187.9}
	for range time.Tick(10 * time.Millisecond) {
		for symbol := range prices { // begins anywhere
			prices[symbol] *= 1 + (rand.Float64()-0.5)/500
			payload := fmt.Appendf(nil, `{"symbol":%q,"price":%.2f}`, symbol, prices[symbol])
			if _, err := h.Publish(ctx, &hub.Publication{Channel: "prices", Kind: hub.JSON, Key: symbol, Payload: payload}, hub.PublishOptions{}); err != nil {
				return
			}
			break
		}
	}
}
