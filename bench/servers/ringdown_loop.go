package servers

// This file: Ringdown's event loop, as in the package documentation of loop.

import (
	"net/http"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

func init() {
	register(&Server{
		Name: "ringdown-loop", Module: ringdownModule,
		About:        "package documentation of loop: `Handler.Message`, `Conn.Write`; fan-out: `Prepare`, `WritePrepared`",
		Kinds:        []Kind{Echo, Pipelined, Deflate, Idle, IdleTLS, Fanout},
		Compressions: []Compression{NoTakeover, Takeover},
		Serve:        serveRingdownLoop,
		Fanout:       fanoutRingdownLoop,
	})
}

func serveRingdownLoop(o Options) error {
	return runRingdownLoop(o, loop.Handler{
		Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) { c.Write(typ, payload) },
	})
}

func fanoutRingdownLoop(o Options) error {
	var members room[*loop.Conn]
	return runRingdownLoop(o, loop.Handler{
		Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) {
			if c.Data == nil {
				c.Data = &members
				members.join(c)
				c.Write(typ, payload)
				return
			}
			publication := websocket.Prepare(typ, payload)
			members.each(func(member *loop.Conn) { member.WritePrepared(publication) })
		},
		Close: func(c *loop.Conn, _ error) { members.leave(c) },
	})
}

func runRingdownLoop(o Options, handler loop.Handler) error {
	options := new(loop.Options)
	options.Accept.Compression.Mode = map[Compression]websocket.CompressionMode{
		Off:        websocket.CompressionOff,
		NoTakeover: websocket.CompressionNoTakeover,
		Takeover:   websocket.CompressionTakeover,
	}[o.Compression]
	server, err := loop.New(handler, options)
	if err != nil {
		return err
	}
	listener := o.Listener
	if o.TLS != nil {
		listener = loop.NewTLSListener(listener, o.TLS)
	}
	return http.Serve(listener, server)
}
