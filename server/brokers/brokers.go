// Package brokers opens the broker that a configuration names. It is the one place that knows which there are: another one is a line in
// the table of schemes.
package brokers

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ringdown/ringdown/broker/nats"
	"github.com/ringdown/ringdown/broker/rabbitmq"
	"github.com/ringdown/ringdown/broker/redis"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/config"
)

// Shared is a broker between nodes.
type Shared interface {
	hub.Broker
	hub.Cluster
	// Health is nil while the broker can be used; otherwise it tells what is wrong, without secrets. It does not wait.
	Health() error
}

// Broker is one that was opened, and how it is watched. It is not started: the hub does that.
type Broker struct {
	Shared
	Name  string // of its kind, as "redis"
	Stats func() Stats
}

// PublishSeries implements [hub.Series], as far as the broker does.
func (b *Broker) PublishSeries(ctx context.Context, all []*hub.Publication, s hub.Storing) ([]hub.Published, error) {
	return hub.PublishSeries(ctx, b.Shared, all, s)
}

// Stats are what all brokers between nodes tell of themselves. Counters are since the broker was made.
type Stats struct {
	Links      int           // connections over which publications come, or should
	Connected  int           // of these, that are in place
	Waiting    int           // messages that have come and are not handed to the hub yet
	Publishing int64         // publications under way
	Latency    time.Duration // of one call, lately
	Published  uint64        // publications that the broker has taken
	Failed     uint64        // that it has not
	Retried    uint64        // attempts beyond the first
	Reconnects uint64        // connections that were made anew
	Interrupts uint64        // times that something may have been missed
}

// opener makes a broker. Its errors hold no password.
type opener func(c *config.Broker, log *slog.Logger) (*Broker, error)

// schemes are the brokers by the scheme of an address, up to a "+".
var schemes = map[string]opener{
	"redis": openRedis, "rediss": openRedis, "valkey": openRedis, "valkeys": openRedis,
	"nats": openNATS, "tls": openNATS,
	"amqp": openRabbitMQ, "amqps": openRabbitMQ,
}

// Schemes are those that Open takes, sorted.
func Schemes() []string { return slices.Sorted(maps.Keys(schemes)) }

// Open makes the broker at c.URL, which must be one between nodes, or that of the nodes' own servers, of which it starts this node's.
func Open(c *config.Broker, log *slog.Logger) (*Broker, error) {
	if c.Embedded.On() {
		return openEmbedded(c, log)
	}
	scheme, _, found := strings.Cut(strings.TrimSpace(c.URL), "://")
	if !found || strings.ContainsAny(scheme, ":@") { // it may be a password
		return nil, fmt.Errorf("broker.url: it has no scheme; use memory, or begin it with one of %s://", strings.Join(Schemes(), "://, "))
	}
	scheme, _, _ = strings.Cut(scheme, "+")
	open := schemes[scheme]
	if open == nil {
		return nil, fmt.Errorf("broker.url: there is no broker for %.20s://; use memory, or one of %s://", scheme, strings.Join(Schemes(), "://, "))
	}
	b, err := open(c, log)
	if err != nil {
		return nil, fmt.Errorf("broker.url: %w", err)
	}
	return b, nil
}

// Ready is a check of readiness, in words that anybody may read: addresses are in the log alone.
func (b *Broker) Ready(context.Context) error {
	if b.Health() == nil {
		return nil
	}
	return fmt.Errorf("%s is away or does not answer; the log says more", b.Name)
}

func openRedis(c *config.Broker, log *slog.Logger) (*Broker, error) {
	b, err := redis.New(redis.Options{URL: c.URL, Prefix: c.Prefix, Node: c.Node, Timeout: c.Timeout, PublishWait: c.PublishWait,
		Expiry: c.NodeTimeout, Log: log})
	if err != nil {
		return nil, err
	}
	return &Broker{b, "redis", func() Stats {
		n := b.Stats()
		return Stats{Links: n.Links, Connected: n.Connected, Waiting: n.Waiting, Publishing: n.Publishing, Latency: n.Latency,
			Published: n.Published, Failed: n.Failed, Retried: n.Retries, Reconnects: n.Reconnects, Interrupts: n.Interrupted}
	}}, nil
}

func openRabbitMQ(c *config.Broker, log *slog.Logger) (*Broker, error) {
	b, err := rabbitmq.New(rabbitmq.Options{URL: c.URL, Prefix: c.Prefix, Node: c.Node, Timeout: c.Timeout, PublishWait: c.PublishWait,
		Expiry: c.NodeTimeout, LogBytes: int(c.RabbitMQ.LogBytes), Log: log})
	if err != nil {
		return nil, err
	}
	return &Broker{b, "rabbitmq", func() Stats {
		n := b.Stats()
		return Stats{Links: n.Logs, Connected: n.Following, Publishing: n.Publishing, Latency: n.Latency,
			Published: n.Published, Failed: n.Failed, Reconnects: n.Reconnects, Interrupts: n.Interrupted}
	}}, nil
}

func openNATS(c *config.Broker, log *slog.Logger) (*Broker, error) {
	b, err := newNATS(c, nats.Options{URL: c.URL, Node: c.Node}, log)
	if err != nil {
		return nil, err
	}
	return natsBroker(b, b), nil
}

// newNATS makes a broker with what the configuration says beside the server and the name of the node.
func newNATS(c *config.Broker, o nats.Options, log *slog.Logger) (*nats.Broker, error) {
	o.Prefix, o.Timeout, o.PublishWait, o.Expiry, o.Log = c.Prefix, c.Timeout, c.PublishWait, c.NodeTimeout, log
	o.Replicas, o.MaxCount, o.MaxAge = cmp.Or(c.NATS.Replicas, o.Replicas), c.NATS.MaxCount, c.NATS.MaxAge
	return nats.New(o)
}

// natsBroker is b, which is watched, as the hub uses it.
func natsBroker(b *nats.Broker, used Shared) *Broker {
	return &Broker{used, "nats", func() Stats {
		n := b.Stats()
		stats := Stats{Links: 1, Waiting: n.Waiting, Publishing: n.Publishing, Latency: n.Latency, Published: n.Published, Failed: n.Failed,
			Retried: n.Retries, Reconnects: n.Reconnects, Interrupts: n.Interrupted}
		if n.Connected {
			stats.Connected = 1
		}
		return stats
	}}
}
