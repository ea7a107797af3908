// What a broker is made with.

package rabbitmq

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Options say where RabbitMQ is and how it is used. All but URL may be left zero. What is said of all nodes must be the same on all.
type Options struct {
	// URL is where RabbitMQ is; [Parse] says how it is written. Several, separated by spaces or commas, are nodes of one RabbitMQ
	// cluster, of which any will do.
	URL string

	// TLS is used with amqps instead of the system's roots and the server's name.
	TLS *tls.Config

	// Prefix begins the name of every exchange and queue. Deployments that share a virtual host need one each. At most 64 letters, digits,
	// "-", "_", "." and ":"; "ringdown" by default. The same on all nodes.
	Prefix string

	// Node is this node's name, unique among those that live, as [hub.Cluster] wants it. By default it is made up.
	Node string

	// Expiry is after how long without a sign of life a node is dead and its members leave, 30 s by default. A sign is given three times
	// as often. The same on all nodes.
	Expiry time.Duration

	// Timeout is how long one answer may take, 5 s by default. A server that has not said anything for about as long is given up.
	Timeout time.Duration

	// PublishWait is how long Publish waits for a server to come back. By default it fails at once.
	PublishWait time.Duration

	// MaxPause is the longest pause between attempts to connect, 2 s by default. Each is random, so that the nodes do not all come at once.
	MaxPause time.Duration

	// Idle is how long the numbering of a channel that keeps nothing outlives its last use, 10 min by default. It is at most a day. The same on
	// all nodes.
	Idle time.Duration

	// LogBytes is how large each of the four logs may become on the server's disk, 256 MiB by default, 4 MiB at least. The state of a
	// log, history above all, must not be larger than a third of it. Nodes read all of it when they start. The same on all nodes, and
	// for the life of the queues: RabbitMQ does not change it for a queue that is there.
	LogBytes int

	// Log takes what an operator should know. By default nothing is logged.
	Log *slog.Logger
}

// forever is how long what is to be kept without a limit outlives its last use.
const forever = 30 * 24 * time.Hour

// Bounds and defaults.
const (
	defaultPrefix   = "ringdown"
	defaultExpiry   = 30 * time.Second
	minExpiry       = time.Second
	defaultTimeout  = 5 * time.Second
	defaultMaxPause = 2 * time.Second
	defaultIdle     = 10 * time.Minute
	maxIdle         = 24 * time.Hour
	maxWait         = 10 * time.Minute // an owner is remembered for longer
	maxPrefix       = 64
	defaultLogBytes = 256 << 20
	minLogBytes     = 4 << 20
)

// filled returns the options with their defaults.
func (o Options) filled() (Options, error) {
	o.Prefix = cmp.Or(o.Prefix, defaultPrefix)
	o.Node = cmp.Or(o.Node, hub.NewEpoch())
	o.Expiry = cmp.Or(o.Expiry, defaultExpiry)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.MaxPause = cmp.Or(o.MaxPause, defaultMaxPause)
	o.Idle = cmp.Or(o.Idle, defaultIdle)
	o.LogBytes = cmp.Or(o.LogBytes, defaultLogBytes)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case len(o.Prefix) > maxPrefix || !only(o.Prefix, "-_.:"):
		return o, fmt.Errorf("rabbitmq: the prefix %.80q is not taken; use at most %d letters, digits, %q", o.Prefix, maxPrefix, "-_.:")
	case len(o.Node) > hub.MaxNodeName || !only(o.Node, "-_"):
		return o, fmt.Errorf("rabbitmq: the name of the node %.80q is not taken; use at most %d letters, digits, %q", o.Node, hub.MaxNodeName, "-_")
	case o.Expiry < minExpiry:
		return o, fmt.Errorf("rabbitmq: an expiry of %v is too short; use at least %v", o.Expiry, minExpiry)
	case o.Timeout < 0 || o.PublishWait < 0 || o.MaxPause < 0 || o.Idle < 0:
		return o, fmt.Errorf("rabbitmq: a negative duration is not taken; leave it zero for the default")
	case o.Idle > maxIdle:
		return o, fmt.Errorf("rabbitmq: an idle time of %v is too long; use at most %v", o.Idle, maxIdle)
	case o.PublishWait+o.Timeout > maxWait:
		return o, fmt.Errorf("rabbitmq: a timeout of %v and a wait of %v are too long; use at most %v together", o.Timeout, o.PublishWait, maxWait)
	case o.LogBytes < minLogBytes:
		return o, fmt.Errorf("rabbitmq: logs of %d bytes are too small; use at least %d", o.LogBytes, minLogBytes)
	}
	return o, nil
}

// only tells whether a text is of ASCII letters, digits and some others.
func only(text, others string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r)
	}) < 0
}

// lifetime is how long the numbering of a channel outlives its last use, in microseconds.
func (o *Options) lifetime(r hub.Retention) int64 {
	d := max(r.Age, o.Idle)
	switch {
	case r.Count == 0:
		d = o.Idle
	case r.Age == 0:
		d = forever
	}
	return d.Microseconds()
}
