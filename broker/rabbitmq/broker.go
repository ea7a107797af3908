// The broker: its life, and the part of hub.Broker that is one record and its outcome.

package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// Broker implements [hub.Broker] and [hub.Cluster]. Make one with New.
type Broker struct {
	options    Options
	servers    []Server
	owner      string // this run of the node; members belong to it
	partitions []*partition
	started    atomic.Bool
	closed     atomic.Bool
	stopped    atomic.Bool // no sign of life is given, as tests have it
	blocked    atomic.Bool // RabbitMQ takes nothing
	heard      atomic.Bool // what other nodes say has been listened to

	sink    hub.Sink        // set by Start
	ctx     context.Context // until Close
	cancel  context.CancelFunc
	working sync.WaitGroup // goroutines, and calls that are under way
	lively  chan struct{}  // something has become live

	mu      sync.RWMutex // guards what follows; held by Start
	ending  bool         // no more calls begin
	running bool

	session   atomic.Pointer[session]
	announced atomic.Pointer[[]byte]
	problem   atomic.Pointer[error] // why there is no session
	latency   atomic.Int64          // of the last heartbeat, in nanoseconds
	most      atomic.Int64          // bytes of a message that RabbitMQ takes, once it has refused one; 0 before
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
	b := &Broker{options: o, servers: servers, owner: o.Node + "." + hub.NewEpoch(), lively: make(chan struct{}, 1)}
	for i := range partitions {
		b.partitions = append(b.partitions, newPartition(b, i))
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b, nil
}

// Start implements [hub.Broker]: it connects, and reads the logs. It fails if a server does not answer, or does not let its user do what is
// needed.
func (b *Broker) Start(sink hub.Sink) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started.Swap(true) || b.closed.Load() {
		return errors.New("rabbitmq: the broker was started before; give each hub a broker of its own")
	}
	b.sink = sink
	first, err := b.connect()
	if err != nil {
		b.cancel()
		return err
	}
	b.working.Go(func() { b.keepSession(first) })
	if err := b.awaitLive(); err != nil {
		b.cancel()
		b.working.Wait()
		return err
	}
	b.running = true
	b.beatAll()
	b.working.Go(b.heartbeat)
	return nil
}

// maxReplay is how long reading the logs may take at the start.
const maxReplay = 5 * time.Minute

// awaitLive waits until all logs are followed.
func (b *Broker) awaitLive() error {
	limit := time.NewTimer(maxReplay)
	defer limit.Stop()
	// Heartbeats have not begun, and with them what waits for a snapshot.
	tick := time.NewTicker(b.options.Expiry / beats)
	defer tick.Stop()
	for {
		if b.live() {
			return nil
		}
		select {
		case <-b.lively:
		case <-tick.C:
			for _, p := range b.partitions {
				p.mu.Lock()
				p.waitForSnapshot()
				p.mu.Unlock()
			}
		case <-limit.C:
			return fmt.Errorf("rabbitmq: the logs could not be read within %v: %w", maxReplay, b.Health())
		}
	}
}

func (b *Broker) live() bool {
	for _, p := range b.partitions {
		if !p.isLive() {
			return false
		}
	}
	return true
}

// liveness is called when a partition has become live.
func (b *Broker) liveness() {
	select {
	case b.lively <- struct{}{}:
	default:
	}
}

// keepSession runs sessions, one after the other, until the broker is closed.
func (b *Broker) keepSession(s *session) {
	pause := firstPause
	for {
		if s != nil {
			b.session.Store(s)
			b.problem.Store(nil)
			began := time.Now()
			err := s.run()
			b.session.Store(nil)
			b.problem.Store(&err)
			if b.ctx.Err() == nil {
				b.options.Log.Warn("rabbitmq: the connection has ended and is made again", "cause", err)
			}
			if time.Since(began) > b.options.MaxPause {
				pause = firstPause
			}
		}
		if !jitter(b.ctx, pause) {
			return
		}
		pause = min(2*pause, b.options.MaxPause)
		var err error
		if s, err = b.connect(); err != nil {
			b.problem.Store(&err)
			continue
		}
		b.counters.reconnects.Add(1)
	}
}

// jitter waits for a random time of at most pause, and reports whether ctx goes on.
func jitter(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(rand.N(pause + 1)):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Close implements [hub.Broker]: it says in every log that this node goes, if that is soon possible, and ends the connections.
func (b *Broker) Close() error {
	b.mu.Lock()
	farewell := b.running && !b.ending
	b.ending = true
	b.mu.Unlock()
	b.closed.Store(true)
	if farewell {
		b.farewell()
	}
	b.cancel()
	b.working.Wait()
	return nil
}

// Remote implements [hub.Broker].
func (b *Broker) Remote() bool { return true }

// enter begins a call, which must leave; ctx ends with the broker.
func (b *Broker) enter(ctx context.Context) (inner context.Context, leave func(), err error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.ending || !b.running {
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

// unavailable is the error of what was not done.
func (b *Broker) unavailable(err error, what string) error {
	if b.closed.Load() {
		return hub.Errorf(hub.Unavailable, "cannot %s, because the server shuts down; try again when it is back: %w", what, err)
	}
	if known, ok := errors.AsType[*hub.Error](err); ok {
		return known
	}
	if _, unknown := errors.AsType[maybe](err); unknown {
		return hub.Errorf(hub.Unavailable, "RabbitMQ was asked to %s and has not answered, so nobody knows whether it is done; "+
			"ask again where twice does no harm, or with an idempotency key: %w", what, err)
	}
	return hub.Errorf(hub.Unavailable, "RabbitMQ cannot %s now; try again: %w", what, err)
}

// unreadable counts something that cannot be read.
func (b *Broker) unreadable(err error) {
	if b.counters.unreadable.Add(1) == 1 {
		b.options.Log.Error("rabbitmq: a message cannot be read; something else publishes under our prefix, or a later version does", "cause", err)
	}
}

func (b *Broker) interrupted() {
	b.counters.interrupted.Add(1)
	b.sink.Interrupted("")
}

// partition is where a channel, or a key of the store, belongs.
func (b *Broker) partition(name string) *partition { return b.partitions[place(name)] }

// Publish implements [hub.Broker]. It waits until the publication comes back from the log.
func (b *Broker) Publish(ctx context.Context, p *hub.Publication, s hub.Storing) (hub.Published, error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Published{}, err
	}
	defer leave()
	b.counters.publishing.Add(1)
	defer b.counters.publishing.Add(-1)
	content := wire.AppendContent(make([]byte, 0, len(p.Payload)+len(p.Event)+len(p.Key)+len(p.Session)+len(p.User)+48), p)
	r := record{Kind: publish, Channel: p.Channel, Epoch: hub.NewEpoch(), Key: s.IdempotencyKey, Count: int64(max(0, s.Count)),
		Age: s.Age.Microseconds(), Lifetime: b.options.lifetime(s.Retention), Window: s.Window.Microseconds(), Body: content}
	wait := b.options.PublishWait
	out, err := b.partition(p.Channel).do(ctx, b.options.Timeout+wait, r, wait > 0, nil)
	if err != nil {
		b.counters.failed.Add(1)
		return hub.Published{}, b.unavailable(err, "publish")
	}
	b.counters.published.Add(1)
	done := out.published
	if !done.Duplicate {
		p.Epoch, p.Offset, p.Time = done.Epoch, done.Offset, done.Time
	}
	return done, nil
}

// Subscribe implements [hub.Broker]. It waits for at most Options.Timeout.
func (b *Broker) Subscribe(ctx context.Context, channel string, r hub.Retention) (hub.Position, error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Position{}, err
	}
	defer leave()
	p := b.partition(channel)
	ask := record{Kind: touch, Channel: channel, Epoch: hub.NewEpoch(), Lifetime: b.options.lifetime(r)}
	out, err := p.do(ctx, b.options.Timeout, ask, true, func(*outcome) { p.subs[channel] = r })
	if err != nil {
		return hub.Position{}, b.unavailable(err, "subscribe")
	}
	return out.published.Position, nil
}

// Unsubscribe implements [hub.Broker].
func (b *Broker) Unsubscribe(channel string) {
	p := b.partition(channel)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.subs, channel)
}

// errLoading is told while the state is read again.
var errLoading = errors.New("the log is being read again")

// read waits until the state is up to date, and looks at it.
func (b *Broker) read(ctx context.Context, p *partition, look func(*state)) error {
	if err := p.catchUp(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == nil {
		return errLoading
	}
	look(p.state)
	return nil
}

// Earlier implements [hub.Broker].
func (b *Broker) Earlier(ctx context.Context, channel, key string) (earlier hub.Published, err error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Published{}, err
	}
	defer leave()
	if key == "" {
		return hub.Published{}, nil
	}
	if err := b.read(ctx, b.partition(channel), func(s *state) { earlier, _ = s.earlier(channel, key) }); err != nil {
		return hub.Published{}, b.unavailable(err, "look an idempotency key up")
	}
	return earlier, nil
}

// History implements [hub.Broker]. It reads this node's own copy, once that is up to date.
func (b *Broker) History(ctx context.Context, channel string, q hub.Query) (h hub.History, err error) {
	if q.Limit < 1 {
		return hub.History{}, hub.Errorf(hub.BadRequest, "%d publications are asked for; ask for at least one", q.Limit)
	}
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.History{}, err
	}
	defer leave()
	p := b.partition(channel)
	var kept []entry
	look := func(s *state) {
		if c := s.find(channel); c != nil {
			h.Top = hub.Position{Epoch: c.Epoch, Offset: c.Top}
			kept, h.Lost = c.history(q, max(s.Now, time.Now().UnixMicro()))
			kept = append([]entry(nil), kept...)
		}
	}
	if err := b.read(ctx, p, look); err != nil {
		return hub.History{}, b.unavailable(err, "read the history")
	}
	if h.Top.Epoch == "" { // nobody has ever used it; it gets a numbering
		ask := record{Kind: touch, Channel: channel, Epoch: hub.NewEpoch(), Lifetime: b.options.lifetime(q.Retention)}
		if _, err := p.do(ctx, b.options.Timeout, ask, true, func(*outcome) { look(p.state) }); err != nil {
			return hub.History{}, b.unavailable(err, "read the history")
		}
	}
	for _, e := range kept {
		publication := &hub.Publication{Channel: channel, Epoch: h.Top.Epoch, Offset: e.Offset, Time: time.UnixMicro(e.Time)}
		if err := wire.DecodeContent(publication, e.Content); err != nil {
			return hub.History{}, b.unavailable(err, "read the history")
		}
		h.Publications = append(h.Publications, publication)
	}
	return h, nil
}
