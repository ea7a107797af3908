// One hook: its question is asked, and repeated where that is safe.

package backend

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"
)

// hook is one hook that is asked.
type hook struct {
	HookOptions
	name     Hook
	endpoint *endpoint
}

// Repetitions wait a random time below a bound that doubles from shortest to longest: "full jitter".
const (
	shortestWait = 50 * time.Millisecond
	longestWait  = time.Second
)

// ask sends a request, repeats it where that is safe, and returns what was answered. The error is an *Error or the caller's
// context's.
func (k *hook) ask(caller context.Context, r *Request) ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("backend: the %s hook cannot write its request: %w", k.name, err) // Info that is not JSON
	}
	ctx, cancel := context.WithTimeoutCause(caller, k.Timeout, errTimeout)
	defer cancel()
	for left := k.Retries; ; left-- {
		answer, err := k.endpoint.try(ctx, r.ID, body, k.patience(ctx, left))
		if err == nil {
			return answer, nil
		}
		t, ok := errors.AsType[*trouble](err)
		switch {
		case caller.Err() != nil:
			return nil, caller.Err()
		case !ok:
			return nil, unavailable(k.name, err)
		case t.invalid:
			return nil, invalid(k.name, t)
		case left == 0 || !t.undone && !k.Repeatable || errors.Is(t, ErrNotAsked):
			return nil, unavailable(k.name, t)
		case !pause(ctx, max(t.retryAfter, jitter(k.Retries-left))):
			return nil, cmp.Or(caller.Err(), error(unavailable(k.name, t)))
		}
	}
}

// patience is how long an attempt may take: half of what is left if there may be another, for a request may be lost on the way.
func (k *hook) patience(ctx context.Context, left int) time.Duration {
	deadline, _ := ctx.Deadline()
	remaining := time.Until(deadline)
	if left > 0 && k.Repeatable {
		return remaining / 2
	}
	return remaining
}

func jitter(attempt int) time.Duration {
	return mathrand.N(min(longestWait, shortestWait<<min(attempt, 10)))
}

// pause waits, and reports whether there is time for that. If it is clear that there is not, it does not wait.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
