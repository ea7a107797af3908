package servers

// This file: Ringdown's blocking API, as in the package documentation of websocket.

import (
	"context"
	"net/http"

	"github.com/ringdown/ringdown/websocket"
)

const ringdownModule = "github.com/ringdown/ringdown"

func init() {
	register(&Server{
		Name: "ringdown", Module: ringdownModule,
		About:        "package documentation: `Handler`, `Messages`, `Write`",
		Kinds:        []Kind{Echo, Pipelined, Deflate, Idle},
		Compressions: []Compression{NoTakeover, Takeover},
		Serve:        func(o Options) error { return serveRingdown(o, false) },
	})
	register(&Server{
		Name: "ringdown-cork", Module: ringdownModule,
		About:        "the same with `CorkBursts`",
		Kinds:        []Kind{Pipelined},
		Compressions: []Compression{NoTakeover, Takeover},
		Serve:        func(o Options) error { return serveRingdown(o, true) },
	})
}

func serveRingdown(o Options, cork bool) error {
	options := &websocket.AcceptOptions{CorkBursts: cork}
	options.Compression.Mode = map[Compression]websocket.CompressionMode{
		Off:        websocket.CompressionOff,
		NoTakeover: websocket.CompressionNoTakeover,
		Takeover:   websocket.CompressionTakeover,
	}[o.Compression]
	return http.Serve(o.Listener, websocket.Handler(echoRingdown, options))
}

func echoRingdown(c *websocket.Conn) {
	for m, err := range c.Messages(context.Background()) {
		if err != nil {
			return
		}
		if c.Write(context.Background(), m.Type, m.Data) != nil {
			return
		}
	}
}
