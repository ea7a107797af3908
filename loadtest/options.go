// What to do to which server, and the bounds that hold when nothing is said.

package loadtest

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// Options are the choices of a run. All but the URL have defaults.
type Options struct {
	// URL is the server's: ws, wss, ws+unix or wss+unix.
	URL string
	// Dial is how connections are opened: header, TLS, compression, proxy. Its Limits.Message is at least 4 × Size.
	Dial websocket.DialOptions
	// Connections is how many are opened: 0 means 100. Fanout opens one more, which publishes.
	Connections int
	// DialsAtOnce is how many handshakes are under way at a time. 0 means 64.
	DialsAtOnce int
	// Size of a message in bytes. 0 means 128. Fanout needs 64 or more.
	Size int
	// Duration is how long messages are sent, or connections are held. 0 means 10 s.
	Duration time.Duration
	// Rate is how many messages are sent a second, over all connections together. 0 means as many as can be.
	Rate float64
	// InFlight is how many messages of a connection, or publications, may be on their way. 0 means 1.
	InFlight int
	// Patience is how long a handshake or an answer may take. 0 means 10 s.
	Patience time.Duration
	// PID is the server's process on this machine, whose memory and processor time are then measured; Linux only. 0 is
	// none.
	PID int
	// Progress is told, several times a second and from one goroutine, how far the run is. It may be nil.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Phase       string // "connecting", "running" or "closing"
	Wanted      int    // connections to open
	Connections int    // open now
	Messages    int    // received so far
	Failures    int    // errors so far
	Elapsed     time.Duration
	Duration    time.Duration // of the phase "running", as planned
}

const (
	defaultConnections = 100
	defaultDials       = 64
	defaultSize        = 128
	defaultDuration    = 10 * time.Second
	defaultPatience    = 10 * time.Second

	spareFiles = 64 // open files that are no connections
)

// checked returns the options with their defaults filled in, or what is wrong with them.
func (o Options) checked() (Options, error) {
	o.Connections = cmp.Or(o.Connections, defaultConnections)
	o.DialsAtOnce = cmp.Or(o.DialsAtOnce, defaultDials)
	o.Size = cmp.Or(o.Size, defaultSize)
	o.Duration = cmp.Or(o.Duration, defaultDuration)
	o.InFlight = cmp.Or(o.InFlight, 1)
	o.Patience = cmp.Or(o.Patience, defaultPatience)
	for name, value := range map[string]float64{
		"connections": float64(o.Connections), "dials at once": float64(o.DialsAtOnce), "size": float64(o.Size),
		"duration": float64(o.Duration), "in flight": float64(o.InFlight), "patience": float64(o.Patience),
	} {
		if value < 0 {
			return o, fmt.Errorf("%s is negative", name)
		}
	}
	if o.Rate < 0 {
		return o, fmt.Errorf("a rate of %v messages a second is negative", o.Rate)
	}
	if limit, known := openFileLimit(); known && o.Connections+spareFiles > limit {
		return o, fmt.Errorf("%d connections are more than this process may open, which is %d files; ask for %d, or raise the limit (ulimit -n)",
			o.Connections, limit, max(limit-spareFiles, 0))
	}
	o.Dial.HandshakeTimeout = o.Patience
	if o.Dial.Limits.Message == 0 {
		o.Dial.Limits.Message = max(1<<20, 4*int64(o.Size))
	}
	o.Dial.Limits.CloseTimeout = cmp.Or(o.Dial.Limits.CloseTimeout, time.Second)
	return o, nil
}
