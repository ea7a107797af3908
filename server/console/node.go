// The node, its fellows, its configuration, and how it is told to go.

package console

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Node is what a server knows of itself.
type Node struct {
	Name     string // "" if it has none
	Version  string // of the program
	Started  time.Time
	Dev      bool
	Draining bool // it is about to go, and takes nobody new

	Broker      string // its kind: memory, redis, …
	BrokerError error  // why it cannot be used now; nil if it can

	MaxSessions      int
	MaxSubscriptions int // of one session
	MaxMessage       int // bytes
	OutboxBytes      int // that may wait for one client
	HistoryBytes     int // of all channels; 0 if another than this node holds them
}

type nodeAnswer struct {
	Name          string  `json:"name"`
	Version       string  `json:"version"`
	Go            string  `json:"go"`
	Started       stamp   `json:"started"`
	UptimeSeconds float64 `json:"uptime_seconds"`
	Dev           bool    `json:"dev"`
	Draining      bool    `json:"draining"`
	CanDrain      bool    `json:"can_drain"` // POST drain does something
	Broker        broker  `json:"broker"`
	Limits        limits  `json:"limits"`
}

type broker struct {
	Kind  string `json:"kind"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

type limits struct {
	Sessions      int `json:"sessions"`
	Subscriptions int `json:"subscriptions"`
	MessageBytes  int `json:"message_bytes"`
	OutboxBytes   int `json:"outbox_bytes"`
	HistoryBytes  int `json:"history_bytes"`
}

func (c *Handler) node(r *request) (any, error) {
	if _, err := r.parameters(); err != nil {
		return nil, err
	}
	var n Node
	if c.options.Node != nil {
		n = c.options.Node(r.Context())
	}
	answer := nodeAnswer{
		Name: n.Name, Version: n.Version, Go: runtime.Version(), Started: stamp{n.Started}, UptimeSeconds: seconds(time.Since(n.Started)),
		Dev: n.Dev, Draining: n.Draining, CanDrain: c.options.Drain != nil, Broker: broker{Kind: n.Broker, OK: n.BrokerError == nil},
		Limits: limits{n.MaxSessions, n.MaxSubscriptions, n.MaxMessage, n.OutboxBytes, n.HistoryBytes},
	}
	if n.BrokerError != nil {
		answer.Broker.Error = redacted(n.BrokerError.Error())
	}
	return answer, nil
}

// seconds is a time in seconds, to the millisecond.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// Peer is a node of the cluster.
type Peer struct {
	Name          string
	Self          bool // it is the node that is asked
	Version       string
	Started       time.Time // zero if it is not known
	Heard         time.Time // when it last gave a sign of life; zero if it is not known
	Health        Health
	Sessions      int
	Channels      int
	Subscriptions int
	Publications  uint64 // since its start
	Deliveries    uint64 // since its start
}

// Health is how it stands with a node.
type Health string

// How it may stand.
const (
	Well     Health = "ok"
	Leaving  Health = "draining"
	NoAnswer Health = "silent" // it has not answered, or not been heard of
)

type peerAnswer struct {
	Name          string `json:"name"`
	Self          bool   `json:"self"`
	Version       string `json:"version"`
	Started       *stamp `json:"started"`
	Heard         *stamp `json:"heard"`
	Health        Health `json:"health"`
	Sessions      int    `json:"sessions"`
	Channels      int    `json:"channels"`
	Subscriptions int    `json:"subscriptions"`
	Publications  uint64 `json:"publications"`
	Deliveries    uint64 `json:"deliveries"`
}

type nodesAnswer struct {
	Nodes      []peerAnswer `json:"nodes"`      // by name
	Incomplete []string     `json:"incomplete"` // nodes that have not answered; "*" if it is not known which there are
}

func (c *Handler) nodes(r *request) (any, error) {
	if _, err := r.parameters(); err != nil {
		return nil, err
	}
	var all []Peer
	var missing []string
	if c.options.Nodes != nil {
		all, missing = c.options.Nodes(r.Context())
	} else {
		all = []Peer{c.self(r)}
	}
	slices.SortFunc(all, func(x, y Peer) int { return strings.Compare(x.Name, y.Name) })
	answer := nodesAnswer{Nodes: []peerAnswer{}, Incomplete: append([]string{}, missing...)}
	for _, p := range all {
		answer.Nodes = append(answer.Nodes, peerAnswer{p.Name, p.Self, p.Version, stampOf(p.Started), stampOf(p.Heard), p.Health,
			p.Sessions, p.Channels, p.Subscriptions, p.Publications, p.Deliveries})
	}
	return answer, nil
}

// stampOf is a time, or nil for the zero time.
func stampOf(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	return &stamp{t}
}

// self is the node that is by itself.
func (c *Handler) self(r *request) Peer {
	now := c.hub.Stats()
	p := Peer{Self: true, Heard: time.Now(), Health: Well, Sessions: c.hub.Sessions(), Channels: now.Channels, Subscriptions: now.Subscriptions,
		Publications: now.Publications, Deliveries: now.Deliveries + now.CaughtUp}
	if c.options.Node != nil {
		n := c.options.Node(r.Context())
		p.Name, p.Version, p.Started = n.Name, n.Version, n.Started
		if n.Draining {
			p.Health = Leaving
		}
	}
	return p
}

// Value is a key of the configuration as it holds.
type Value struct {
	Key    string
	Value  string // as it is written in YAML; secrets are hidden
	Source string // "default", or where it stands: "ringdown.yaml:12", "RINGDOWN_DEV", "--dev"
}

type valueAnswer struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"` // default, file, environment or flag
	Where  string `json:"where"`  // the line of the file, the variable or the flag; "" for a default
}

type configAnswer struct {
	Values []valueAnswer `json:"values"`
}

func (c *Handler) config(r *request) (any, error) {
	if _, err := r.parameters(); err != nil {
		return nil, err
	}
	answer := configAnswer{Values: []valueAnswer{}}
	if c.options.Values != nil {
		for _, v := range c.options.Values() {
			source, where := sourceOf(v.Source)
			answer.Values = append(answer.Values, valueAnswer{v.Key, v.Value, source, where})
		}
	}
	return answer, nil
}

// sourceOf is the kind of a source, and which one it is.
func sourceOf(source string) (kind, where string) {
	switch {
	case source == "default" || source == "":
		return "default", ""
	case strings.HasPrefix(source, "--"):
		return "flag", source
	case strings.HasPrefix(source, "RINGDOWN_"):
		return "environment", source
	}
	return "file", source
}

type drainAnswer struct {
	Draining bool `json:"draining"`
}

func (c *Handler) drain(r *request) (any, error) {
	if _, err := r.parameters(); err != nil {
		return nil, err
	}
	var asked struct{}
	if err := r.read(&asked); err != nil {
		return nil, err
	}
	if c.options.Drain == nil {
		return nil, hub.Errorf(hub.Unavailable, "this node is stopped by the program that it is a part of, not from here")
	}
	c.did(r, "drain was asked for")
	c.options.Drain()
	return drainAnswer{true}, nil
}
