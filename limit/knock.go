// Knocking: how fast sessions may come, asked before anybody finds out whose they are.

package limit

import (
	"net/netip"
	"time"
)

// Knock takes what a new session from an address takes of the rates of new sessions, which may be before it is known who it is for:
// checking a token, or asking a backend, costs more than a session, and whoever is turned away never has one. With it goes
// Options.Knocked. The address is that of the identity that the session will have. The error is an [*hub.Error] with
// [hub.RateLimited].
func (l *Limiter) Knock(address netip.Addr) error {
	if l.free {
		return nil
	}
	now := time.Now()
	if key, ok := l.counted(address); ok {
		e := l.addresses.acquire(key, now)
		err := l.arrive(e, now)
		l.addresses.release(key, e, now)
		if err != nil {
			return err
		}
	}
	return l.arriveInAll(now)
}

// arrive takes a token of those for the new sessions of an address.
func (l *Limiter) arrive(address *entry, now time.Time) error {
	if b := address.newSessions; b != nil && !b.AllowN(now, 1) {
		return l.tooSoon(sessionsNewPerAddress, b, now, "sessions of an address")
	}
	return nil
}

// arriveInAll takes a token of those for the new sessions of the node.
func (l *Limiter) arriveInAll(now time.Time) error {
	if b := l.newSessions; b != nil && !b.AllowN(now, 1) {
		return l.tooSoon(sessionsNew, b, now, "sessions")
	}
	return nil
}
