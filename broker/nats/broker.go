// The broker: its life, and what every call begins and ends with.

package nats

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ringdown/ringdown/hub"
)

// Broker implements [hub.Broker] and [hub.Cluster]. Make one with New.
type Broker struct {
	options Options
	server  Server
	login   []nats.Option
	names   names
	run     string        // this run of the node; members belong to it
	lease   time.Duration // how long a claim of an idempotency key is respected
	closed  atomic.Bool
	stopped atomic.Bool // no sign of life is given, as tests have it

	// What follows is made by Start.
	sink    hub.Sink
	conn    *nats.Conn
	js      jetstream.JetStream
	streams atomic.Pointer[streams]
	lanes   []*lane
	talk    *lane           // what other nodes say; nil if the sink does not want to hear it
	ctx     context.Context // until Close
	cancel  context.CancelFunc
	working sync.WaitGroup // goroutines, and calls that are under way
	handing sync.WaitGroup // goroutines of lanes
	looking chan struct{}  // all channels are to be looked at, because the connection was lost or a stream is

	mu      sync.RWMutex // guards what follows
	started bool
	ending  bool // no more calls begin

	subscriptions subscriptions
	holding       atomic.Int64 // bytes of messages that subscriptions hold
	writers       writers
	watches       watches
	own           own
	noted         noted
	alive         alive
	announced     atomic.Pointer[[]byte]
	telling       sync.Mutex // held while a message is told in parts, so that those of two do not mix
	counters      counters
	echoes        echoes
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
	b := &Broker{options: o, names: newNames(o.Prefix), run: o.Node + "." + hub.NewEpoch(), lease: 4*o.Timeout + 2*o.PublishWait,
		looking: make(chan struct{}, 1)}
	if o.InProcess == nil || o.URL != "" {
		if b.server, err = Parse(o.URL); err != nil {
			return nil, err
		}
	}
	if b.login, err = b.server.login(o.TLS); err != nil {
		return nil, err
	}
	b.noted.margin = keyMargin
	b.subscriptions.all = make(map[string]*subscription)
	b.writers.all = make(map[string]*writer)
	b.watches.all = make(map[string]watch)
	b.own.members, b.own.owed = make(map[membership]hub.Member), make(map[membership]bool)
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b, nil
}

// Start implements [hub.Broker]: it fails if no server answers, or does not let its user do what is needed.
func (b *Broker) Start(sink hub.Sink) error {
	b.mu.Lock()
	if b.started || b.ending {
		b.mu.Unlock()
		return errors.New("nats: the broker was started before; give each hub a broker of its own")
	}
	b.started = true
	b.mu.Unlock()
	b.sink = sink
	for range min(maxLanes, runtime.GOMAXPROCS(0)) {
		l := newLane(laneBytes)
		b.lanes = append(b.lanes, l)
		l.start(&b.handing, b.receive, b.dropped)
	}
	if err := b.connect(); err != nil {
		b.Close()
		return err
	}
	b.working.Go(b.beat)
	b.working.Go(b.look)
	b.working.Go(b.forgetKeys)
	return nil
}

// Close implements [hub.Broker]: it tells the servers that this node goes, if they answer soon, and ends the connection.
func (b *Broker) Close() error {
	b.mu.Lock()
	ended, started := b.ending, b.started
	b.ending = true
	b.mu.Unlock()
	if ended || !started {
		return nil
	}
	b.closed.Store(true)
	b.cancel()
	b.working.Wait()
	if b.streams.Load() != nil {
		b.farewell()
	}
	if b.conn != nil {
		b.conn.Close()
	}
	for _, l := range b.lanes {
		l.in <- nil // the last
	}
	if b.talk != nil {
		b.talk.in <- nil
	}
	b.handing.Wait()
	return nil
}

// Remote implements [hub.Broker].
func (b *Broker) Remote() bool { return true }

// enter begins a call, which must leave; ctx ends with the broker.
func (b *Broker) enter(ctx context.Context) (inner context.Context, leave func(), err error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.ending || b.streams.Load() == nil {
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

// timed is ctx for one answer of a server.
func (b *Broker) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.options.Timeout)
}

// unavailable is the error of what a server did not do. maybe tells that it may have been done all the same.
func (b *Broker) unavailable(err error, what string, maybe bool) error {
	b.missing(err)
	if known, ok := errors.AsType[*hub.Error](err); ok {
		return known
	}
	switch {
	case b.closed.Load():
		return hub.Errorf(hub.Unavailable, "cannot %s, because the server shuts down; try again when it is back: %w", what, err)
	case maybe:
		return hub.Errorf(hub.Unavailable, "NATS has not answered, so it may or may not have been done to %s; do it again if that does no harm: %w", what, err)
	}
	return hub.Errorf(hub.Unavailable, "NATS cannot %s now; try again: %w", what, err)
}

// lane is where what comes for a channel is queued.
func (b *Broker) lane(channel string) *lane {
	return b.lanes[hash(channel)%uint64(len(b.lanes))]
}

// unreadable counts a message that no node of ours has sent.
func (b *Broker) unreadable(subject string, err error) {
	if b.counters.unreadable.Add(1) == 1 {
		b.options.Log.Error("nats: a message cannot be read; something else publishes under our prefix, or a later version does", "subject", subject, "cause", err)
	}
}

// jitter waits for a random time of at most pause, and reports whether ctx goes on.
func jitter(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(rand.N(max(1, pause))):
		return true
	case <-ctx.Done():
		return false
	}
}
