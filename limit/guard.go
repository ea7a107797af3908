// The guard: what a session may send, and what happens when it sends more.

package limit

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ringdown/ringdown/hub"
)

// session is what a session keeps.
type session struct {
	address *entry     // nil if it has none that is counted
	key     netip.Addr // of address

	mu    sync.Mutex // guards what follows; only calls for this session take it
	user  *entry     // nil for the anonymous
	named string     // who user is
	sent  *sent      // nil until something was sent
	ended bool
}

// sent is what a session keeps once it has sent something.
type sent struct {
	rates   [kinds]*rate.Limiter // each made when it is first needed: most sessions only subscribe
	since   time.Time            // the first of refused
	refused int                  // by its own rates
	told    time.Time            // when the log was told last
}

// Open implements [hub.Guard]: it counts the session.
func (l *Limiter) Open(s *hub.Session) error {
	if l.free {
		return nil
	}
	who, now := s.Identity(), time.Now()
	st := new(session)
	if key, ok := l.counted(s.Address()); ok {
		st.address, st.key = l.addresses.acquire(key, now), key
		if err := l.enter(st.address, now); err != nil {
			l.addresses.release(key, st.address, now)
			return err
		}
	}
	if err := l.openAs(st, who.User, now); err != nil {
		l.leave(st, now)
		return err
	}
	s.Keep(st)
	return nil
}

// enter counts a session of an address.
func (l *Limiter) enter(address *entry, now time.Time) error {
	if !l.knocked {
		if err := l.arrive(address, now); err != nil {
			return err
		}
	}
	if most := l.limits.Sessions.PerAddress; address.sessions.Add(1) > int64(most) && most >= 0 {
		address.sessions.Add(-1)
		return l.tooMany(sessionsPerAddress, most, "sessions of this address")
	}
	return nil
}

// openAs counts the session of a user, and for the node.
func (l *Limiter) openAs(st *session, user string, now time.Time) error {
	if !l.knocked {
		if err := l.arriveInAll(now); err != nil {
			return err
		}
	}
	return l.become(st, user, now)
}

// become counts the session as a user's. If that is one too many it is nobody's.
func (l *Limiter) become(st *session, user string, now time.Time) error {
	if user == "" {
		return nil
	}
	st.user, st.named = l.users.acquire(user, now), user
	if most := l.limits.Sessions.PerUser; st.user.sessions.Add(1) > int64(most) && most >= 0 {
		l.release(st, now)
		return l.tooMany(sessionsPerUser, most, "sessions of this user")
	}
	return nil
}

// release counts the session as nobody's.
func (l *Limiter) release(st *session, now time.Time) {
	if st.user != nil {
		st.user.sessions.Add(-1)
		l.users.release(st.named, st.user, now)
		st.user, st.named = nil, ""
	}
}

// Renew implements [hub.Guard]: an anonymous session that becomes a user's is one session more of his.
func (l *Limiter) Renew(s *hub.Session, who *hub.Identity) error {
	st, ok := s.Kept().(*session)
	if !ok {
		return nil
	}
	now := time.Now()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ended || who.User == st.named {
		return nil
	}
	l.release(st, now)
	return l.become(st, who.User, now)
}

// Closed implements [hub.Guard].
func (l *Limiter) Closed(s *hub.Session) {
	if st, ok := s.Kept().(*session); ok {
		l.leave(st, time.Now())
	}
}

// leave undoes enter and openAs.
func (l *Limiter) leave(st *session, now time.Time) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.ended = true
	l.release(st, now)
	if st.address != nil {
		st.address.sessions.Add(-1)
		l.addresses.release(st.key, st.address, now)
		st.address = nil
	}
}

// Message implements [hub.Guard].
func (l *Limiter) Message(s *hub.Session, size int) error { return l.take(s, [kinds]int{1, size, 0}) }

// Subscribe implements [hub.Guard].
func (l *Limiter) Subscribe(_ context.Context, s *hub.Session, _ string) error {
	return l.take(s, [kinds]int{subscribes: 1})
}

// Publish implements [hub.Guard]. What is published came in a message, which was counted.
func (l *Limiter) Publish(context.Context, *hub.Session, *hub.Publication) error { return nil }

// Waits implements [hub.Guard].
func (l *Limiter) Waits() bool { return false }

// cure is what the log says to do about a client that is over its limits.
const cure = "if it is right to do so much, raise the limit (limits in the configuration); otherwise correct the client"

// take takes tokens from every bucket that the session has a share in. What was taken before one refused is gone: trying costs.
func (l *Limiter) take(s *hub.Session, n [kinds]int) error {
	st, ok := s.Kept().(*session)
	if !ok {
		return nil
	}
	now := time.Now()
	st.mu.Lock()
	whose, err := l.check(st, now, n)
	if err == nil {
		st.mu.Unlock()
		return nil
	}
	tell, end := false, false
	if whose != ofNode && !st.ended {
		tell = st.sent.tells(now, l.limits.Patience.Within)
	}
	if whose == ofSession && !st.ended {
		end, err = l.lose(st, now, err)
	}
	st.mu.Unlock()
	switch {
	case end:
		l.ended.Add(1)
		l.log.Info("session ended", "session", s.ID(), "user", s.User(), "remote", s.Address(), "code", string(hub.RateLimited), "cause", err, "cure", cure)
		s.End(err)
	case tell:
		l.log.Info("limited", "session", s.ID(), "user", s.User(), "remote", s.Address(), "code", string(hub.RateLimited), "cause", err, "cure", cure)
	}
	return err
}

// check takes the tokens, and tells whose were missing.
func (l *Limiter) check(st *session, now time.Time, n [kinds]int) (scope, error) {
	st.prepare(&l.limits.Session, &n)
	if err := l.takeFrom(ofSession, &st.sent.rates, now, &n); err != nil {
		return ofSession, err
	}
	if st.user != nil {
		if err := l.takeFrom(ofUser, &st.user.rates, now, &n); err != nil {
			return ofUser, err
		}
	}
	if st.address != nil {
		if err := l.takeFrom(ofAddress, &st.address.rates, now, &n); err != nil {
			return ofAddress, err
		}
	}
	for k, b := range l.node {
		if b != nil && n[k] > 0 && !b.allow(now, min(n[k], b.bucket.Burst())) {
			return ofNode, l.tooFast(ofNode, kind(k), b.bucket, now, n[k])
		}
	}
	return 0, nil
}

// prepare makes the buckets that are needed.
func (st *session) prepare(rates *Rates, n *[kinds]int) {
	if st.sent == nil {
		st.sent = new(sent)
	}
	for k, r := range rates.each() {
		if n[k] > 0 && st.sent.rates[k] == nil {
			st.sent.rates[k] = r.limiter()
		}
	}
}

func (l *Limiter) takeFrom(whose scope, rates *[kinds]*rate.Limiter, now time.Time, n *[kinds]int) error {
	for k, b := range rates {
		if b != nil && n[k] > 0 && !b.AllowN(now, min(n[k], b.Burst())) {
			return l.tooFast(whose, kind(k), b, now, n[k])
		}
	}
	return nil
}

// tells reports whether the log is to be told of a refusal: of one within a time.
func (s *sent) tells(now time.Time, within time.Duration) bool {
	if now.Sub(s.told) <= within {
		return false
	}
	s.told = now
	return true
}

// lose is patience lost: it counts a refusal by the session's own rates, adds the warning to it, and tells whether the session is to be
// ended. Refusals by rates that it shares are not counted, for whoever crosses those may be somebody else.
func (l *Limiter) lose(st *session, now time.Time, err error) (end bool, _ error) {
	p := l.limits.Patience
	if p.Refusals < 0 {
		return false, err
	}
	if now.Sub(st.sent.since) > p.Within {
		st.sent.since, st.sent.refused = now, 0
	}
	st.sent.refused++
	_, sentence := hub.RefusalOf(err)
	left := p.Refusals - st.sent.refused
	if left <= 0 {
		st.ended = true
		return true, hub.Errorf(hub.RateLimited, "the session is ended: it was refused %d times within %s and went on; %s",
			st.sent.refused, p.Within, sentence)
	}
	if left > p.Refusals/2 {
		return false, err
	}
	return false, hub.Errorf(hub.RateLimited, "%s; %w", fmt.Sprintf("after %d more refusals the session is ended", left), err)
}
