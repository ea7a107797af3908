// A channel that this node is subscribed to: where it is, and what of that which comes is new.

package nats

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ringdown/ringdown/hub"
)

// standing is the state of a subscription.
type standing uint8

const (
	asking standing = iota // where the channel is must be asked for; what comes meanwhile is held
	live                   // what comes is delivered
	left                   // nothing is delivered any more
)

// maxHeld is how many messages of a channel are held while its position is asked for, and maxHolding how many bytes of all channels. More of
// them are a hole, which the hub heals.
const (
	maxHeld    = 4096
	maxHolding = 64 << 20
)

// subscription is made by Subscribe and ends with Unsubscribe.
type subscription struct {
	broker  *Broker
	channel string
	coming  *nats.Subscription
	settled chan struct{} // holds a token while somebody asks for the position
	touched time.Time     // when a message was stored to keep the numbering; of the heartbeat

	mu         sync.Mutex // guards what follows; held while the sink is told, so that it is told in order
	standing   standing
	known      bool   // at is
	lost       int    // how often the connection was lost, so that an answer from before is not believed
	at         place  // of what was delivered last
	over       string // the epoch before that of at; what still comes of it says nothing
	expected   place  // where the channel was when it was last looked at; what is delivered gets there soon
	held       []*nats.Msg
	overflowed bool // more came than can be held
	twice      bool // the numbering is known to give offsets twice
	hole       bool // something is stored after at that has not come
	crowd      crowd
}

// subscriptions are those of a broker.
type subscriptions struct {
	mu  sync.RWMutex             // guards what follows
	all map[string]*subscription // by the token of the channel
}

func (all *subscriptions) byToken(token string) *subscription {
	all.mu.RLock()
	defer all.mu.RUnlock()
	return all.all[token]
}

func (all *subscriptions) list() []*subscription {
	all.mu.RLock()
	defer all.mu.RUnlock()
	list := make([]*subscription, 0, len(all.all))
	for _, s := range all.all {
		list = append(list, s)
	}
	return list
}

// Subscribe implements [hub.Broker].
func (b *Broker) Subscribe(ctx context.Context, channel string, _ hub.Retention) (hub.Position, error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Position{}, err
	}
	defer leave()
	s, err := b.subscription(channel)
	if err == nil {
		err = s.settle(ctx)
	}
	if err != nil {
		b.unsubscribe(channel, s)
		return hub.Position{}, b.unavailable(err, "subscribe", false)
	}
	return s.place().Position, nil
}

// subscription has the channel's messages come, or returns the subscription there is.
func (b *Broker) subscription(channel string) (*subscription, error) {
	all := &b.subscriptions
	all.mu.Lock()
	defer all.mu.Unlock()
	if s := all.all[token(channel)]; s != nil {
		return s, nil
	}
	s := &subscription{broker: b, channel: channel, settled: make(chan struct{}, 1)}
	var err error
	if s.coming, err = b.conn.ChanSubscribe(b.names.liveOf(channel), b.lane(channel).in); err != nil {
		return nil, err
	}
	all.all[token(channel)] = s
	return s, nil
}

// Unsubscribe implements [hub.Broker].
func (b *Broker) Unsubscribe(channel string) {
	_, leave, err := b.enter(context.Background())
	if err != nil {
		return
	}
	defer leave()
	b.unsubscribe(channel, nil)
}

// unsubscribe takes a channel off, if it is still that of s; any if s is nil.
func (b *Broker) unsubscribe(channel string, s *subscription) {
	all := &b.subscriptions
	all.mu.Lock()
	current := all.all[token(channel)]
	if current == nil || s != nil && s != current {
		all.mu.Unlock()
		return
	}
	delete(all.all, token(channel))
	all.mu.Unlock()
	current.coming.Unsubscribe()
	current.mu.Lock()
	defer current.mu.Unlock()
	current.standing = left
	current.unhold()
}

// receive takes what came on a lane.
func (b *Broker) receive(m *nats.Msg) {
	s := b.listener(m.Subject, m.Sub)
	if s == nil || b.closed.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.standing {
	case live:
		s.take(m)
	case asking:
		s.hold(m)
	}
}

// listener is the subscription that a message came for; nil if it was for an earlier one.
func (b *Broker) listener(subject string, coming *nats.Subscription) *subscription {
	token, _ := b.names.ofChannel(subject)
	if s := b.subscriptions.byToken(token); s != nil && coming != nil && s.coming == coming {
		return s
	}
	return nil
}

// dropped has a channel asked where it is, because messages that came for it were dropped.
func (b *Broker) dropped(coming *nats.Subscription) {
	if s := b.listener(coming.Subject, coming); s != nil && !b.closed.Load() {
		b.options.Log.Warn("nats: messages of a channel were dropped, because they came faster than they were delivered", "channel", s.channel)
		s.interrupt()
		b.lookSoon()
	}
}

// hold keeps a message until the position is known. Called with the lock, like unhold.
func (s *subscription) hold(m *nats.Msg) {
	size := int64(len(m.Data) + weight)
	if len(s.held) >= maxHeld || s.broker.holding.Load()+size > maxHolding {
		s.overflowed = true
		return
	}
	s.broker.holding.Add(size)
	s.held = append(s.held, m)
}

// unhold returns what is held, and holds it no more.
func (s *subscription) unhold() (held []*nats.Msg) {
	held, s.held = s.held, nil
	for _, m := range held {
		s.broker.holding.Add(-int64(len(m.Data) + weight))
	}
	return held
}

// take hands a message to the sink. Called with the lock, like what follows unless it says otherwise.
func (s *subscription) take(m *nats.Msg) {
	_, rest := s.broker.names.ofChannel(m.Subject)
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err == nil && rest == said {
		err = s.deliver(seq, m.Data, false)
		if s.hole { // it follows what is missing
			s.hold(m)
		}
	} else if err == nil {
		err = s.present(seq, rest, m.Data)
	}
	if err != nil {
		s.broker.unreadable(m.Subject, err)
	}
}

// maxHole is how many publications are fetched one by one when they do not come. More are left to the hub, which reads the history.
const maxHole = 64

// fetch reads what is stored next after a hole was found, and delivers it and what is held. Called without the lock.
func (s *subscription) fetch(ctx context.Context, after uint64, lost int) error {
	b := s.broker
	ctx, cancel := b.timed(ctx)
	defer cancel()
	m, err := b.streams.Load().channels.GetMsg(ctx, after+1, jetstream.WithGetMsgSubject(b.names.publications(s.channel)))
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hole = false
	if err != nil || s.standing != asking || s.lost != lost { // everything is asked for anew
		return nil
	}
	b.counters.fetched.Add(1)
	s.standing = live
	if err := s.deliver(m.Sequence, m.Data, true); err != nil {
		b.unreadable(m.Subject, err)
	}
	s.release()
	return nil
}

// release delivers what is held, until something is in doubt again.
func (s *subscription) release() {
	for _, m := range s.unhold() {
		if s.standing != live {
			s.hold(m)
			continue
		}
		s.take(m)
	}
	if s.standing == live && s.overflowed {
		s.overflowed = false
		s.interrupted()
	}
}

// deliver delivers a message, unless something is missing before it. Servers until 2.9 repeat messages of two publishers in another order than
// they store them in, once in ten thousand; the one that is late is then fetched. Whatever was fetched is delivered.
func (s *subscription) deliver(seq uint64, body []byte, fetched bool) error {
	m, err := decodeMessage(seq, body)
	if err != nil {
		return err
	}
	same, further, later := m.at.Epoch == s.at.Epoch, m.at.Offset > s.at.Offset, m.at.time.After(s.at.time)
	switch {
	case same && !further && !later: // it was there when the position was asked for, or says nothing
		s.at.seq = max(s.at.seq, seq)
		return nil
	case same && further != later:
		s.doubt(m.at, true)
		return nil
	case !same && !later && m.at.Epoch == s.over: // it was on its way when the numbering ended
		return nil
	case !same && (!later || m.at.Epoch == s.over): // by a clock that is behind, or the server is back at a copy
		s.doubt(m.at, false)
		return nil
	}
	if hole := m.at.Offset - uint64(len(m.said)) - s.at.Offset; same && !fetched && hole > 0 && hole <= maxHole {
		s.standing, s.hole = asking, true
		s.broker.lookSoon()
		return nil
	}
	all, err := m.publications(s.channel)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Epoch == s.at.Epoch && p.Offset <= s.at.Offset {
			continue
		}
		s.broker.counters.received.Add(1)
		s.broker.sink.Deliver(p)
	}
	s.reach(m.at)
	if !same && len(all) == 0 { // a numbering begins, and nothing is delivered that shows it
		s.interrupted()
	}
	return nil
}

// reach moves the subscription to a place.
func (s *subscription) reach(at place) {
	if at.Epoch != s.at.Epoch {
		s.over = s.at.Epoch
	}
	s.at = at
}

// place is the newest that is known of the channel. Called without the lock.
func (s *subscription) place() place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}
