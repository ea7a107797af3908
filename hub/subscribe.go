// How a session comes into a channel, and leaves it.

package hub

import (
	"context"
	"errors"
	"time"
)

// subscription ties a session to a channel. It is on the session's list from when its Subscribe begins until whoever takes it out
// has left the channel, so that nobody is in a channel twice. Whoever sets leaving takes it out; while its Subscribe is still at
// it, that does, for what it does at the broker must not come after.
type subscription struct {
	session *Session
	channel *channel
	as      *Identity // who it was when it subscribed, in presence

	// guarded by session.mu
	next *subscription
	left chan struct{} // made by those who wait for it, closed when it is off the list

	// guarded by channel.mu
	waiting *waiting // nil if it is up to date
	at      int32    // its place in channel.members
	joined  bool     // it has one
	gone    bool     // it was left, perhaps before it had joined
	pumping bool     // somebody is at what waits

	watches bool // presence
	unseen  bool // as in SubscribeOptions, or because the session is there for one request
	present bool // the broker may have been told of it; for the goroutine that subscribes, then for whoever takes it out

	// guarded by session.mu
	settled bool // its Subscribe is done
	leaving bool // somebody has said that it is to leave
	over    bool // it is off the list
}

// SubscribeOptions say how to subscribe.
type SubscribeOptions struct {
	// Recover asks for what was missed since After. A cursor that names no position in the channel recovers nothing.
	Recover bool
	After   Cursor
	// Presence has the receiver told who comes and goes.
	Presence bool
	// Unseen keeps the session out of presence: for clients that are here for a moment only.
	Unseen bool
	// Forced is set when the server, not the client, wants it: the rule's Subscribe is not asked.
	Forced bool
	// Tag comes back in the notice.
	Tag any
}

// Subscribe adds the session to a channel. The receiver is notified that it is Subscribed, then handed what it missed if it asked
// for that, then every publication from now on. It waits for the broker, but not for the client: what is recovered may follow
// later, as fast as the client takes it.
//
// The error is an [*Error] with [BadChannel], [NotAllowed], [AlreadySubscribed], [TooManySubscriptions], [NoPresence],
// [NotSubscribed] if it was taken out meanwhile, or [Unavailable]; or is [ErrEnded].
func (s *Session) Subscribe(ctx context.Context, name string, o SubscribeOptions) error {
	if err := CheckChannel(name); err != nil {
		return err
	}
	rule := s.hub.Rule(name)
	if o.Forced && s.fixed {
		return Errorf(NotAllowed, "the client's protocol is about the channels that it has named itself, so it cannot be taken into %q; use the native protocol", name)
	}
	if !o.Forced {
		if err := s.may(ToSubscribe, name, rule); err != nil {
			return err
		}
	}
	if o.Presence && !rule.Presence {
		return Errorf(NoPresence, "the channel %q has no presence; switch it on in the channel's rule, or do not ask for it", name)
	}
	sub := &subscription{session: s, as: s.who.Load(), watches: o.Presence, unseen: o.Unseen || s.passing}
	if err := s.enter(ctx, sub, name); err != nil {
		return err
	}
	err := s.hub.join(ctx, sub, o)
	if s.settle(sub, err) {
		s.finish(sub)
		return err
	}
	s.hub.begin(sub)
	return nil
}

// MaySubscribe asks all that Subscribe asks before it subscribes the session to a channel: rights, then guards. What is missed of a channel can
// so be handed over before the session is subscribed, by force. The error is an [*Error] as there.
func (s *Session) MaySubscribe(ctx context.Context, name string) error {
	if err := s.may(ToSubscribe, name, s.hub.Rule(name)); err != nil {
		return err
	}
	return s.hub.guardSubscribe(ctx, s, name)
}

// enter adds sub to the session's list, after one of the same channel that is leaving has left.
func (s *Session) enter(ctx context.Context, sub *subscription, name string) error {
	for {
		before, err := s.enterUnless(sub, name)
		if before == nil {
			return err
		}
		select {
		case <-before:
		case <-ctx.Done():
			return s.hub.failed(ctx.Err(), Unavailable, "the session has not left %q yet; try again", name)
		}
	}
}

// enterUnless is enter, unless there is one that is leaving: it then returns what is closed once that has left.
func (s *Session) enterUnless(sub *subscription, name string) (leaving <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, ErrEnded
	}
	if before := s.find(name); before != nil && (before.leaving || before.hasParted()) {
		return before.leftLater(), nil
	} else if before != nil {
		return nil, Errorf(AlreadySubscribed, "the session is subscribed to %q already; unsubscribe first to begin elsewhere", name)
	}
	if int64(s.count) >= s.hub.bounds.subscriptions.Load() {
		return nil, Errorf(TooManySubscriptions, "the session is subscribed to %d channels, which is the limit; unsubscribe from some",
			s.count)
	}
	sub.channel = s.hub.acquire(name)
	sub.next = s.first
	s.first = sub
	s.count++
	s.hub.totals.subscriptions.Add(1)
	return nil, nil
}

// find is called with s.mu held.
func (s *Session) find(name string) *subscription {
	for sub := s.first; sub != nil; sub = sub.next {
		if sub.channel.name == name {
			return sub
		}
	}
	return nil
}

// leftLater is called with s.mu held.
func (sub *subscription) leftLater() <-chan struct{} {
	if sub.left == nil {
		sub.left = make(chan struct{})
	}
	return sub.left
}

// settle ends what Subscribe does, and reports whether it is to take sub out: because of its error, or because somebody wanted it
// out meanwhile.
func (s *Session) settle(sub *subscription, err error) (out bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.settled = true
	sub.leaving = sub.leaving || err != nil
	return sub.leaving
}

// takeOut ends a subscription, and reports whether nobody had before. Once it returns, nothing more of the channel is handed over.
// The receiver is told n, if it knows of the subscription and n is not nil; it must hear that before it can subscribe again.
func (s *Session) takeOut(sub *subscription, n *Notice) (mine bool) {
	mine = sub.part(n)
	if s.claim(sub) {
		s.finish(sub)
	}
	return mine
}

// claim says that sub is to leave, and reports whether the caller is to finish that.
func (s *Session) claim(sub *subscription) (mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine = !sub.leaving && sub.settled
	sub.leaving = true
	return mine
}

// await waits for whoever takes sub out, unless that is a Subscribe that is still at it.
func (s *Session) await(sub *subscription) {
	var left <-chan struct{}
	s.mu.Lock()
	if sub.settled && !sub.over {
		left = sub.leftLater()
	}
	s.mu.Unlock()
	if left != nil {
		<-left
	}
}

// finish does the rest for a subscription that is to leave: it is out of its channel, then off the list.
func (s *Session) finish(sub *subscription) {
	sub.part(nil)
	s.hub.leave(sub)
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := &s.first; *at != nil; at = &(*at).next {
		if *at == sub {
			*at = sub.next
			s.count--
			s.hub.totals.subscriptions.Add(-1)
			break
		}
	}
	if sub.over = true; sub.left != nil {
		close(sub.left)
	}
}

// Subscribed tells whether the session is subscribed to a channel.
func (s *Session) Subscribed(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.find(name)
	return sub != nil && !sub.leaving && !s.ended
}

// Unsubscribe takes the session out of a channel: once it returns, nothing more of the channel is handed over. The receiver is
// not told. The error is an [*Error] with [NotSubscribed].
func (s *Session) Unsubscribe(name string) error { return s.unsubscribe(name, nil) }

// Expel is Unsubscribe by the server: the receiver is told why.
func (s *Session) Expel(name, reason string) error {
	return s.unsubscribe(name, &Notice{Type: Unsubscribed, Channel: name, Reason: reason})
}

func (s *Session) unsubscribe(name string, n *Notice) error {
	s.mu.Lock()
	sub := s.find(name)
	s.mu.Unlock()
	if sub != nil && s.takeOut(sub, n) {
		return nil
	}
	return Errorf(NotSubscribed, "the session is not subscribed to %.300q", name)
}

// join makes sub a member of its channel.
func (h *Hub) join(ctx context.Context, sub *subscription, o SubscribeOptions) error {
	ch := sub.channel
	if !o.Forced {
		if err := h.guardSubscribe(ctx, sub.session, ch.name); err != nil {
			return err
		}
	}
	err := h.subscribeNode(ctx, ch)
	if err != nil {
		return h.failed(err, Unavailable, "cannot subscribe to %q now; try again", ch.name)
	}
	if ch.rule.Presence && !o.Unseen {
		if err := h.leaves.cancel(ctx, ch.name, sub.session.id); err != nil {
			return h.failed(err, Unavailable, "the session has not left the presence of %q yet; try again", ch.name)
		}
		sub.present = true
		if err := h.broker.Join(ctx, ch.name, sub.member()); err != nil {
			return h.failed(err, Unavailable, "cannot enter the presence of %q now; try again", ch.name)
		}
	}
	start, err := h.beginning(ctx, ch, o)
	if err != nil {
		return h.failed(err, Unavailable, "cannot read the history of %q now; try again", ch.name)
	}
	if !ch.admit(sub, o, start) {
		return sub.session.notAdmitted(ch.name)
	}
	return nil
}

// notAdmitted is the error of a subscription that was left before it began.
func (s *Session) notAdmitted(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return ErrEnded
	}
	return Errorf(NotSubscribed, "the session was taken out of %q while it subscribed; subscribe again if it may", name)
}

// beginning is where a subscription starts, as far as history decides it.
type beginning struct {
	epoch     string
	recovered bool
	after     uint64         // if it is recovered, what the client has
	last      []*Publication // if it is not, the last values
}

// beginning asks the history what a new subscription is to begin with.
func (h *Hub) beginning(ctx context.Context, ch *channel, o SubscribeOptions) (b beginning, err error) {
	if o.Recover {
		b, err = h.recovery(ctx, ch, o.After)
	}
	if err != nil || b.recovered || !ch.rule.Last {
		return b, err
	}
	q := Query{Newest: true, Limit: 1, Retention: ch.rule.History}
	if ch.rule.Slow == Conflate {
		q.Limit = max(1, ch.rule.History.Count)
	}
	history, err := h.broker.History(ctx, ch.name, q)
	return beginning{epoch: history.Top.Epoch, last: NewestOfEachKey(history.Publications)}, err
}

// recovery tells whether everything after the cursor can be had.
func (h *Hub) recovery(ctx context.Context, ch *channel, cursor Cursor) (b beginning, err error) {
	for waited := false; ; waited = true {
		epoch := ch.epoch()
		q := Query{Limit: 1, Retention: ch.rule.History}
		after, ok := cursor.In(epoch)
		if q.After = after; !ok {
			q = Query{Newest: true, Limit: 1, Retention: ch.rule.History}
		}
		history, err := h.broker.History(ctx, ch.name, q)
		if err != nil || history.Top.Epoch == epoch {
			return beginning{epoch: epoch, recovered: ok && after <= history.Top.Offset && history.Lost == 0, after: after}, err
		}
		// There is another numbering, of which this node has heard nothing yet. A client that brings a cursor of it comes from a node that has, and
		// would otherwise be sent back into the one that is over.
		if _, newer := cursor.In(history.Top.Epoch); !newer || waited || !h.renumbered(ctx, ch, epoch) {
			return beginning{}, nil
		}
	}
}

// renumbered has a channel healed of which an epoch is over, and waits until it has left that. It reports false if that takes too long.
func (h *Hub) renumbered(ctx context.Context, ch *channel, epoch string) bool {
	h.doubt(ch)
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	for ch.epoch() == epoch {
		select {
		case <-time.After(renumberedPause):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// renumberedPause is after how long it is looked again whether a channel has been healed; that takes a round trip to the broker.
const renumberedPause = 5 * time.Millisecond

func (ch *channel) epoch() string {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.position.Epoch
}

// admit is where order begins: the notice goes out and the subscription becomes a member under one lock. It reports false for one
// that was left meanwhile.
func (ch *channel) admit(sub *subscription, o SubscribeOptions, b beginning) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if sub.gone {
		return false
	}
	n := Notice{Type: Subscribed, Channel: ch.name, Position: ch.position, Asked: o.Recover, Forced: o.Forced, Rule: ch.rule, Tag: o.Tag}
	from := ch.position.Offset + 1
	if b.recovered && ch.rule.History.Count == 0 && b.after != ch.position.Offset { // published since it was asked about
		b.recovered = false
	}
	switch same := b.epoch == ch.position.Epoch; {
	case same && b.recovered:
		n.Recovered = true
		n.Position.Offset = b.after
		from = b.after + 1
		if b.after < ch.position.Offset {
			sub.waiting = &waiting{next: from}
			from = behind
		}
	case same && len(b.last) > 0:
		n.Position.Offset = b.last[0].Offset - 1
		sub.waiting = &waiting{values: b.last, next: b.last[len(b.last)-1].Offset + 1}
		from = behind
	}
	switch {
	case n.Recovered:
		ch.tally.recovered.Add(1)
	case n.Asked:
		ch.tally.missed.Add(1)
	}
	sub.notify(&n)
	ch.add(sub, from)
	return true
}

// leave has the broker know that a subscription has parted. Called once for each that enter has added.
func (h *Hub) leave(sub *subscription) {
	if sub.present {
		h.leaves.later(sub.channel.name, sub.member())
	}
	h.release(sub.channel)
}

// part ends what the channel has to do with sub, and reports whether nobody had before. If the receiver knows of the subscription,
// it is told n, unless that is nil.
func (sub *subscription) part(n *Notice) (mine bool) {
	ch := sub.channel
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if sub.gone {
		return false
	}
	sub.gone, sub.waiting = true, nil
	if sub.joined { // otherwise Subscribe is still at it, and its error says so
		ch.remove(sub)
		if n != nil {
			sub.notify(n)
		}
	}
	return true
}

func (sub *subscription) hasParted() bool {
	sub.channel.mu.Lock()
	defer sub.channel.mu.Unlock()
	return sub.gone
}

// failed turns a broker's or handler's error into one that a client may see; the log gets all of it.
func (h *Hub) failed(err error, code Code, format string, values ...any) error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	e := Errorf(code, format, values...)
	if !errors.Is(err, context.Canceled) { // a client that hangs up is no news
		h.log.Warn(e.Message, "cause", err)
	}
	e.cause = err
	return e
}
