package servers

// This file: coder/websocket (formerly nhooyr.io/websocket), with its whole-message calls.

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

func init() {
	register(&Server{
		Name: "coder", Module: "github.com/coder/websocket",
		About:        "`Read`, `Write` with a background context, its cheapest",
		Kinds:        []Kind{Echo, Pipelined, Deflate, Idle},
		Compressions: []Compression{NoTakeover, Takeover},
		Serve:        serveCoder,
	})
}

func serveCoder(o Options) error {
	options := &websocket.AcceptOptions{CompressionMode: map[Compression]websocket.CompressionMode{
		Off:        websocket.CompressionDisabled,
		NoTakeover: websocket.CompressionNoContextTakeover,
		Takeover:   websocket.CompressionContextTakeover,
	}[o.Compression]}
	return serveHTTP(o.Listener, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(1 << 20)
		for {
			typ, message, err := c.Read(context.Background())
			if err != nil {
				return
			}
			if c.Write(context.Background(), typ, message) != nil {
				return
			}
		}
	})
}
