// A session: one client, whatever protocol it speaks.

package hub

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Session is one client of the hub. It is opened by [Hub.Open], may be ended by the hub or by anybody for a cause, and is
// closed by its gateway.
//
// A session that has ended is subscribed to nothing any more; one that is closed has also given back its place in the hub.
type Session struct {
	hub      *Hub
	receiver Receiver
	id       string
	who      atomic.Pointer[Identity]
	expires  *expiring // guarded by the lock of hub.expiry
	kept     any       // see Keep
	since    int64     // milliseconds of Unix time
	address  netip.Addr

	mu     sync.Mutex    // guards what follows; taken before the lock of a channel
	first  *subscription // which links to the others
	count  int32
	ended  bool
	absent bool  // its client was never there
	why    uint8 // it ended: see causeOf

	sort    uint8 // see sorts; does not change
	passing bool  // see Description; does not change
	fixed   bool  // as passing
}

// NewSessionID makes an id for [Identity.Session].
func NewSessionID() string { return strings.ToLower(rand.Text()[:20]) }

// Address is where the client is, behind proxies that are trusted; the zero Addr if that is not known. It does not change.
func (s *Session) Address() netip.Addr { return s.address }

// ID names the session: 20 lower-case letters and digits, which nobody can guess.
func (s *Session) ID() string { return s.id }

// Keep has the session keep what a [Guard] needs to know of it; a guard calls it in Open.
func (s *Session) Keep(v any) { s.kept = v }

// Kept is what was given to Keep, or nil.
func (s *Session) Kept() any { return s.kept }

// End ends the session for the cause given, which must not be nil: it leaves its channels, and its receiver is told. The
// session keeps its place until its gateway closes it. Only the first end counts.
func (s *Session) End(cause error) {
	if s.leaveAll(cause) {
		s.receiver.End(cause)
	}
}

// Close takes the session out of its channels and gives back its place in the hub. The receiver is not told: it is its
// gateway that calls Close. It may be called more than once.
func (s *Session) Close() {
	s.leaveAll(nil)
	s.hub.forget(s)
}

// Abandon is Close for a gateway to which the client has not come after all.
func (s *Session) Abandon() {
	s.mu.Lock()
	s.absent = true
	s.mu.Unlock()
	s.Close()
}

// Absent tells whether the session was closed before its client was there: because the hub had no place for it, or its gateway refused
// it. It is for [Guard.Closed].
func (s *Session) Absent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.absent
}

// gone tells that the session has ended, and why: nil if it has not.
func (s *Session) gone() error {
	s.mu.Lock()
	ended, why := s.ended, s.why
	s.mu.Unlock()
	switch {
	case !ended && s.who.Load().over(time.Now()):
		return errExpired
	case !ended:
		return nil
	case why == 0:
		return ErrEnded
	}
	return Errorf(refusals[why-1].Code, "the session has ended meanwhile: %s", refusals[why-1].Means)
}

// leaveAll ends all subscriptions for a cause, nil if the client has gone, and reports whether the session was open until now. Once
// it returns, nothing more is handed over and the leaves of all that the session was in are on their way, whoever began them; but
// for those that a Subscribe is at, which are its own to end.
func (s *Session) leaveAll(cause error) (first bool) {
	s.mu.Lock()
	if first = !s.ended; first {
		s.ended = true
		s.blame(cause)
	}
	s.mu.Unlock()
	for _, sub := range s.subscriptions() {
		s.takeOut(sub, nil)
		s.await(sub)
	}
	return first
}

// Subscriptions returns the names of the session's channels, in no order.
func (s *Session) Subscriptions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	for sub := s.first; sub != nil; sub = sub.next {
		if !sub.leaving {
			names = append(names, sub.channel.name)
		}
	}
	return names
}

// subscriptions is a copy of the list.
func (s *Session) subscriptions() []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*subscription, 0, s.count)
	for sub := s.first; sub != nil; sub = sub.next {
		all = append(all, sub)
	}
	return all
}

// Ready tells the hub that most of what a receiver held when it answered [Late] has been written: the session gets what was kept
// for it meanwhile, until it is late again; where that came from one of several channels, it is the turn of the others next time.
// It may be called at any time, but not from within a Receiver's methods, and waits for nothing.
func (s *Session) Ready() {
	if s.hub.broker.Remote() && s.reads() {
		s.hub.work(s.catchUp)
		return
	}
	s.catchUp()
}

// reads tells whether something of what waits for the session is to be read from history.
func (s *Session) reads() bool { return slices.ContainsFunc(s.subscriptions(), (*subscription).reads) }

// catchUp hands over what waits, one subscription after the other.
func (s *Session) catchUp() {
	s.mu.Lock()
	only := s.first
	if s.count > 1 {
		only = nil
	}
	s.mu.Unlock()
	if only != nil { // the common case, without a copy
		s.hub.catchUp(only)
		return
	}
	for _, sub := range s.subscriptions() {
		if s.hub.catchUp(sub) {
			s.turn(sub)
			return
		}
	}
}

// turn puts a subscription, and those before it, at the end of the list.
func (s *Session) turn(to *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, last := (*subscription)(nil), s.first
	for sub := s.first; sub != nil; last, sub = sub, sub.next {
		if sub == to {
			at = sub
		}
	}
	if at == nil || at.next == nil {
		return
	}
	last.next, s.first, at.next = s.first, at.next, nil
}

// Lag is how many publications the hub holds back from the session because its client reads too slowly; what waits in the
// outbox of its connection is not among them.
func (s *Session) Lag() (publications int) {
	for _, sub := range s.subscriptions() {
		publications += sub.lag()
	}
	return publications
}

// Call is a question that a client asks and a handler answers.
type Call struct {
	Method  string
	Channel string // "" if it is about none
	Kind    Kind
	Payload []byte
}

// CallHandler answers calls. It is called on the goroutine of whoever calls [Session.Call], for a gateway one of each call; ctx ends with the client's connection. An
// [*Error] is told to the client as it is; of another error it learns only [CallFailed].
type CallHandler func(ctx context.Context, s *Session, call Call) (kind Kind, answer []byte, err error)

// Call asks the hub's handler, about a channel only if the client may call there. The error is an [*Error]: with [BadChannel],
// [NotAllowed], [UnknownMethod] without a handler, or the handler's.
func (s *Session) Call(ctx context.Context, call Call) (Kind, []byte, error) {
	if s.hub.options.Call == nil {
		return 0, nil, Errorf(UnknownMethod, "nobody answers the call %.60q: this server has no handler for calls", call.Method)
	}
	if call.Channel != "" {
		if err := CheckChannel(call.Channel); err != nil {
			return 0, nil, err
		}
		if err := s.may(ToCall, call.Channel, s.hub.Rule(call.Channel)); err != nil {
			return 0, nil, err
		}
	}
	kind, answer, err := s.hub.options.Call(ctx, s, call)
	if err != nil {
		return 0, nil, s.hub.failed(err, CallFailed, "the call %.60q failed", call.Method)
	}
	return kind, answer, nil
}
