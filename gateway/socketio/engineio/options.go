// What may be set on a Server, with the defaults.

package engineio

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// Options are the choices of a Server. The zero value, or nil, is safe.
type Options struct {
	// PingInterval is the time from the handshake, or from a pong, to the next ping. 0 means 25 s.
	PingInterval time.Duration
	// PingTimeout is how long the pong may take. 0 means 20 s.
	PingTimeout time.Duration
	// UpgradeTimeout is how long a WebSocket may take to take a polling session over. 0 means 10 s.
	UpgradeTimeout time.Duration

	// MaxPayload is the size in bytes of the largest message over a WebSocket, and of the largest POST. 0 means 1,000,000.
	MaxPayload int64
	// OutboxBytes is how much may wait to be written to, or fetched by, one client, in bytes; each packet counts some 80 more. One message
	// larger than this may still wait alone. 0 means four times MaxPayload, and 1 MiB at least. A client that is slower is cut (1013 over a
	// WebSocket), and comes back.
	OutboxBytes int
	// MaxSessions is how many sessions there may be. 0 means 100,000.
	MaxSessions int

	NoPolling   bool // WebSocket only
	NoWebSocket bool // polling only
	NoUpgrade   bool // both, but each session stays with the transport that it began with

	// Accept says which pages may connect, over both transports, and how WebSockets are accepted. Its limit of the size of messages is
	// MaxPayload, and its keep-alive is off, as Engine.IO has its own.
	Accept websocket.AcceptOptions

	// Cookie, if it is not nil, is set by the answer to a handshake, with the session's id as its value: for load balancers that send the
	// requests of a session to one node by it. An empty Name means "io", an empty Path "/", and no SameSite Lax; it is always HttpOnly.
	Cookie *http.Cookie

	// Allow, if it is not nil, is asked for each handshake whether it may go on, on the goroutine of its request. What it returns becomes
	// Conn.Data before the handler's Open; it should hold nothing that needs to be given back, as the handshake may still fail. An error
	// refuses the handshake with code 4 and its words, and status 403, or what its method Status() int says.
	Allow func(*http.Request) (any, error)

	// Node is the last part of every session id: the name of this node, for a proxy or for other nodes to find it; see [NodeOf]. It may
	// have letters, digits, '-' and '_'.
	Node string

	// Log is where warnings go. nil is slog.Default().
	Log *slog.Logger
}

const (
	defaultPingInterval   = 25 * time.Second
	defaultPingTimeout    = 20 * time.Second
	defaultUpgradeTimeout = 10 * time.Second
	defaultMaxPayload     = 1_000_000
	leastOutboxBytes      = 1 << 20
	outboxPayloads        = 4 // of MaxPayload
	defaultMaxSessions    = 100_000
)

// withDefaults returns the options as they hold. The error says which cannot.
func (o *Options) withDefaults() (Options, error) {
	var r Options
	if o != nil {
		r = *o
	}
	r.PingInterval = cmp.Or(r.PingInterval, defaultPingInterval)
	r.PingTimeout = cmp.Or(r.PingTimeout, defaultPingTimeout)
	r.UpgradeTimeout = cmp.Or(r.UpgradeTimeout, defaultUpgradeTimeout)
	r.MaxPayload = cmp.Or(r.MaxPayload, defaultMaxPayload)
	r.OutboxBytes = cmp.Or(r.OutboxBytes, max(leastOutboxBytes, outboxPayloads*int(r.MaxPayload)))
	r.MaxSessions = cmp.Or(r.MaxSessions, defaultMaxSessions)
	r.Log = cmp.Or(r.Log, slog.Default())
	for name, d := range map[string]time.Duration{"PingInterval": r.PingInterval, "PingTimeout": r.PingTimeout, "UpgradeTimeout": r.UpgradeTimeout} {
		if d < time.Millisecond {
			return r, fmt.Errorf("engineio: Options.%s is %v; the least is 1ms, which clients are told in", name, d)
		}
	}
	switch {
	case r.MaxPayload < 0:
		return r, fmt.Errorf("engineio: Options.MaxPayload is %d; it must be positive, or 0 for the default", r.MaxPayload)
	case r.OutboxBytes < 0:
		return r, fmt.Errorf("engineio: Options.OutboxBytes is %d; it must be positive, or 0 for the default", r.OutboxBytes)
	case r.MaxSessions < 0:
		return r, fmt.Errorf("engineio: Options.MaxSessions is %d; it must be positive, or 0 for the default", r.MaxSessions)
	case r.NoPolling && r.NoWebSocket:
		return r, errors.New("engineio: Options.NoPolling and NoWebSocket leave no transport; clear one of them")
	case !nodeName(r.Node):
		return r, fmt.Errorf("engineio: Options.Node is %q; it may have letters, digits, '-' and '_'", r.Node)
	}
	if r.Cookie != nil {
		cookie := *r.Cookie
		cookie.Name, cookie.Path, cookie.HttpOnly = cmp.Or(cookie.Name, "io"), cmp.Or(cookie.Path, "/"), true
		if cookie.SameSite == 0 || cookie.SameSite == http.SameSiteDefaultMode {
			cookie.SameSite = http.SameSiteLaxMode
		}
		cookie.Value = "x" // for Valid
		if err := cookie.Valid(); err != nil {
			return r, fmt.Errorf("engineio: Options.Cookie: %w", err)
		}
		r.Cookie = &cookie
	}
	r.Accept.Limits.Message = r.MaxPayload
	r.Accept.KeepAlive = websocket.KeepAlive{Interval: -1}
	return r, nil
}
