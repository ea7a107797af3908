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
		About:        "`Read`, `Write` with a background context, its cheapest; fan-out: `Write` in turn",
		Kinds:        []Kind{Echo, Pipelined, Deflate, Idle, Fanout},
		Compressions: []Compression{NoTakeover, Takeover},
		Serve:        serveCoder,
		Fanout:       fanoutCoder,
	})
}

func serveCoder(o Options) error {
	options := &websocket.AcceptOptions{CompressionMode: map[Compression]websocket.CompressionMode{
		Off:        websocket.CompressionDisabled,
		NoTakeover: websocket.CompressionNoContextTakeover,
		Takeover:   websocket.CompressionContextTakeover,
	}[o.Compression]}
	return serveHTTP(o, func(w http.ResponseWriter, r *http.Request) {
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

// fanoutCoder encodes a publication for each member: this library has nothing to prepare one with.
func fanoutCoder(o Options) error {
	var members room[*websocket.Conn]
	return serveHTTP(o, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for joined := false; ; {
			typ, message, err := c.Read(context.Background())
			if err != nil {
				return
			}
			if !joined {
				joined = true
				members.join(c)
				defer members.leave(c)
				_ = c.Write(context.Background(), typ, message) // what is wrong with a member, its own loop hears
				continue
			}
			members.each(func(member *websocket.Conn) { _ = member.Write(context.Background(), typ, message) })
		}
	})
}
