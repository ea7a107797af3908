// Embed holds channels inside a program of your own: it publishes the time in the channel "clock", which nobody else may, and lets
// everybody talk in channels whose name begins with "chat:".
//
//	go run ./examples/embed
//	curl -N -H 'Accept: text/event-stream' localhost:8000/channels/clock
package main

import (
	"context"
	"log"
	"net/http"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/hub"
)

func main() {
	h, err := hub.New(hub.Options{
		Broker: memory.New(memory.Options{}),
		Rules: []hub.Rule{
			{Pattern: "clock", History: hub.Retention{Count: 60, Age: time.Hour}},
			{Pattern: "chat:*", Publish: hub.Everyone, Presence: true, History: hub.Retention{Count: 100, Age: time.Hour}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux, err := routes(h)
	if err != nil {
		log.Fatal(err)
	}
	go tick(context.Background(), h)
	log.Fatal(http.ListenAndServe("127.0.0.1:8000", mux))
}

// routes puts the channels beside whatever else the program serves.
func routes(h *hub.Hub) (*http.ServeMux, error) {
	channels, err := channelhttp.New(h, channelhttp.Options{})
	if err != nil {
		return nil, err
	}
	connect, err := native.New(h, native.Options{})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/channels/{channel}", channels)
	mux.Handle("/connect", connect)
	return mux, nil
}

// tick publishes the time, until ctx ends.
func tick(ctx context.Context, h *hub.Hub) {
	for ctx.Err() == nil {
		p := &hub.Publication{Channel: "clock", Payload: []byte(time.Now().Format(time.TimeOnly))}
		if _, err := h.Publish(ctx, p, hub.PublishOptions{}); err != nil {
			log.Print(err)
		}
		time.Sleep(time.Second)
	}
}
