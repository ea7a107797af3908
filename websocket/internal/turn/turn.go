// Package turn decides who may write to a connection next. Many goroutines may ask; one holds the turn while it writes
// one frame. A message written as a stream of fragments keeps other messages out from its first frame to its last, but
// lets control frames pass in between (RFC 6455 §5.4).
package turn

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Kind is what somebody wants to write.
type Kind uint8

// The kinds of frame, by what they must wait for.
const (
	Message Kind = iota // a whole message, or a streamed one's first frame: waits for a streamed message to end
	Inner               // a control frame, or a further frame of the streamed message: waits for the present frame only
)

// Turn is the right to write. Its zero value is free. Those who wait get it in the order in which they came, save that
// nobody waits behind a message that cannot start yet. With nobody waiting, taking and giving are one atomic step each.
type Turn struct {
	state   atomic.Uint32
	mu      sync.Mutex // guards waiters, and the bit that tells of them
	waiters []waiter
}

// Bits of Turn.state.
const (
	held     = 1 << iota // somebody is writing a frame
	streamed             // a message was begun and not ended
	waited               // there may be waiters
	broken               // nobody waits for a message to end any more
)

type waiter struct {
	kind  Kind
	ready chan struct{} // closed when the turn is theirs
}

// Take waits for the turn until ctx is done.
func (t *Turn) Take(ctx context.Context, kind Kind) error {
	if t.state.CompareAndSwap(0, held) || t.Try(kind) {
		return nil
	}
	return t.wait(ctx, kind)
}

// Try takes the turn if it is free.
func (t *Turn) Try(kind Kind) bool {
	for {
		s := t.state.Load()
		if s&held != 0 || s&streamed != 0 && kind == Message {
			return false
		}
		if t.state.CompareAndSwap(s, s|held) {
			return true
		}
	}
}

func (t *Turn) wait(ctx context.Context, kind Kind) error {
	t.mu.Lock()
	t.state.Or(waited) // from here on Give comes for mu
	if t.Try(kind) {
		t.mu.Unlock()
		return nil
	}
	ready := make(chan struct{})
	t.waiters = append(t.waiters, waiter{kind, ready})
	t.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	i := slices.IndexFunc(t.waiters, func(w waiter) bool { return w.ready == ready })
	if i >= 0 {
		t.waiters = slices.Delete(t.waiters, i, i+1)
	}
	t.mu.Unlock()
	if i < 0 { // it was handed over at this very moment: pass it on
		t.Give(Same)
	}
	return ctx.Err()
}

// After says how a streamed message stands when a frame has been written.
type After uint8

// What a frame did to the streamed message, if there is one.
const (
	Same     After = iota // nothing: a whole message, a control frame, a fragment in the middle
	Streamed              // it was the first of several fragments
	Ended                 // it was the last of several fragments
)

// Give ends the holder's turn and hands it to the next in line.
func (t *Turn) Give(after After) {
	if after == Same && t.state.CompareAndSwap(held, 0) {
		return
	}
	t.give(after)
}

// Break is for the end of everything: streamed messages that will never end keep nobody waiting from here on. Those who
// wait get the turn one after the other as before.
func (t *Turn) Break() {
	t.mu.Lock()
	t.state.Or(broken)
	t.state.And(^uint32(streamed))
	t.mu.Unlock()
	if t.Try(Message) {
		t.give(Same) // to the first who waits
	}
}

func (t *Turn) give(after After) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := t.state.Load() & (streamed | broken) // while the turn is held and mu too, nobody else changes the state
	switch {
	case after == Streamed && rest&broken == 0:
		rest |= streamed
	case after == Ended:
		rest &^= streamed
	}
	next := slices.IndexFunc(t.waiters, func(w waiter) bool { return w.kind == Inner || rest&streamed == 0 })
	if next >= 0 {
		close(t.waiters[next].ready)
		t.waiters = slices.Delete(t.waiters, next, next+1)
		rest |= held // it is theirs
	}
	if len(t.waiters) > 0 {
		rest |= waited
	} else {
		t.waiters = nil
	}
	t.state.Store(rest)
}
