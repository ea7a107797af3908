// The broker: its life, and the part of hub.Broker that is no more than finding the right partition.

package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Broker implements [hub.Broker] and [hub.Cluster]. Make one with New.
type Broker struct {
	options Options
	servers []Server // by name, so that all nodes see them in the same order
	seeds   []uint64 // of the servers
	owner   string   // this run of the node; members belong to it
	started atomic.Bool
	closed  atomic.Bool
	stopped atomic.Bool // no sign of life is given, as tests have it

	// What follows is made by Start.
	sink    hub.Sink
	shards  []*shard
	lanes   []*lane
	ctx     context.Context // until Close
	cancel  context.CancelFunc
	hearing chan struct{}  // closed once other nodes are heard for the first time
	working sync.WaitGroup // goroutines, and calls that are under way
	handing sync.WaitGroup // goroutines of lanes

	mu     sync.RWMutex // guards what follows; held by Start
	ending bool         // no more calls begin

	announced atomic.Pointer[[]byte]
	counters  counters
}

var (
	_ hub.Broker  = (*Broker)(nil)
	_ hub.Cluster = (*Broker)(nil)
)

// New returns a broker that is not connected yet. The error says which option is not taken.
func New(o Options) (*Broker, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	servers, err := Parse(o.URL)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(servers, func(a, b Server) int { return cmp.Compare(a.name(), b.name()) })
	b := &Broker{options: o, servers: servers, owner: o.Node + "." + hub.NewEpoch(), hearing: make(chan struct{})}
	for _, s := range servers {
		b.seeds = append(b.seeds, hash(s.name()))
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b, nil
}

// Start implements [hub.Broker]: it fails if a server does not answer, or does not let its user do what is needed.
func (b *Broker) Start(sink hub.Sink) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started.Swap(true) || b.closed.Load() {
		return errors.New("redis: the broker was started before; give each hub a broker of its own")
	}
	b.sink = sink
	for range min(maxLanes, runtime.GOMAXPROCS(0)) {
		l := newLane()
		b.lanes = append(b.lanes, l)
		b.handing.Go(l.run)
	}
	err := b.reach()
	if err == nil {
		err = b.listen()
	}
	if err != nil {
		b.cancel()
		b.working.Wait()
		b.end()
		return err
	}
	for _, s := range b.shards {
		for _, p := range s.partitions {
			b.working.Go(p.keepBeating)
		}
	}
	return nil
}

// reach connects to all servers, and has each hear of this node.
func (b *Broker) reach() error {
	ctx, cancel := context.WithTimeout(b.ctx, 2*b.options.Timeout)
	defer cancel()
	for _, server := range b.servers {
		s, err := b.connect(ctx, server)
		if err != nil {
			return err
		}
		b.shards = append(b.shards, s)
		if err := s.greet(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close implements [hub.Broker]: it tells the servers that this node goes, if they answer soon, and ends the connections.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.ending || !b.started.Load() {
		b.ending = true
		b.closed.Store(true)
		b.mu.Unlock()
		return nil
	}
	b.ending = true
	b.mu.Unlock()
	b.closed.Store(true)
	b.cancel()
	b.working.Wait()
	b.farewell()
	b.end()
	return nil
}

// end ends what hands on, and the connections.
func (b *Broker) end() {
	for _, l := range b.lanes {
		l.close()
	}
	b.handing.Wait()
	for _, s := range b.shards {
		s.client.Close()
	}
}

// Remote implements [hub.Broker].
func (b *Broker) Remote() bool { return true }

// enter begins a call, which must leave; ctx ends with the broker.
func (b *Broker) enter(ctx context.Context) (inner context.Context, leave func(), err error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.ending || len(b.shards) == 0 {
		return nil, nil, hub.Errorf(hub.Unavailable, "the broker is closed because the server shuts down; try again when it is back")
	}
	b.working.Add(1)
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(b.ctx, cancel)
	return inner, func() {
		stop()
		cancel()
		b.working.Done()
	}, nil
}

// unavailable is the error of what a server did not do. maybe tells that it may have been done all the same.
func (b *Broker) unavailable(err error, what string, maybe bool) error {
	switch {
	case b.closed.Load():
		return hub.Errorf(hub.Unavailable, "cannot %s, because the server shuts down; try again when it is back: %w", what, err)
	case maybe:
		return hub.Errorf(hub.Unavailable, "Redis was asked to %s and has not answered, so nobody knows whether it is done; "+
			"ask again where twice does no harm, or with an idempotency key: %w", what, err)
	}
	return hub.Errorf(hub.Unavailable, "Redis cannot %s now; try again: %w", what, err)
}

// lane is where what comes for a channel is queued.
func (b *Broker) lane(channel string) *lane {
	return b.lanes[mix(hash(channel)+1)%uint64(len(b.lanes))]
}

// unreadable counts a message that no node of ours has sent.
func (b *Broker) unreadable(channel string) {
	if b.counters.unreadable.Add(1) == 1 {
		b.options.Log.Error("redis: a message cannot be read; something else publishes under our prefix, or a later version does", "channel", channel)
	}
}

// Subscribe implements [hub.Broker]. It waits for at most Options.Timeout.
func (b *Broker) Subscribe(ctx context.Context, channel string, r hub.Retention) (hub.Position, error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Position{}, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, b.options.Timeout)
	defer cancel()
	p := b.partition(channel)
	s := p.link.subscribe(channel, r)
	select {
	case <-s.begun:
		return s.position(), nil
	case <-ctx.Done():
	}
	select {
	case <-s.begun: // both at once
		return s.position(), nil
	default:
		p.link.unsubscribe(channel, s)
		return hub.Position{}, b.unavailable(ctx.Err(), "subscribe", false)
	}
}

// Unsubscribe implements [hub.Broker].
func (b *Broker) Unsubscribe(channel string) {
	_, leave, err := b.enter(context.Background())
	if err != nil {
		return
	}
	defer leave()
	b.partition(channel).link.unsubscribe(channel, nil)
}

// insist repeats what only reads, for about Options.Timeout: after an outage each connection finds out for itself that it is broken,
// and to be told so just when history is to heal what was missed would be a gap for nothing.
func (b *Broker) insist(ctx context.Context, read func() error) error {
	began, pause := time.Now(), firstRetry
	for {
		err := read()
		if err == nil || ctx.Err() != nil || !passing(err) || time.Since(began)+pause > b.options.Timeout || !jitter(ctx, pause) {
			return err
		}
		pause = min(2*pause, maxRetry)
	}
}

// jitter waits for a random time of at most pause, and reports whether ctx goes on.
func jitter(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(rand.N(pause)):
		return true
	case <-ctx.Done():
		return false
	}
}

// tlsFor is the configuration for a server over TLS.
func tlsFor(given *tls.Config, server Server) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if given != nil {
		c = given.Clone()
	}
	c.InsecureSkipVerify = c.InsecureSkipVerify || server.InsecureSkipVerify
	return c
}
