// How a session comes into a channel, and leaves it.

package hub

import (
	"context"
	"errors"
)

// subscription ties a session to a channel.
type subscription struct {
	session *Session
	as      *Identity     // who it was when it subscribed, in presence
	next    *subscription // of the same session; guarded by session.mu
	channel *channel
	watches bool // presence
	present bool // the broker may have been told of it; for the goroutine that subscribes

	// guarded by channel.mu
	at      int  // its place in channel.members
	joined  bool // it has one
	gone    bool // it was left, perhaps before it had joined
	waiting waiting
}

// SubscribeOptions say how to subscribe.
type SubscribeOptions struct {
	// Recover asks for what was missed since After. A cursor that names no position in the channel recovers nothing.
	Recover bool
	After   Cursor
	// Presence has the receiver told who comes and goes.
	Presence bool
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
	sub := &subscription{session: s, as: s.who.Load(), watches: o.Presence}
	if err := s.enter(sub, name); err != nil {
		return err
	}
	err := s.hub.join(ctx, sub, o)
	switch {
	case err == nil:
	case s.remove(sub):
		s.hub.leave(sub)
	case sub.present: // it was left while it became present
		s.hub.leaves.later(name, sub.member())
	}
	return err
}

// enter adds sub to the session's list.
func (s *Session) enter(sub *subscription, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return ErrEnded
	}
	if s.find(name) != nil {
		return Errorf(AlreadySubscribed, "the session is subscribed to %q already; unsubscribe first to begin elsewhere", name)
	}
	if s.count >= s.hub.options.MaxSubscriptions {
		return Errorf(TooManySubscriptions, "the session is subscribed to %d channels, which is the limit; unsubscribe from some",
			s.count)
	}
	sub.channel = s.hub.acquire(name)
	sub.next = s.first
	s.first = sub
	s.count++
	s.hub.totals.subscriptions.Add(1)
	return nil
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

// remove takes sub off the session's list, and reports whether it was there.
func (s *Session) remove(sub *subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := &s.first; *at != nil; at = &(*at).next {
		if *at == sub {
			*at = sub.next
			s.count--
			s.hub.totals.subscriptions.Add(-1)
			return true
		}
	}
	return false
}

// Subscribed tells whether the session is subscribed to a channel.
func (s *Session) Subscribed(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(name) != nil
}

// Unsubscribe takes the session out of a channel: once it returns, nothing more of the channel is handed over. The receiver is
// not told. The error is an [*Error] with [NotSubscribed].
func (s *Session) Unsubscribe(name string) error {
	s.mu.Lock()
	sub := s.find(name)
	s.mu.Unlock()
	if sub == nil || !s.remove(sub) {
		return Errorf(NotSubscribed, "the session is not subscribed to %.300q", name)
	}
	s.hub.leave(sub)
	return nil
}

// Expel is Unsubscribe by the server: the receiver is told why.
func (s *Session) Expel(name, reason string) error {
	s.mu.Lock()
	sub := s.find(name)
	s.mu.Unlock()
	if sub == nil || !sub.tellGone(reason) {
		return Errorf(NotSubscribed, "the session is not subscribed to %.300q", name)
	}
	if s.remove(sub) { // not before it was told, for then it might already be told that it is subscribed again
		s.hub.leave(sub)
	}
	return nil
}

// tellGone takes a subscription out of its channel and has the receiver told. It reports false if it was left already.
func (sub *subscription) tellGone(reason string) bool {
	ch := sub.channel
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if sub.gone {
		return false
	}
	told := sub.joined // otherwise Subscribe is still at it, and its error says so
	sub.part()
	if told {
		sub.session.receiver.Notify(&Notice{Type: Unsubscribed, Channel: ch.name, Reason: reason})
	}
	return true
}

// join makes sub a member of its channel.
func (h *Hub) join(ctx context.Context, sub *subscription, o SubscribeOptions) error {
	ch := sub.channel
	if !o.Forced {
		if err := h.guardSubscribe(ctx, sub.session, ch.name); err != nil {
			return err
		}
	}
	err := h.subscribeNode(ch, func() (Position, error) { return h.broker.Subscribe(ctx, ch.name, ch.rule.History) })
	if err != nil {
		return h.failed(err, Unavailable, "cannot subscribe to %q now; try again", ch.name)
	}
	if ch.rule.Presence {
		sub.present = true
		h.leaves.cancel(ch.name, sub.session.id)
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
	h.catchUp(sub)
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
	return beginning{epoch: history.Top.Epoch, last: newestOfEachKey(history.Publications)}, err
}

// recovery tells whether everything after the cursor can be had.
func (h *Hub) recovery(ctx context.Context, ch *channel, cursor Cursor) (b beginning, err error) {
	epoch := ch.epoch()
	after, ok := cursor.In(epoch)
	if !ok {
		return beginning{}, nil
	}
	history, err := h.broker.History(ctx, ch.name, Query{After: after, Limit: 1, Retention: ch.rule.History})
	complete := history.Top.Epoch == epoch && after <= history.Top.Offset && history.Lost == 0
	return beginning{epoch: epoch, recovered: complete, after: after}, err
}

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
	switch same := b.epoch == ch.position.Epoch; {
	case same && b.recovered:
		n.Recovered = true
		n.Position.Offset = b.after
		from = b.after + 1
		if b.after < ch.position.Offset {
			sub.waiting = waiting{next: from}
			from = behind
		}
	case same && len(b.last) > 0:
		n.Position.Offset = b.last[0].Offset - 1
		sub.waiting = waiting{values: b.last, next: b.last[len(b.last)-1].Offset + 1, promised: from}
		from = behind
	}
	switch {
	case n.Recovered:
		ch.tally.recovered.Add(1)
	case n.Asked:
		ch.tally.missed.Add(1)
	}
	sub.session.receiver.Notify(&n)
	ch.add(sub, from)
	return true
}

// leave is called once for each subscription that enter has added, after it is off the session's list.
func (h *Hub) leave(sub *subscription) {
	ch := sub.channel
	ch.mu.Lock()
	sub.part()
	ch.mu.Unlock()
	if ch.rule.Presence {
		h.leaves.later(ch.name, sub.member())
	}
	h.release(ch)
}

// part ends what the channel has to do with sub. Called with the channel's lock.
func (sub *subscription) part() {
	sub.gone = true
	if sub.joined {
		sub.channel.remove(sub)
	}
	sub.waiting = waiting{}
}

// failed turns a broker's or handler's error into one that a client may see; the log gets all of it.
func (h *Hub) failed(err error, code Code, format string, values ...any) error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	e := Errorf(code, format, values...)
	h.log.Warn(e.Message, "cause", err)
	e.cause = err
	return e
}
