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
		About:        "package documentation: `Handler`, `Messages`, `Write`; fan-out: `Prepare`, `WritePrepared`",
		Kinds:        []Kind{Echo, Pipelined, Deflate, Idle, IdleTLS, Fanout},
		Compressions: []Compression{NoTakeover, Takeover},
		Serve:        func(o Options) error { return serveRingdown(o, false) },
		Fanout:       fanoutRingdown,
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
	return http.Serve(o.accepting(), websocket.Handler(echoRingdown, options))
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

func fanoutRingdown(o Options) error {
	var members room[*websocket.Conn]
	serve := func(c *websocket.Conn) {
		joined := false
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				return
			}
			if !joined {
				joined = true
				members.join(c)
				defer members.leave(c)
				_ = c.Write(context.Background(), m.Type, m.Data) // what is wrong with a member, its own loop hears
				continue
			}
			publication := websocket.Prepare(m.Type, m.Data)
			members.each(func(member *websocket.Conn) {
				_ = member.WritePrepared(context.Background(), publication)
			})
		}
	}
	return http.Serve(o.accepting(), websocket.Handler(serve, nil))
}
