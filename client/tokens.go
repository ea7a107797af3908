// The token: asked for when it is first needed, and again before it ends or when the server does not want it any more.

package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
)

const (
	tokenMargin    = 10            // a token is renewed when this part of its life is left,
	longestMargin  = time.Minute   // or this long before its end
	shortestLife   = time.Second   // between renewals, for programs whose tokens have ended when they come
	tokensRefused  = 2             // new ones in a row, after which another makes no sense
	longestTokenIn = math.MaxInt32 // seconds since 1970 that are a year far from overflow
)

// tokens may be used by any goroutine.
type tokens struct {
	get func(ctx context.Context, renew bool) (string, error) // nil: there are none

	mu       sync.Mutex // guards what follows
	token    string
	due      time.Time // when to renew it; zero if nobody knows
	refusals int       // in a row
	asked    bool
}

// current is a token that is good as far as is known: the one there is, or a new one.
func (t *tokens) current(ctx context.Context) (string, error) {
	if t.get == nil {
		return "", nil
	}
	t.mu.Lock()
	token, due := t.token, t.due
	t.mu.Unlock()
	if token != "" && (due.IsZero() || time.Now().Before(due)) {
		return token, nil
	}
	return t.renew(ctx)
}

// renew asks the program for a token.
func (t *tokens) renew(ctx context.Context) (string, error) {
	t.mu.Lock()
	again := t.asked
	t.asked = true
	t.mu.Unlock()
	token, err := t.get(ctx, again)
	if err != nil {
		return "", fmt.Errorf("client: no token: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token, t.due = token, time.Time{}
	if end := expiry(token); !end.IsZero() {
		left := time.Until(end)
		t.due = end.Add(-min(left/tokenMargin, longestMargin))
	}
	return token, nil
}

// dueIn is in how long the token is to be renewed, if that is known.
func (t *tokens) dueIn() (in time.Duration, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(shortestLife, time.Until(t.due)), !t.due.IsZero()
}

// accepted notes that the server has taken the token.
func (t *tokens) accepted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refusals = 0
}

// refused notes that the server has refused the token, and tells whether to come with another makes sense: not if new ones are
// refused, too.
func (t *tokens) refused() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = ""
	t.refusals++
	return t.get != nil && t.refusals <= tokensRefused
}

// expiry is when a JSON Web Token ends (RFC 7519 §4.1.4); zero for what does not tell.
func expiry(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) < 2 {
		return time.Time{}
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var of struct{ Exp float64 }
	if err != nil || json.Unmarshal(claims, &of) != nil || !(of.Exp > 0 && of.Exp < longestTokenIn) {
		return time.Time{}
	}
	return time.UnixMilli(int64(of.Exp * 1000))
}
