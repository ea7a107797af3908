// What a broker is made with.

package redis

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Options say which servers there are and how they are used. All but URL may be left zero.
type Options struct {
	// URL is where the servers are; [Parse] says how it is written. Several, separated by spaces, share the channels.
	URL string

	// TLS is used with the schemes that say so, instead of the system's roots and the server's name.
	TLS *tls.Config

	// Prefix begins the name of everything that is kept. Deployments that share a server need one each. At most 64 letters, digits,
	// "-", "_", "." and ":"; "ringdown" by default.
	Prefix string

	// Node is this node's name, unique among those that live, as [hub.Cluster] wants it. By default it is made up.
	Node string

	// Expiry is after how long without a sign of life a node is dead and its members leave, 30 s by default. A sign is given three times
	// as often. It must be the same on all nodes.
	Expiry time.Duration

	// Timeout is how long one answer of a server may take, 5 s by default. A server that has not said anything for about as long is given up.
	Timeout time.Duration

	// PublishWait is how long Publish tries again while no server does it. By default it fails at once.
	PublishWait time.Duration

	// MaxPause is the longest pause between attempts to connect, 2 s by default. Each is random, so that the nodes do not all come at once.
	MaxPause time.Duration

	// Idle is how long the numbering of a channel that keeps nothing outlives its last use, 10 min by default. It is at most a day.
	Idle time.Duration

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
	maxPrefix       = 64
)

// filled returns the options with their defaults.
func (o Options) filled() (Options, error) {
	o.Prefix = cmp.Or(o.Prefix, defaultPrefix)
	o.Node = cmp.Or(o.Node, hub.NewEpoch())
	o.Expiry = cmp.Or(o.Expiry, defaultExpiry)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.MaxPause = cmp.Or(o.MaxPause, defaultMaxPause)
	o.Idle = cmp.Or(o.Idle, defaultIdle)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case len(o.Prefix) > maxPrefix || !only(o.Prefix, "-_.:"):
		return o, fmt.Errorf("redis: the prefix %.80q is not taken; use at most %d letters, digits, %q", o.Prefix, maxPrefix, "-_.:")
	case len(o.Node) > hub.MaxNodeName || !only(o.Node, "-_"):
		return o, fmt.Errorf("redis: the name of the node %.80q is not taken; use at most %d letters, digits, %q", o.Node, hub.MaxNodeName, "-_")
	case o.Expiry < minExpiry:
		return o, fmt.Errorf("redis: an expiry of %v is too short; use at least %v", o.Expiry, minExpiry)
	case o.Timeout < 0 || o.PublishWait < 0 || o.MaxPause < 0 || o.Idle < 0:
		return o, fmt.Errorf("redis: a negative duration is not taken; leave it zero for the default")
	case o.Idle > maxIdle:
		return o, fmt.Errorf("redis: an idle time of %v is too long; use at most %v", o.Idle, maxIdle)
	}
	return o, nil
}

// only tells whether a text is of ASCII letters, digits and some others.
func only(text, others string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r)
	}) < 0
}

// lifetime is how long the keys of a channel outlive its last use.
func (o *Options) lifetime(r hub.Retention) time.Duration {
	switch {
	case r.Count == 0:
		return o.Idle
	case r.Age == 0:
		return forever
	}
	return max(r.Age, o.Idle)
}
