package rooms

// This file: what a peer is. A file for each of them fills this in.

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// channel is the name of the one channel that everything happens in.
const channel = "bench"

// A Peer is a server in one of its protocols.
type Peer struct {
	Name     string
	About    string // how it is configured and spoken to, in a line
	Kinds    []Kind
	Build    func(*Shop) (Program, error) // finds, builds or installs the server; never while something is measured
	Protocol Protocol
}

// ErrMissing is wrapped by the errors of Build that mean: this server is not to be had on this machine.
var ErrMissing = errors.New("not to be had here")

// A Program is how a server's process is started.
type Program struct {
	Version string
	// Chooses says that the program chooses its own port and prints 127.0.0.1:PORT. Another is given a free one.
	Chooses bool
	// Command returns the command line. The directory is empty, and removed when the process has ended.
	Command func(port int, dir string) ([]string, error)

	// Broker is what several nodes of the program ride on, nil where one is all there is. The command line of a node comes from
	// Node, then.
	Broker *Program
	Node   func(broker netip.AddrPort, port int, dir string) ([]string, error)
}

// Stream is how a server's bytes are divided.
type Stream int

// The streams.
const (
	WebSocket   Stream = iota
	EventStream        // Server-Sent Events over HTTP/1.1
	Answers            // of HTTP requests, for those who post
)

// A Protocol is how clients of a server join [channel], hear what is published there and publish. Whatever the server wraps
// a publication in, the payload itself has to be in it as it was published.
type Protocol struct {
	Path   string // of the request that opens a session, with its query
	Header string // lines of that request beyond the usual
	Stream Stream

	// Join are the messages of a subscriber up to its being subscribed; Greet those of a client that publishes only.
	Join, Greet []Exchange

	// Publish is the message that publishes a payload; nil where publications are posted.
	Publish func(payload []byte) []byte
	// Ask is the message that a subscriber says to have a payload come back as an acknowledgement; nil where there is no such thing.
	Ask func(payload []byte) []byte
	// Pulse and Beat are heartbeat and answer as messages of the protocol; empty where WebSocket's own or none are used.
	Pulse, Beat string

	// Post is the request that publishes a payload over HTTP; nil where the server has none.
	Post *Post
}

// An Exchange is a message that the client says, if any, and one that it waits for: a message that contains Hear.
type Exchange struct{ Say, Hear string }

// Post is an HTTP request without its payload.
type Post struct {
	Path   string
	Header string
	Body   func(payload []byte) []byte // nil: the payload as it is
}

// All returns the peers in the order of the tables.
func All() []*Peer {
	return []*Peer{
		ringdownRaw, ringdownNative, ringdownSSE, centrifugo, socketIO, ringdownSocketIO, hub, floor,
		ringdownRedis, ringdownNATS, ringdownOneNode, centrifugoRedis, socketIORedis,
	}
}

// Does reports whether the peer can be measured at points of this kind.
func (p *Peer) Does(k Kind) bool { return slices.Contains(p.Kinds, k) }

// verbatim is the Publish of protocols where a message is its payload.
func verbatim(payload []byte) []byte { return payload }

// around returns a function that puts a payload between two texts.
func around(before, after string) func([]byte) []byte {
	return func(payload []byte) []byte {
		return []byte(before + string(payload) + after)
	}
}

// request is the opening request of a session, without more than the protocols need.
func (p *Protocol) request(host string) []byte {
	var b strings.Builder
	b.WriteString("GET " + p.Path + " HTTP/1.1\r\nHost: " + host + "\r\n")
	if p.Stream == WebSocket {
		b.WriteString("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
	}
	b.WriteString(p.Header)
	b.WriteString("\r\n")
	return []byte(b.String())
}
