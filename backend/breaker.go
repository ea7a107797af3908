// The circuit breaker: a service that fails is left alone for a while, and then asked once whether it is back.

package backend

import (
	"fmt"
	"sync"
	"time"
)

// State is a circuit breaker's.
type State uint8

// The states. A breaker goes from Closed to Open, from Open to HalfOpen, and from there to either.
const (
	Closed   State = iota // requests pass, and are counted
	Open                  // none passes
	HalfOpen              // one passes; what becomes of it decides
)

// String is the state's name: "closed", "open" or "half-open".
func (s State) String() string { return [...]string{"closed", "open", "half-open"}[s] }

// When a breaker opens: of at least minAsked requests within window, half failed. A share and not a run of failures, so that
// one client whose requests make the service stumble does not cut off all the others.
const (
	window   = 10 * time.Second
	minAsked = 10
)

// outcome is what became of a request that passed.
type outcome uint8

const (
	answered  outcome = iota // even if with nonsense
	failed                   // no answer, or one that says that the service is out of order
	abandoned                // by whoever asked; says nothing about the service
)

// ticket belongs to a request that passed. An outcome from before the last change of state counts no more.
type ticket int

type breaker struct {
	rest    time.Duration        // how long it stays open
	changed func(from, to State) // told of every change, under the lock
	now     func() time.Time

	mu      sync.Mutex
	state   State
	changes ticket    // how many there were
	since   time.Time // when the last was; in Closed, when the window began
	asked   int       // in the window
	failed  int
	probing bool // in HalfOpen: one is under way
}

func newBreaker(rest time.Duration, changed func(from, to State)) *breaker {
	return &breaker{rest: rest, changed: changed, now: time.Now, since: time.Now()}
}

// enter lets a request pass, whose outcome must be told to leave, or says why not.
func (b *breaker) enter() (ticket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	switch b.state {
	case Closed:
		if now.Sub(b.since) > window {
			b.since, b.asked, b.failed = now, 0, 0
		}
	case Open:
		if err := b.resting(now); err != nil {
			return 0, err
		}
		b.turn(HalfOpen, now)
		b.probing = true
	case HalfOpen:
		if b.probing {
			return 0, fmt.Errorf("it failed too often and is being tried with one request; look into the service's log")
		}
		b.probing = true
	}
	return b.changes, nil
}

// blocked is the error that enter would return now, if it is sure; it lets nothing pass.
func (b *breaker) blocked() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != Open {
		return nil
	}
	return b.resting(b.now())
}

func (b *breaker) resting(now time.Time) error {
	if left := b.rest - now.Sub(b.since); left > 0 {
		return fmt.Errorf("it failed too often and is not asked for another %v; look into the service's log", left.Round(time.Millisecond))
	}
	return nil
}

// leave tells what became of a request that passed.
func (b *breaker) leave(t ticket, o outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t != b.changes {
		return
	}
	if b.state == HalfOpen {
		b.probing = false
		switch o {
		case answered:
			b.turn(Closed, b.now())
		case failed:
			b.turn(Open, b.now())
		}
		return
	}
	if o == abandoned {
		return
	}
	b.asked++
	if o == failed {
		b.failed++
		if b.asked >= minAsked && 2*b.failed >= b.asked {
			b.turn(Open, b.now())
		}
	}
}

// turn is the one place where the state changes.
func (b *breaker) turn(to State, now time.Time) {
	from := b.state
	b.state, b.since, b.asked, b.failed, b.probing = to, now, 0, 0, false
	b.changes++
	if b.changed != nil {
		b.changed(from, to)
	}
}

// current is the state.
func (b *breaker) current() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}
