// The two ways to serve connections. Both give back what comes, and both end with their connection.

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// echoHandler returns the echo in a mode, and how TLS is put on its listener.
func echoHandler(mode string, accept websocket.AcceptOptions) (http.Handler, func(net.Listener, *tls.Config) net.Listener, error) {
	switch mode {
	case "blocking":
		return websocket.Handler(echo, &accept), tls.NewListener, nil
	case "loop":
		server, err := loop.New(loop.Handler{Message: echoOnLoop}, &loop.Options{Accept: accept})
		return server, loop.NewTLSListener, err
	}
	return nil, nil, fmt.Errorf("-mode %q: use blocking or loop", mode)
}

// echo has a goroutine of its own.
func echo(c *websocket.Conn) {
	ctx := context.Background()
	for m, err := range c.Messages(ctx) {
		if err != nil || c.Write(ctx, m.Type, m.Data) != nil {
			return
		}
	}
}

// echoOnLoop is called for each message of every connection. It does not wait for the network.
func echoOnLoop(c *loop.Conn, typ websocket.MessageType, payload []byte) {
	c.Write(typ, payload) // an error is the end of the connection, which nobody here needs to hear of
}
