// Package memory is the broker of a single node: what is published goes to this process alone, and what is kept is kept in its
// memory and lost with it, unless it is saved.
//
//	h, err := hub.New(hub.Options{Broker: memory.New(memory.Options{})})
//
// # What it promises
//
// It does what [hub.Broker] says, never waits for anything but other callers of the same channel, and never fails, except with
// [hub.Unavailable] once it is closed. A publication is numbered, kept and delivered under the lock of its channel: two
// channels never wait for each other. Publishing in a channel that keeps nothing allocates nothing, if somebody is subscribed to it.
//
// A channel has a numbering while this node is subscribed to it, while anything of it is kept (publications, idempotency keys,
// presence), and, if its retention keeps publications, for the retention's age after it was last used. After that the next use
// begins a new numbering with an epoch of its own, so a cursor from before recovers nothing rather than something wrong.
//
// What all channels keep together is bounded by [Options.MaxBytes], whatever is published under however many names. What is
// there too much is taken from the channel that was published in least recently, its oldest publication first; before
// that, numberings that keep nothing are forgotten. So [hub.History.Lost] may be more than the retention alone explains, and
// says exactly how much.
//
// [Broker.Save] writes all of this down but presence, and [Broker.Load] takes it over in another process, so that a node can be stopped
// and started again without its clients losing their place.
//
// At most 100,000 idempotency keys are remembered per channel, the newest. Presence is bounded by the sessions of the hub.
package memory

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// DefaultMaxBytes is what [Options.MaxBytes] is when it is left zero.
const DefaultMaxBytes = 256 << 20

// Options are the bounds of a broker.
type Options struct {
	// MaxBytes is about how much memory the publications and keys kept by all channels may take, in bytes. Each publication is charged
	// its payload twice, because an encoding of it is kept with it, and something for its fields; each channel something for itself.
	// It is more where clients of several protocols read a channel, each of which has an encoding of its own: about a payload more
	// for each, and up to six where JSON must escape all of it, as in a text of control characters. 0 means DefaultMaxBytes.
	MaxBytes int
}

// Broker implements [hub.Broker]. Make one with New.
type Broker struct {
	bounds bounds
	sink   hub.Sink
	seed   maphash.Seed
	shards [64]shard
	frozen atomic.Bool // set by Freeze as closed is by Close
	closed atomic.Bool // set before Close takes every channel's lock once; read with one of them

	mu       sync.Mutex // guards what follows
	stop     chan struct{}
	sweeping sync.WaitGroup
}

var _ hub.Broker = (*Broker)(nil)

// shard is a part of the channels, so that those who look channels up seldom meet.
type shard struct {
	mu       sync.RWMutex // taken after a channel's lock
	channels map[string]*channel
	kept     kept
}

// New returns a broker that nothing was published with. It is started by the hub it is given to.
func New(options Options) *Broker {
	b := &Broker{seed: maphash.MakeSeed()}
	b.bounds.max = int64(cmp.Or(max(0, options.MaxBytes), DefaultMaxBytes))
	for i := range b.shards {
		b.shards[i].channels = make(map[string]*channel)
	}
	return b
}

// Start implements [hub.Broker].
func (b *Broker) Start(sink hub.Sink) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stop != nil || b.closed.Load() {
		return errors.New("memory: the broker was started before; give each hub a broker of its own")
	}
	b.sink = sink
	b.stop = make(chan struct{})
	b.sweeping.Go(b.sweeper)
	return nil
}

// Close implements [hub.Broker]: it ends the sweeper, waits for deliveries that have begun, and forgets everything. Later calls
// do nothing.
func (b *Broker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Swap(true) {
		return nil
	}
	if b.stop != nil {
		close(b.stop)
	}
	b.sweeping.Wait()
	for i := range b.shards {
		for _, c := range b.shards[i].all() {
			c.mu.Lock()
			b.drop(c)
			c.mu.Unlock()
		}
	}
	return nil
}

// Remote implements [hub.Broker].
func (b *Broker) Remote() bool { return false }

// use returns the channel with its lock held; nil if there is none and none is to be made.
func (b *Broker) use(name string, create bool) (*channel, error) {
	sh := b.shard(name)
	for {
		c := sh.get(name)
		if c == nil && create {
			c = sh.add(name)
		}
		if c == nil {
			return nil, b.refusal()
		}
		c.mu.Lock()
		if err := b.refusal(); err != nil {
			if b.closed.Load() {
				b.drop(c)
			}
			c.mu.Unlock()
			return nil, err
		}
		if !c.dropped {
			return c, nil
		}
		c.mu.Unlock()
	}
}

// refusal is the error of everything that is asked of a broker that is closed or frozen, or nil.
func (b *Broker) refusal() error {
	if b.closed.Load() || b.frozen.Load() {
		return hub.Errorf(hub.Unavailable, "the broker is closed because the server shuts down; try again when it is back")
	}
	return nil
}

// done ends what use began.
func (b *Broker) done(c *channel, now time.Time) {
	defer c.mu.Unlock()
	b.settle(c, now)
}

func (b *Broker) shard(name string) *shard {
	return &b.shards[maphash.String(b.seed, name)%uint64(len(b.shards))]
}

func (sh *shard) get(name string) *channel {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.channels[name]
}

// add returns the channel, which somebody else may have added meanwhile.
func (sh *shard) add(name string) *channel {
	fresh := newChannel(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if c := sh.channels[name]; c != nil {
		return c
	}
	sh.channels[name] = fresh
	return fresh
}

func (sh *shard) all() []*channel {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	all := make([]*channel, 0, len(sh.channels))
	for _, c := range sh.channels {
		all = append(all, c)
	}
	return all
}

// Publish implements [hub.Broker].
func (b *Broker) Publish(_ context.Context, p *hub.Publication, s hub.Storing) (hub.Published, error) {
	c, err := b.use(p.Channel, s.Count > 0 || s.IdempotencyKey != "")
	if err != nil {
		return hub.Published{}, err
	}
	now := time.Now()
	if c == nil { // nobody hears it, and nothing is kept: not even its number
		p.Epoch, p.Offset, p.Time = hub.NewEpoch(), 1, now
		return hub.Published{Position: p.Position(), Time: now}, nil
	}
	answer := b.publish(c, p, s, now)
	b.evict()
	return answer, nil
}

func (b *Broker) publish(c *channel, p *hub.Publication, s hub.Storing, now time.Time) hub.Published {
	defer b.done(c, now)
	if earlier, ok := c.keys.find(s.IdempotencyKey, now); ok {
		return earlier
	}
	c.number(p, now)
	c.keep(p, s, now)
	if c.subscribed {
		b.sink.Deliver(p)
	}
	return hub.Published{Position: p.Position(), Time: now}
}

// Earlier implements [hub.Broker].
func (b *Broker) Earlier(_ context.Context, name, key string) (hub.Published, error) {
	c, err := b.use(name, false)
	if c == nil {
		return hub.Published{}, err
	}
	now := time.Now()
	defer b.done(c, now)
	earlier, _ := c.keys.find(key, now)
	return earlier, nil
}

// Subscribe implements [hub.Broker].
func (b *Broker) Subscribe(_ context.Context, name string, r hub.Retention) (hub.Position, error) {
	c, err := b.use(name, true)
	if err != nil {
		return hub.Position{}, err
	}
	now := time.Now()
	defer b.done(c, now)
	c.subscribed = true
	c.used(r, now)
	return c.top, nil
}

// Unsubscribe implements [hub.Broker].
func (b *Broker) Unsubscribe(name string) {
	if c, _ := b.use(name, false); c != nil {
		now := time.Now()
		defer b.done(c, now)
		c.subscribed = false
		c.used(c.retention, now)
	}
}

// History implements [hub.Broker].
func (b *Broker) History(_ context.Context, name string, q hub.Query) (hub.History, error) {
	if q.Limit < 1 {
		return hub.History{}, hub.Errorf(hub.BadRequest, "%d publications are asked for; ask for at least one", q.Limit)
	}
	c, err := b.use(name, q.Count > 0)
	if err != nil {
		return hub.History{}, err
	}
	if c == nil {
		return hub.History{Top: hub.Position{Epoch: hub.NewEpoch()}}, nil
	}
	history := b.read(c, q)
	b.evict() // of the place that the channel itself may have taken
	return history, nil
}

func (b *Broker) read(c *channel, q hub.Query) hub.History {
	now := time.Now()
	defer b.done(c, now)
	if q.Count > 0 {
		c.used(q.Retention, now)
	}
	return c.history(q, now)
}

// Join implements [hub.Broker].
func (b *Broker) Join(_ context.Context, name string, m hub.Member) error {
	c, err := b.use(name, true)
	if err != nil {
		return err
	}
	defer b.done(c, time.Now())
	b.join(c, m)
	return nil
}

// Leave implements [hub.Broker].
func (b *Broker) Leave(_ context.Context, name string, m hub.Member) error {
	c, err := b.use(name, false)
	if c == nil {
		return err
	}
	defer b.done(c, time.Now())
	b.leave(c, m.Session)
	return nil
}

// Presence implements [hub.Broker].
func (b *Broker) Presence(_ context.Context, name string, limit int) (hub.Presence, error) {
	c, err := b.use(name, false)
	if c == nil {
		return hub.Presence{}, err
	}
	present := c.present.snapshot()
	b.done(c, time.Now())
	present.Members = first(present.Members, limit)
	return present, nil
}
