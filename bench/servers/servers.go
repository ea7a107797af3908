// Package servers holds the servers that are measured, one file each, each written the way its library's own
// documentation writes one: an echo, and for some a room in which what one connection says all connections hear.
//
// To add a server, add a file: register it in init, and serve until the listener fails. The rules are the same for
// all: compression off unless asked, no logging per message, no message limit under 1 MiB, and whatever the library
// does by default for keep-alive and deadlines stays on.
package servers

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Kind is what a point measures.
type Kind string

// The kinds of points.
const (
	Echo      Kind = "echo"      // one message in flight per connection
	Pipelined Kind = "pipelined" // a burst of messages in flight per connection
	Deflate   Kind = "deflate"   // echo of compressed messages
	Idle      Kind = "idle"      // memory of connections that say nothing
	IdleTLS   Kind = "idle-tls"  // the same over TLS
	Fanout    Kind = "fanout"    // what one connection says goes to all
)

// Compression is the use of permessage-deflate (RFC 7692) that the client will offer.
type Compression string

// The uses of permessage-deflate.
const (
	Off        Compression = "off"
	NoTakeover Compression = "no-takeover" // every message is compressed for itself
	Takeover   Compression = "takeover"    // messages refer to earlier ones, in both directions
)

// Options is what a server is started with.
type Options struct {
	Listener    net.Listener
	TLS         *tls.Config // nil: plain TCP
	Compression Compression
	Payload     int // bytes of every message's payload; only the floor, which parses nothing, may look
}

// accepting is where connections come from, over TLS if asked.
func (o Options) accepting() net.Listener {
	if o.TLS == nil {
		return o.Listener
	}
	return tls.NewListener(o.Listener, o.TLS)
}

// A Server is one way of writing an echo server, and a room.
type Server struct {
	Name         string              // as on the command line and in the tables
	Module       string              // module path; empty for one that is no library
	About        string              // how it is written, in a line
	Kinds        []Kind              // points that it takes part in when nothing else is asked for
	Compressions []Compression       // nil: Off only
	Serve        func(Options) error // as an echo
	Fanout       func(Options) error // as a room (see room.go); nil if not of kind Fanout
}

// Run serves points of a kind until the listener fails.
func (s *Server) Run(k Kind, o Options) error {
	if k == Fanout {
		return s.Fanout(o)
	}
	return s.Serve(o)
}

// Does reports whether the server can be measured at points of this kind, with this use of compression. Any echo will do
// for most kinds; TLS and fan-out take code of their own.
func (s *Server) Does(k Kind, c Compression) bool {
	if (k == IdleTLS || k == Fanout) && !slices.Contains(s.Kinds, k) {
		return false
	}
	return c == Off || slices.Contains(s.Compressions, c)
}

var registered []*Server

func register(s *Server) { registered = append(registered, s) }

// All returns the servers in the order of the tables: Ringdown's, then the peers by name, the floor last.
func All() []*Server {
	rank := func(s *Server) string {
		switch {
		case strings.HasPrefix(s.Name, "ringdown"):
			return "0" + s.Name
		case s.Name == "floor":
			return "2"
		default:
			return "1" + s.Name
		}
	}
	all := slices.Clone(registered)
	slices.SortFunc(all, func(a, b *Server) int { return strings.Compare(rank(a), rank(b)) })
	return all
}

// Find returns the server of that name.
func Find(name string) (*Server, error) {
	for _, s := range registered {
		if s.Name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no server is called %q", name)
}

// serveHTTP is what every server does that takes its connections from net/http.
func serveHTTP(o Options, handler http.HandlerFunc) error {
	return (&http.Server{Handler: handler}).Serve(o.accepting())
}
