// A server's part of the channels: all of them, or in a cluster those of one slot.

package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// shard is a server: one, a cluster, or a master with sentinels.
type shard struct {
	broker     *Broker
	server     Server
	client     rueidis.Client
	sharded    bool   // it has sharded Pub/Sub, and slots for it
	publish    string // the command that publishes
	partitions []*partition
	health     health
}

// partition is one of its parts.
type partition struct {
	broker *Broker
	shard  *shard
	names  names
	link   *link

	present presence
	pulse   pulse
	census  census // where it is home
}

// connect reaches the server, which must answer.
func (b *Broker) connect(ctx context.Context, server Server) (*shard, error) {
	client, err := rueidis.NewClient(b.clientOptions(server))
	if err != nil {
		return nil, fmt.Errorf("redis: %s cannot be reached; see that it runs and that the URL is right: %w", server.name(), err)
	}
	s := &shard{broker: b, server: server, client: client, publish: "PUBLISH"}
	n := 1
	if server.Kind == Cluster {
		n = clusterPartitions
		s.sharded, err = hasSharded(client.Do(ctx, client.B().Arbitrary("COMMAND", "INFO", "spublish").Build()))
		if err != nil {
			client.Close()
			return nil, fmt.Errorf("redis: %s does not tell whether it has sharded Pub/Sub: %w", server.name(), err)
		}
		if s.sharded {
			s.publish = "SPUBLISH"
		}
	}
	for i := range n {
		p := &partition{broker: b, shard: s, names: newNames(b.options.Prefix, i, server.DB)}
		p.link = newLink(p)
		p.present.init(p)
		s.partitions = append(s.partitions, p)
	}
	return s, nil
}

// hasSharded tells whether a cluster has sharded Pub/Sub. A node that took no answer for no would not be heard by the others, nor hear them.
func hasSharded(answer rueidis.RedisResult) (bool, error) {
	info, err := answer.ToArray()
	if _, refused := rueidis.IsRedisErr(err); err != nil && !refused {
		return false, err
	}
	return err == nil && len(info) == 1 && !info[0].IsNil(), nil
}

func (b *Broker) clientOptions(server Server) rueidis.ClientOption {
	o := rueidis.ClientOption{
		InitAddress:       server.Addresses,
		Username:          server.User,
		Password:          server.Password,
		SelectDB:          server.DB,
		ClientName:        "ringdown-" + b.options.Node,
		ClientSetInfo:     rueidis.DisableClientSetInfo,
		ConnWriteTimeout:  b.options.Timeout,
		ForceSingleClient: server.Kind == Single,
		DisableCache:      true,
		DisableRetry:      true, // we know ourselves what may be tried again
		// An entry in the ring of each connection is a command on its way; the buffers serve thousands of them.
		ReadBufferEachConn:  64 << 10,
		WriteBufferEachConn: 64 << 10,
	}
	o.Dialer.Timeout = b.options.Timeout
	o.Dialer.KeepAlive = time.Second
	if server.Kind == Cluster {
		o.ClusterOption.ShardsRefreshInterval = max(b.options.Timeout, time.Second)
	}
	if server.Secure {
		o.TLSConfig = tlsFor(b.options.TLS, server)
	}
	if server.Kind == Sentinel {
		o.Sentinel = rueidis.SentinelOption{MasterSet: server.Master, Username: server.SentinelUser, Password: server.SentinelPassword,
			TLSConfig: o.TLSConfig, TopologyRefreshInterval: max(b.options.Timeout, time.Second)}
	}
	return o
}

// eval runs a script, for at most Options.Timeout.
func (s *shard) eval(ctx context.Context, script *rueidis.Lua, keys, args []string) rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, s.broker.options.Timeout)
	defer cancel()
	return script.Exec(ctx, s.client, keys, args)
}

// question asks where a channel is.
type question struct {
	channel   string
	retention hub.Retention
	seen      place
	twice     bool // seen is of a numbering that is given twice
}

// ask asks for the positions of subscriptions, and has them know.
func (p *partition) ask(all []*subscription) error {
	if len(all) == 0 {
		return nil
	}
	questions := make([]question, len(all))
	for i, s := range all {
		questions[i] = s.question()
	}
	places, err := p.places(p.broker.ctx, questions)
	if err != nil {
		return err
	}
	for i, s := range all {
		s.answered(questions[i].seen, places[i])
	}
	return nil
}

// places asks where channels are.
func (p *partition) places(ctx context.Context, questions []question) ([]place, error) {
	keys := make([]string, 0, 2*len(questions))
	args := make([]string, 0, 6*len(questions))
	for _, q := range questions {
		keys = append(keys, p.names.numbering(q.channel), p.names.list(q.channel))
		args = append(args, hub.NewEpoch(), milliseconds(p.broker.options.lifetime(q.retention)), q.seen.Epoch,
			strconv.FormatUint(q.seen.Offset, 10), strconv.FormatInt(q.seen.time, 10), flag(q.twice))
	}
	answers, err := p.shard.eval(ctx, positionScript, keys, args).AsStrSlice()
	if err != nil {
		return nil, err
	}
	if len(answers) != len(questions) {
		return nil, fmt.Errorf("%d positions were asked for, %d were answered", len(questions), len(answers))
	}
	places := make([]place, len(answers))
	for i, answer := range answers {
		if places[i], err = parsePlace(answer); err != nil {
			return nil, err
		}
	}
	return places, nil
}

func parsePlace(text string) (place, error) {
	at, when, rest, err := wire.CutPosition([]byte(text))
	if err != nil {
		return place{}, fmt.Errorf("the server answers with the position %.60q: %w", text, err)
	}
	if len(rest) > 0 {
		return place{}, fmt.Errorf("the server answers with the position %.60q, and something after it", text)
	}
	return place{at, when.UnixMicro()}, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }

func flag(set bool) string {
	if set {
		return "1"
	}
	return "0"
}

// verify compares where subscribed channels are with what came of them, and keeps their numberings from expiring.
func (p *partition) verify(ctx context.Context) error {
	all := p.link.all()
	for len(all) > 0 {
		some := all[:min(batch, len(all))]
		all = all[len(some):]
		questions := make([]question, len(some))
		for i, s := range some {
			questions[i] = s.question()
		}
		places, err := p.places(ctx, questions)
		if err != nil {
			return err
		}
		for i, s := range some {
			s.looked(questions[i].seen, places[i])
		}
	}
	return nil
}
