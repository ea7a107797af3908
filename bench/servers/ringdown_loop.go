package servers

// This file: Ringdown's event loop.

import (
	"net/http"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

func init() {
	register(&Server{
		Name: "ringdown-loop", Module: ringdownModule,
		About:        "package documentation of loop: `Handler.Message`, `Conn.Write`",
		Kinds:        []Kind{Echo, Pipelined, Deflate, Idle},
		Compressions: []Compression{NoTakeover, Takeover},
		Serve:        serveRingdownLoop,
	})
}

func serveRingdownLoop(o Options) error {
	options := new(loop.Options)
	options.Accept.Compression.Mode = map[Compression]websocket.CompressionMode{
		Off:        websocket.CompressionOff,
		NoTakeover: websocket.CompressionNoTakeover,
		Takeover:   websocket.CompressionTakeover,
	}[o.Compression]
	server, err := loop.New(loop.Handler{
		Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) { c.Write(typ, payload) },
	}, options)
	if err != nil {
		return err
	}
	return http.Serve(o.Listener, server)
}
