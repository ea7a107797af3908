// What nodes have to do with each other beside publications: the registry, messages, and the small store.

package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// everybody is the name under which all nodes listen; no node has it.
const everybody = ""

// home is the partition whose registry is the one that is told, and over which nodes talk.
func (b *Broker) home() *partition { return b.shards[0].partitions[0] }

// listen has what other nodes say handed to the sink, and waits until they can be heard: whoever asks them something earlier would not hear
// the answer.
func (b *Broker) listen() error {
	to, ok := b.sink.(hub.ClusterSink)
	if !ok {
		return nil
	}
	own, all := &ear{b, to, false}, &ear{b, to, true}
	b.home().link.listen(map[string]target{controlMark + b.options.Node: own, controlMark + everybody: all})
	select {
	case <-b.hearing:
		return nil
	case <-time.After(2 * b.options.Timeout):
		return fmt.Errorf("redis: %s does not let this node listen to others; see what docs/brokers.md says its user must be allowed", b.shards[0].server.name())
	}
}

// hears notes that this node hears the others. It may have missed something if it did before.
func (b *Broker) hears() {
	select {
	case <-b.hearing:
		b.unheard()
	default:
		close(b.hearing)
	}
}

// unheard tells the sink, in order with what other nodes say.
func (b *Broker) unheard() {
	if to, ok := b.sink.(hub.ClusterSink); ok {
		b.lanes[0].add(item{silence{to}, ""})
	}
}

// silence is a target that stands for what was not heard.
type silence struct{ hub.ClusterSink }

// receive implements target.
func (s silence) receive(string) { s.Unheard() }

// ear is what listens under one name.
type ear struct {
	broker    *Broker
	sink      hub.ClusterSink
	everybody bool
}

// receive implements target.
func (e *ear) receive(message string) {
	if message == "" { // a greeting
		return
	}
	from, body, err := wire.DecodeMessage([]byte(message))
	if err != nil {
		e.broker.unreadable("of nodes")
		return
	}
	if e.everybody && from == e.broker.options.Node {
		return
	}
	e.sink.Told(from, body)
}

// Node implements [hub.Cluster].
func (b *Broker) Node() string { return b.options.Node }

// Tell implements [hub.Cluster].
func (b *Broker) Tell(ctx context.Context, node string, message []byte) error {
	if len(message) > hub.MaxMessage {
		return hub.Errorf(hub.TooLarge, "a message to other nodes has %d bytes; at most %d are taken", len(message), hub.MaxMessage)
	}
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := b.home().send(ctx, node, wire.AppendMessage(nil, b.options.Node, message)); err != nil {
		return b.unavailable(err, "tell other nodes", ambiguous(err))
	}
	return nil
}

// send publishes to a node, or to everybody.
func (p *partition) send(ctx context.Context, node string, message []byte) error {
	return p.shard.eval(ctx, tellScript, []string{p.names.registry()}, []string{p.names.node(node), p.shard.publish, rueidis.BinaryString(message)}).Error()
}

// Announce implements [hub.Cluster]. It is told with the next heartbeat at the latest.
func (b *Broker) Announce(info []byte) {
	info = info[:min(len(info), hub.MaxNodeInfo)]
	b.announced.Store(&info)
	if ctx, leave, err := b.enter(context.Background()); err == nil {
		go func() {
			defer leave()
			b.home().announce(ctx) // the heartbeat does it again
		}()
	}
}

// announce writes what is announced into the registry.
func (p *partition) announce(ctx context.Context) error {
	info := p.broker.announced.Load()
	if info == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.broker.options.Timeout)
	defer cancel()
	c := p.shard.client
	return c.Do(ctx, c.B().Hset().Key(p.names.announced()).FieldValue().FieldValue(p.broker.owner, rueidis.BinaryString(*info)).Build()).Error()
}

// Nodes implements [hub.Cluster].
func (b *Broker) Nodes(ctx context.Context) ([]hub.Node, error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var nodes []hub.Node
	err = b.insist(ctx, func() (err error) { nodes, err = b.home().registry(ctx); return err })
	if err != nil {
		return nil, b.unavailable(err, "tell which nodes there are", false)
	}
	return nodes, nil
}

func (p *partition) registry(ctx context.Context) ([]hub.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, p.broker.options.Timeout)
	defer cancel()
	c := p.shard.client
	heard, err := c.Do(ctx, c.B().Hgetall().Key(p.names.registry()).Build()).AsStrMap()
	if err != nil {
		return nil, err
	}
	info, err := c.Do(ctx, c.B().Hgetall().Key(p.names.announced()).Build()).AsStrMap()
	if err != nil {
		return nil, err
	}
	newest := make(map[string]hub.Node) // by name: a node that was started again may be there twice
	var last time.Time
	for owner, text := range heard {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || owner == "" {
			continue
		}
		name, _, _ := strings.Cut(owner, ".")
		n := hub.Node{Name: name, Heard: time.UnixMilli(ms)}
		if text, ok := info[owner]; ok {
			n.Info = []byte(text)
		}
		if n.Heard.After(newest[name].Heard) {
			newest[name] = n
		}
		if n.Heard.After(last) {
			last = n.Heard
		}
	}
	nodes := make([]hub.Node, 0, len(newest))
	for _, n := range newest {
		if last.Sub(n.Heard) <= p.broker.options.Expiry { // by the server's clock: somebody lives who was heard last
			nodes = append(nodes, n)
		}
	}
	nodes = p.census.complete(nodes, heard[""], p.broker.options.Expiry)
	slices.SortFunc(nodes, func(a, b hub.Node) int { return cmp.Compare(a.Name, b.Name) })
	return nodes, nil
}

// census remembers the registry. A server that has lost its own has it together again once every node has given a sign of life; until then
// the nodes that were in the last one are told, too: who asks all nodes must know of those from which there is no answer.
type census struct {
	mu       sync.Mutex // guards what follows
	registry string     // its identity, when it was last read
	nodes    []hub.Node // that were in it
	lost     []hub.Node // that were in the one before
	since    time.Time  // when that was found to be gone
}

// complete adds to the nodes of a registry those of the one before, as long as they may come back.
func (c *census) complete(nodes []hub.Node, registry string, expiry time.Duration) []hub.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	if registry != c.registry && len(c.nodes) > 0 {
		c.lost, c.since = c.nodes, time.Now()
	}
	c.registry, c.nodes = registry, slices.Clone(nodes)
	if time.Since(c.since) > expiry {
		c.lost = nil
	}
	for _, before := range c.lost {
		if !slices.ContainsFunc(nodes, func(n hub.Node) bool { return n.Name == before.Name }) {
			nodes = append(nodes, before)
		}
	}
	return nodes
}

// Keep implements [hub.Cluster].
func (b *Broker) Keep(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return hub.Errorf(hub.BadRequest, "the value of %.60q is to be kept for %v; give it a time to live", key, ttl)
	}
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, b.options.Timeout)
	defer cancel()
	p := b.partition(key)
	c := p.shard.client
	set := c.B().Set().Key(p.names.stored(key)).Value(rueidis.BinaryString(value)).PxMilliseconds(max(1, ttl.Milliseconds())).Build()
	if err := c.Do(ctx, set).Error(); err != nil {
		return b.unavailable(err, "keep a value", ambiguous(err))
	}
	return nil
}

// Take implements [hub.Cluster].
func (b *Broker) Take(ctx context.Context, key string) (value []byte, ok bool, err error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, b.options.Timeout)
	defer cancel()
	p := b.partition(key)
	c := p.shard.client
	text, err := c.Do(ctx, c.B().Getdel().Key(p.names.stored(key)).Build()).ToString()
	switch {
	case rueidis.IsRedisNil(err):
		return nil, false, nil
	case err != nil:
		return nil, false, b.unavailable(err, "take a value", ambiguous(err))
	}
	return []byte(text), true, nil
}
