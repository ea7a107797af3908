// What a broker is made with.

package nats

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/ringdown/ringdown/hub"
)

// Options say which servers there are and how they are used. All but URL, or InProcess in its place, may be left zero.
type Options struct {
	// URL is where the servers of a NATS cluster are; [Parse] says how it is written.
	URL string

	// InProcess is a server in this process that is connected to without a network, instead of URL. Package embedded makes one.
	InProcess nats.InProcessConnProvider

	// TLS is used with the schemes that say so, instead of the system's roots and the server's name.
	TLS *tls.Config

	// Prefix begins the names of all subjects and streams. Deployments that share a server need one each. At most 32 letters, digits,
	// "-" and "_"; "ringdown" by default.
	Prefix string

	// Node is this node's name, unique among those that live, as [hub.Cluster] wants it. By default it is made up.
	Node string

	// Replicas is on how many servers of the cluster everything is stored: 1 to 5; 1 by default. With 3 of them one may be lost, with 2 none, but
	// what is stored survives the loss of a disk.
	Replicas int

	// Memory has the servers store in memory instead of on disk. What was there is lost when they end.
	Memory bool

	// MaxCount is how many messages are kept of a channel at most, whatever its rule says, 10,000 by default. It must be the same on
	// all nodes, like MaxAge.
	MaxCount int

	// MaxAge is for how long anything is kept of a channel, whatever its rule says, 7 days by default. It is at least an hour.
	MaxAge time.Duration

	// Expiry is after how long without a sign of life a node is dead and its members leave, 30 s by default. A sign is given three times
	// as often. It must be the same on all nodes.
	Expiry time.Duration

	// Timeout is how long one answer of a server may take, 5 s by default. A server that has not said anything for about as long is given up.
	Timeout time.Duration

	// PublishWait is how long Publish tries again while no server does it. By default it fails at once.
	PublishWait time.Duration

	// StartWait is how long Start waits for servers that do not store yet, as those of a cluster of which most are still missing: four times
	// Timeout by default.
	StartWait time.Duration

	// MaxPause is the longest pause between attempts to connect, 2 s by default. Each is random, so that the nodes do not all come at once.
	MaxPause time.Duration

	// Log takes what an operator should know. By default nothing is logged.
	Log *slog.Logger
}

// Bounds and defaults.
const (
	defaultPrefix   = "ringdown"
	defaultMaxCount = 10_000
	defaultMaxAge   = 7 * 24 * time.Hour
	minMaxAge       = time.Hour
	defaultExpiry   = 30 * time.Second
	minExpiry       = time.Second
	defaultTimeout  = 5 * time.Second
	defaultMaxPause = 2 * time.Second
	maxPrefix       = 32
	maxReplicas     = 5
)

// filled returns the options with their defaults.
func (o Options) filled() (Options, error) {
	o.Prefix = cmp.Or(o.Prefix, defaultPrefix)
	o.Node = cmp.Or(o.Node, hub.NewEpoch())
	o.Replicas = cmp.Or(o.Replicas, 1)
	o.MaxCount = cmp.Or(o.MaxCount, defaultMaxCount)
	o.MaxAge = cmp.Or(o.MaxAge, defaultMaxAge)
	o.Expiry = cmp.Or(o.Expiry, defaultExpiry)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.StartWait = cmp.Or(o.StartWait, 4*o.Timeout)
	o.MaxPause = cmp.Or(o.MaxPause, defaultMaxPause)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case len(o.Prefix) > maxPrefix || !plain(o.Prefix):
		return o, fmt.Errorf("nats: the prefix %.80q is not taken; use at most %d letters, digits, %q", o.Prefix, maxPrefix, "-_")
	case len(o.Node) > hub.MaxNodeName || !plain(o.Node):
		return o, fmt.Errorf("nats: the name of the node %.80q is not taken; use at most %d letters, digits, %q", o.Node, hub.MaxNodeName, "-_")
	case o.Replicas < 1 || o.Replicas > maxReplicas:
		return o, fmt.Errorf("nats: %d replicas are not taken; use 1 to %d", o.Replicas, maxReplicas)
	case o.MaxCount < 1:
		return o, fmt.Errorf("nats: a channel of at most %d messages is not taken; keep at least one", o.MaxCount)
	case o.MaxAge < minMaxAge:
		return o, fmt.Errorf("nats: to keep everything for at most %v is too short; use at least %v", o.MaxAge, minMaxAge)
	case o.Expiry < minExpiry:
		return o, fmt.Errorf("nats: an expiry of %v is too short; use at least %v", o.Expiry, minExpiry)
	case o.Timeout < 0 || o.PublishWait < 0 || o.StartWait < 0 || o.MaxPause < 0:
		return o, fmt.Errorf("nats: a negative duration is not taken; leave it zero for the default")
	}
	return o, nil
}

// plain tells whether a text is of ASCII letters, digits, "-" and "_" alone.
func plain(text string) bool {
	return text != "" && strings.IndexFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
}
