// The hub itself: the sessions and channels of this node.

package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// What an [Options] field is when it is left zero.
const (
	DefaultMaxSessions       = 100_000
	DefaultMaxSubscriptions  = 256
	DefaultLinger            = 5 * time.Second
	DefaultIdempotencyWindow = 5 * time.Minute
)

// Each is an [*Error], with a line in the table of refusals.
var (
	// ErrFull is returned by Open when MaxSessions are open already.
	ErrFull error = &Error{Code: Full, Message: "the server holds as many sessions as it may; try again later"}
	// ErrShutdown is returned by Open once Shutdown was called, and is the cause with which Shutdown ends sessions.
	ErrShutdown error = &Error{Code: ShuttingDown, Message: "the server is shutting down; come back in a few seconds"}
	// ErrEnded is returned when the session has ended or is closed.
	ErrEnded error = &Error{Code: Unavailable, Message: "the session has ended; open another one"}
)

// Options are the parts and bounds of a hub. Only Broker must be given.
type Options struct {
	// Broker carries publications, and keeps history and presence. The hub starts it, and closes it in Shutdown.
	Broker Broker
	// Rules say what holds in which channels: the first whose pattern matches. A channel that none matches is as the zero Rule.
	Rules []Rule

	MaxSessions      int // open at once; 0 means DefaultMaxSessions
	MaxSubscriptions int // of one session; 0 means DefaultMaxSubscriptions

	// Linger is how long a session that has gone stays in the presence of its channels, so that a client that is soon back
	// (its user, that is) was never away. 0 means DefaultLinger; a negative value, not at all.
	Linger time.Duration
	// IdempotencyWindow is how long the idempotency key of a publication is remembered. 0 means DefaultIdempotencyWindow.
	IdempotencyWindow time.Duration

	// Authenticate tells who the client of a session is to be that has sent a token on its open connection; nil refuses all. It may
	// wait, until ctx ends. An [*Error] is told to the client.
	Authenticate func(ctx context.Context, s *Session, token string) (Identity, error)
	// Confirm, if not nil, tells whether an identity still holds that was found good a moment ago. It is asked once the session is where
	// [Hub.Find] finds it, so that whoever takes rights away first and then ends sessions misses none. It must not wait. An [*Error] is
	// told to the client.
	Confirm func(*Identity) error
	// Guards are asked before clients may do things.
	Guards []Guard

	// Call answers the calls of clients; nil refuses them with UnknownMethod. See [Session.Call].
	Call CallHandler

	// Watch, if not nil, is told who comes into channels and who leaves them; see [Event]. It is called under the lock of the
	// channel, so it must not wait and must not call the hub.
	Watch func(Event)

	// Ended, if not nil, is told of each session that stayed and has ended, and of each client that was not let in; see [Ending]. It
	// is called from any goroutine, must not wait, and keeps no Session.
	Ended func(Ending)

	// Log is told of what goes wrong between the hub and its broker; nil means slog.Default.
	Log *slog.Logger
}

// Hub holds a node's sessions and channels. Make one with New.
type Hub struct {
	options Options
	rules   atomic.Pointer[[]Rule]
	bounds  bounds
	broker  Broker
	log     *slog.Logger
	leaves  leaves
	expiry  expiry
	totals  totals
	healers chan struct{} // holds one for each channel that reads what it missed

	seed   maphash.Seed
	shards [64]shard // of channels, by name

	ctx        context.Context // over when the hub is
	cancel     context.CancelFunc
	background sync.Mutex // held to start a goroutine, and to end ctx
	working    sync.WaitGroup

	mu       sync.RWMutex // guards what follows; taken before any other lock
	closing  bool
	empty    chan struct{} // made by Shutdown, closed when the last session has gone
	sessions roster
	sorts    sorts
	index    index
}

// shard is a part of the channels, so that those who look channels up seldom meet.
type shard struct {
	mu       sync.RWMutex
	channels map[string]*channel
	tally    tally
}

// New returns a hub without sessions, and starts its broker. The error says which rule or option is wrong, or is the broker's.
func New(options Options) (*Hub, error) {
	if options.Broker == nil {
		return nil, errors.New("hub: Options.Broker is nil; for a single node give it memory.New(memory.Options{})")
	}
	if options.MaxSessions < 0 || options.MaxSubscriptions < 0 || options.IdempotencyWindow < 0 {
		return nil, errors.New("hub: MaxSessions, MaxSubscriptions or IdempotencyWindow is negative; leave it out for the default")
	}
	options.Linger = max(0, cmp.Or(options.Linger, DefaultLinger))
	options.IdempotencyWindow = cmp.Or(options.IdempotencyWindow, DefaultIdempotencyWindow)
	h := &Hub{
		options:  options,
		broker:   options.Broker,
		log:      cmp.Or(options.Log, slog.Default()),
		seed:     maphash.MakeSeed(),
		totals:   newTotals(),
		healers:  make(chan struct{}, healers),
		sessions: newRoster(),
		index:    make(index),
	}
	if err := h.SetRules(options.Rules); err != nil {
		return nil, err
	}
	h.SetBounds(options.MaxSessions, options.MaxSubscriptions)
	for i := range h.shards {
		h.shards[i].channels = make(map[string]*channel)
	}
	h.leaves.hub = h
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if err := h.broker.Start(sink{h}); err != nil {
		return nil, fmt.Errorf("hub: starting the broker: %w", err)
	}
	return h, nil
}

// Rule is what holds in a channel. It is not to be changed.
func (h *Hub) Rule(channel string) *Rule {
	rules := *h.rules.Load()
	for i := range rules {
		if rules[i].matches(channel) {
			return &rules[i]
		}
	}
	panic("unreachable: the last rule matches every name")
}

// Remote tells whether the broker, or a guard, is beyond a network: whatever takes a context may then wait, and is not to be called on an
// event loop.
func (h *Hub) Remote() bool {
	return h.broker.Remote() || slices.ContainsFunc(h.options.Guards, Guard.Waits)
}

// Open starts a session of the client described by who, subscribed to nothing yet; what it will be told goes to r. It counts
// against MaxSessions until its gateway closes it, also after its end. The error is [ErrShutdown], a guard's, or wraps [ErrFull] and
// tells how many there are; or it is [TokenExpired] or that of Options.Confirm, if the identity has ended already.
func (h *Hub) Open(r Receiver, who Identity) (*Session, error) {
	s := &Session{hub: h, receiver: r, id: who.Session, since: time.Now().UnixMilli(), address: who.Address}
	if s.id == "" {
		s.id = NewSessionID()
	}
	s.who.Store(who.shared())
	if err := h.guardOpen(s); err != nil {
		return nil, err
	}
	if err := h.enlist(s, &who); err != nil {
		s.absent = true
		closeGuards(h.options.Guards, s)
		return nil, err
	}
	if err := s.confirm(); err != nil {
		s.Abandon()
		return nil, err
	}
	return s, nil
}

// enlist puts s on the lists.
func (h *Hub) enlist(s *Session, who *Identity) error {
	about := describe(s.receiver)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return ErrShutdown
	}
	if most := h.bounds.sessions.Load(); int64(h.sessions.count) >= most {
		return Errorf(Full, "%w (all %d are taken)", ErrFull, most)
	}
	h.sessions.put(s)
	s.sort, s.passing, s.fixed = h.sorts.find(about), about.Passing, about.Fixed
	h.sorts[s.sort].Sessions++
	h.totals.opened.Add(1)
	h.index.add(s, who)
	if !who.Expires.IsZero() {
		h.expiry.set(s, who.Expires)
	}
	return nil
}

// forget gives back the place of a session that is over.
func (h *Hub) forget(s *Session) {
	if h.strike(s) {
		closeGuards(h.options.Guards, s)
	}
}

// strike takes s off the lists, and reports whether it was on them.
func (h *Hub) strike(s *Session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.sessions.remove(s.id) {
		return false
	}
	h.sorts[s.sort].Sessions--
	if !s.passing {
		h.totals.disconnects[s.cause()].Add(1)
	}
	h.expiry.set(s, time.Time{})
	h.index.remove(s, s.Identity())
	if h.closing && h.sessions.count == 0 {
		close(h.empty)
	}
	return true
}

// Sessions returns how many sessions are open.
func (h *Hub) Sessions() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.sessions.count
}

// Session returns the open session of an id, or nil.
func (h *Hub) Session(id string) *Session {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.sessions.get(id)
}

// SessionsOf returns the open sessions of a user on this node, in no order.
func (h *Hub) SessionsOf(user string) []*Session {
	return h.Find(ByUser, user)
}

// Shutdown refuses new sessions, ends those that are open with ErrShutdown, waits until their gateways have closed them all, has
// the broker told who is no longer present, and closes it. When ctx ends first, the rest is not waited for, and its error is
// returned if sessions are still open.
func (h *Hub) Shutdown(ctx context.Context) error {
	open, empty := h.refuse()
	for _, s := range open {
		s.End(ErrShutdown)
	}
	var err error
	select {
	case <-empty:
	case <-ctx.Done():
		err = fmt.Errorf("hub: %d sessions are still open: %w", h.Sessions(), ctx.Err())
	}
	h.leaves.flush(ctx)
	h.background.Lock()
	h.cancel()
	h.background.Unlock()
	h.working.Wait()
	return errors.Join(err, h.broker.Close())
}

// refuse lets no new session in, and returns those that are open and what tells that they have gone.
func (h *Hub) refuse() (open []*Session, empty <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closing {
		h.closing = true
		h.empty = make(chan struct{})
		if h.sessions.count == 0 {
			close(h.empty)
		}
	}
	return h.sessions.all(), h.empty
}

// work runs f on a goroutine that Shutdown waits for; f ends soon after h.ctx does. It reports false, and does nothing, once
// the hub shuts down.
func (h *Hub) work(f func()) bool {
	h.background.Lock()
	defer h.background.Unlock()
	if h.ctx.Err() != nil {
		return false
	}
	h.working.Go(f)
	return true
}
