// What may be set on a Server, with the defaults.

package loop

import (
	"log/slog"
	"runtime"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// Options are the choices of a Server. The zero value, or nil, is safe.
type Options struct {
	// Accept is how handshakes are answered, and what holds for the connections: limits, keep-alive, compression.
	// CorkBursts has no meaning here: answers are always gathered.
	Accept websocket.AcceptOptions

	// Outbox bounds what waits to be written to one connection.
	Outbox Outbox

	// Loops is the number of event loops. 0 means GOMAXPROCS.
	Loops int

	// Goroutines makes each connection be driven by goroutines of its own, as it is where there is no event loop. The
	// behaviour is the same, the memory is not.
	Goroutines bool

	// SlowHandler is how long a handler may hold up its loop before a warning is logged. 0 means 100 ms; a negative value,
	// never.
	SlowHandler time.Duration

	// Log is where warnings go. nil is slog.Default().
	Log *slog.Logger
}

// Policy is what happens to a connection whose peer reads more slowly than is written to it, once its outbox is full.
type Policy uint8

// The policies.
const (
	// Disconnect closes the connection with 1013. The peer comes back and asks for what it missed.
	Disconnect Policy = iota
	// DropOldest drops the messages that have waited longest.
	DropOldest
	// Conflate keeps the newest message of each key: when one is written, one with the same key that still waits is
	// dropped. What leaves is in the order in which it was written. Once only the newest are left and are too much, or have
	// no key, the oldest are dropped.
	Conflate
)

// Outbox bounds what waits to be written to one connection. Control frames are bounded apart and never dropped.
type Outbox struct {
	// Bytes that may wait. 0 means 1 MiB. Each message that has a place of its own in the queue (a prepared one, a long one,
	// any that a policy may drop) counts 64 bytes more for that, so that many tiny ones stay within the bound, too. One
	// message larger than this may still wait alone.
	Bytes int
	// Age is how long a message may wait. 0 means 30 s; a negative value, for ever.
	Age time.Duration
	// Policy says what happens when either bound is reached.
	Policy Policy
}

const (
	defaultOutboxBytes = 1 << 20
	defaultOutboxAge   = 30 * time.Second
	defaultSlowHandler = 100 * time.Millisecond
)

func (o *Options) withDefaults() Options {
	var r Options
	if o != nil {
		r = *o
	}
	if r.Outbox.Bytes <= 0 {
		r.Outbox.Bytes = defaultOutboxBytes
	}
	if r.Outbox.Age == 0 {
		r.Outbox.Age = defaultOutboxAge
	}
	if r.Loops <= 0 {
		r.Loops = runtime.GOMAXPROCS(0)
	}
	if r.SlowHandler == 0 {
		r.SlowHandler = defaultSlowHandler
	}
	if r.Log == nil {
		r.Log = slog.Default()
	}
	return r
}
