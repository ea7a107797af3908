// Package bridge lets package loop use what package websocket keeps to itself: the opening handshake with its options read
// once, the settings that follow from them, and the frames of prepared messages. Package websocket fills it in; nothing else
// may. The values that cross it are named here, so that neither package exports them to the world.
package bridge

import (
	"net"
	"net/http"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/assemble"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
)

// Settings are AcceptOptions with the defaults filled in. A zero duration is no limit.
type Settings struct {
	Limits            *assemble.Limits
	Threshold, Level  int // of compression
	Interval, Timeout time.Duration
	Frame             time.Duration // for a message to complete
	Write             time.Duration // for a write to move
	Close             time.Duration // for the peer to answer a Close frame
}

// Upgraded is a connection on which the opening handshake is over.
type Upgraded struct {
	NetConn     net.Conn
	Early       []byte // what the client has sent behind its request
	Subprotocol string
	Inflator    *deflate.Inflator // nil if compression was not agreed on
	Deflator    *deflate.Deflator
	WindowBits  uint8 // of the deflator
}

// What package websocket provides. opts is a *websocket.AcceptOptions, message a *websocket.PreparedMessage, and conn a
// *websocket.Conn.
var (
	// Acceptor makes options ready to answer handshakes with. The function that it returns answers one; after an error it
	// has refused it.
	Acceptor func(opts any) (accept func(http.ResponseWriter, *http.Request) (*Upgraded, error), set *Settings, err error)
	// Frame is the message as a server sends it uncompressed.
	Frame func(message any) []byte
	// Packed is the message as a server sends it compressed, and its plain payload, which enters the window.
	Packed func(message any, level, windowBits int) (frame, payload []byte)
	// Blocking makes a blocking connection of one that was driven otherwise so far, between two messages.
	Blocking func(u *Upgraded, opts any) (conn any, err error)
)
