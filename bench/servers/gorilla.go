package servers

// This file: gorilla/websocket, as in its examples/echo, and once more with every knob turned towards little memory.

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

const gorillaModule = "github.com/gorilla/websocket"

func init() {
	register(&Server{
		Name: "gorilla", Module: gorillaModule,
		About:        "examples/echo: `ReadMessage`, `WriteMessage`, default upgrader",
		Kinds:        []Kind{Echo, Pipelined, Deflate, Idle},
		Compressions: []Compression{NoTakeover},
		Serve:        serveGorilla,
	})
	register(&Server{
		Name: "gorilla-tuned", Module: gorillaModule,
		About:        "512-byte read buffer, pooled write buffers, a fresh goroutine per connection",
		Kinds:        []Kind{Idle},
		Compressions: []Compression{NoTakeover},
		Serve:        serveGorillaTuned,
	})
}

func serveGorilla(o Options) error {
	upgrader := websocket.Upgrader{EnableCompression: o.Compression != Off}
	return serveHTTP(o.Listener, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		echoGorilla(c)
	})
}

func serveGorillaTuned(o Options) error {
	upgrader := websocket.Upgrader{
		EnableCompression: o.Compression != Off,
		ReadBufferSize:    512,
		WriteBufferSize:   4096,
		WriteBufferPool:   &sync.Pool{},
	}
	return serveHTTP(o.Listener, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		go echoGorilla(c)
	})
}

func echoGorilla(c *websocket.Conn) {
	defer c.Close()
	for {
		typ, message, err := c.ReadMessage()
		if err != nil {
			return
		}
		if c.WriteMessage(typ, message) != nil {
			return
		}
	}
}
