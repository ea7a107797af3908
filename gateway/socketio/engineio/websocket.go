// WebSockets, on the event loop: each is the transport of a session, or a probe that may become it.

package engineio

import (
	"errors"
	"fmt"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// The Data of a WebSocket is its session or its probe, or nil for one that belongs to none. Only its event loop touches it.

func opened(socket *loop.Conn) {
	switch d := socket.Data.(type) {
	case *Conn:
		d.server.beginSocket(d, socket)
	case *probe:
		d.opened(socket)
	}
}

func heard(socket *loop.Conn, t websocket.MessageType, payload []byte) {
	switch d := socket.Data.(type) {
	case *Conn:
		d.heard(socket, t, payload)
	case *probe:
		d.heard(socket, t, payload)
	}
}

func drained(socket *loop.Conn) {
	if c, ok := socket.Data.(*Conn); ok {
		c.tellDrainedOnLoop(socket)
	}
}

func closed(socket *loop.Conn, err error) {
	switch d := socket.Data.(type) {
	case *Conn:
		d.end(lost(d.explain(err)))
	case *probe:
		d.closed()
	}
}

// heard takes a message from the WebSocket that is the session's transport.
func (c *Conn) heard(socket *loop.Conn, t websocket.MessageType, payload []byte) {
	if t == websocket.Binary {
		c.heardOnLoop(socket, true, payload)
		return
	}
	kind, data, err := parseText(payload)
	switch {
	case err != nil:
		c.violated(err)
	case kind == typeMessage:
		c.heardOnLoop(socket, false, data)
	case kind == typePong:
		c.pong()
	case kind == typeClose:
		c.end(ending{reason: TransportClose})
	default:
		c.violated(misdirected(kind))
	}
}

// explain adds to an error what the program wants to know of it.
func (c *Conn) explain(err error) error {
	if violation, ok := errors.AsType[*websocket.ProtocolError](err); ok && violation.Code == websocket.StatusMessageTooBig {
		return fmt.Errorf("engineio: a message of more than MaxPayload, which is %d bytes: %w", c.server.maxPayload, err)
	}
	return err
}
