// Broadcast sends what any client says to every client. A message is made ready once, however many read it, and who reads too slowly
// is cut rather than waited for.
//
//	go run ./examples/broadcast
//	go run ./cmd/ringdown connect ws://127.0.0.1:9002     # in two terminals
package main

import (
	"log"
	"net/http"
	"slices"
	"sync"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

func main() {
	server, err := loop.New(broadcast(), nil)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("broadcasting on ws://127.0.0.1:9002")
	log.Fatal(http.ListenAndServe("127.0.0.1:9002", server))
}

// broadcast is all there is to it.
func broadcast() loop.Handler {
	var clients sync.Map // of *loop.Conn
	return loop.Handler{
		Open:  func(c *loop.Conn) { clients.Store(c, nil) },
		Close: func(c *loop.Conn, _ error) { clients.Delete(c) },
		Message: func(_ *loop.Conn, typ websocket.MessageType, payload []byte) {
			message := websocket.Prepare(typ, slices.Clone(payload)) // a payload is lent for the call
			for c := range clients.Range {
				c.(*loop.Conn).WritePrepared(message) // does not wait; an error is the end of that client
			}
		},
	}
}
