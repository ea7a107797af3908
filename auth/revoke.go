// Revocations: tokens that are refused although they have not expired.

package auth

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Revocation says which tokens are refused from now on: exactly one of User, Session and Token is set.
type Revocation struct {
	User    string // tokens of this user that were issued at Before or earlier, or do not say when
	Session string // tokens of this login, by their "sid"
	Token   string // the token with this "jti"

	// Before bounds a User's revocation, to the second, so that he can log in again. A token of the same second is refused. Zero means
	// now and Options.Leeway, for the clock of who issued the tokens may be ahead as far as that; whoever knows that it is not, and has
	// the user log in again at once, says now.
	Before time.Time
	// Until is when the revocation is forgotten. Zero means: when all tokens that it refuses have expired, by Options.MaxTTL.
	Until time.Time
}

// Covers reports whether the tokens that are refused include the one with these claims.
func (r Revocation) Covers(c *Claims) bool {
	switch {
	case r.User != "":
		return r.User == c.User && (c.IssuedAt.IsZero() || c.IssuedAt.Unix() <= r.Before.Unix())
	case r.Session != "":
		return r.Session == c.Session
	}
	return r.Token != "" && r.Token == c.ID
}

// ErrTooManyRevocations is what Revoke returns when as many are held as may be.
var ErrTooManyRevocations = errors.New("no further revocation can be held; raise MaxRevocations, or change the signing key, which revokes all")

// Revocations is a list of them, by what they name. The zero value is empty. Verifiers that follow one another can share it, by
// Options.Revocations; otherwise each has its own. Its methods may be called from any goroutine.
type Revocations struct {
	mu    sync.RWMutex // guards what follows
	list  map[revoked]Revocation
	swept time.Time // when the expired ones were last removed
}

type revoked struct{ kind, name string }

func (r Revocation) key() (k revoked, err error) {
	set := 0
	for _, candidate := range []revoked{{"user", r.User}, {"session", r.Session}, {"token", r.Token}} {
		if candidate.name != "" {
			k = candidate
			set++
		}
	}
	if set != 1 {
		return k, fmt.Errorf("a revocation names %d of user, session and token; name exactly one", set)
	}
	if !isName(k.name) {
		return k, fmt.Errorf("the %s to revoke is not 1 to %d bytes of printable UTF-8, so no token can have it", k.kind, maxName)
	}
	return k, nil
}

// Revoke has tokens refused from now on, and tells OnRevoke. Of two revocations of the same name the one with more effect
// remains. It fails, and nothing is revoked, if the revocation makes no sense. With [ErrTooManyRevocations] it is not held, and tokens
// are taken still; OnRevoke is told of it all the same.
func (v *Verifier) Revoke(r Revocation) error {
	now := time.Now()
	k, err := r.key()
	if err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	last := now // when a token may be made that is refused
	if r.Before.IsZero() {
		r.Before = now.Add(v.options.Leeway)
	} else if r.Before.After(now) && r.User != "" {
		last = r.Before
	}
	if r.Until.IsZero() && v.options.MaxTTL < 0 {
		return errors.New("auth: tokens may live for any time here, so a revocation must say until when it is kept")
	}
	if r.Until.IsZero() { // a token may be from the future by the leeway, and outlive its end by it
		r.Until = last.Add(v.options.MaxTTL + 2*v.options.Leeway + time.Second)
	}
	if !r.Until.After(now) {
		return fmt.Errorf("auth: the revocation would be over at %s, which is past; give it a later end", at(r.Until))
	}
	r, err = v.options.Revocations.add(k, r, now, v.options.MaxRevocations)
	if v.options.OnRevoke != nil {
		v.options.OnRevoke(r)
	}
	if err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	return nil
}

// Revocations lists those in force, in no order.
func (v *Verifier) Revocations() []Revocation {
	l := v.options.Revocations
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(time.Now())
	all := make([]Revocation, 0, len(l.list))
	for _, r := range l.list {
		all = append(all, r)
	}
	return all
}

const sweepInterval = time.Minute

func (l *Revocations) add(k revoked, r Revocation, now time.Time, most int) (Revocation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) >= most || now.Sub(l.swept) >= sweepInterval {
		l.sweep(now)
	}
	old, held := l.list[k]
	if !held && len(l.list) >= most {
		return r, ErrTooManyRevocations
	}
	if held && old.Until.After(now) {
		r.Before = slices.MaxFunc([]time.Time{old.Before, r.Before}, time.Time.Compare)
		r.Until = slices.MaxFunc([]time.Time{old.Until, r.Until}, time.Time.Compare)
	}
	if l.list == nil {
		l.list = map[revoked]Revocation{}
	}
	l.list[k] = r
	return r, nil
}

// sweep removes what has expired. The caller holds the lock.
func (l *Revocations) sweep(now time.Time) {
	l.swept = now
	for k, r := range l.list {
		if !r.Until.After(now) {
			delete(l.list, k)
		}
	}
}

// Check refuses claims that are revoked, with an [*Error] with [ErrRevoked].
func (l *Revocations) Check(c *Claims) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.list) == 0 {
		return nil
	}
	now := time.Now()
	for _, k := range []revoked{{"user", c.User}, {"session", c.Session}, {"token", c.ID}} {
		if r, held := l.list[k]; held && k.name != "" && r.Until.After(now) && r.Covers(c) {
			return refuse(ErrRevoked, "the token was revoked, by its %s; log in again for a new one", k.kind)
		}
	}
	return nil
}
