// Package turn decides who may write to a connection next. Many goroutines may ask; one holds the turn while it writes
// one frame. A message written as a stream of fragments keeps other messages out from its first frame to its last, but
// lets control frames pass in between (RFC 6455 §5.4).
package turn

import (
	"context"
	"slices"
	"sync"
)

// Kind is what somebody wants to write.
type Kind uint8

// The kinds of frame, by what they must wait for.
const (
	Message Kind = iota // a whole message, or a streamed one's first frame: waits for a streamed message to end
	Inner               // a control frame, or a further frame of the streamed message: waits for the present frame only
)

// Turn is the right to write. Its zero value is free. Those who wait get it in the order in which they came, save that
// nobody waits behind a message that cannot start yet.
type Turn struct {
	mu       sync.Mutex
	held     bool // somebody is writing a frame
	streamed bool // a message was begun and not ended
	waiters  []waiter
}

type waiter struct {
	kind  Kind
	ready chan struct{} // closed when the turn is theirs
}

// Take waits for the turn until ctx is done.
func (t *Turn) Take(ctx context.Context, kind Kind) error {
	if t.Try(kind) {
		return nil
	}
	return t.wait(ctx, kind)
}

// Try takes the turn if it is free.
func (t *Turn) Try(kind Kind) bool {
	t.mu.Lock()
	free := !t.held && !(t.streamed && kind == Message)
	if free {
		t.held = true
	}
	t.mu.Unlock()
	return free
}

func (t *Turn) wait(ctx context.Context, kind Kind) error {
	t.mu.Lock()
	if !t.held && !(t.streamed && kind == Message) {
		t.held = true
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
	t.mu.Lock()
	switch after {
	case Streamed:
		t.streamed = true
	case Ended:
		t.streamed = false
	}
	for i, w := range t.waiters {
		if w.kind == Message && t.streamed {
			continue
		}
		t.waiters = slices.Delete(t.waiters, i, i+1)
		t.mu.Unlock()
		close(w.ready) // held stays true: it is theirs
		return
	}
	t.held = false
	if len(t.waiters) == 0 {
		t.waiters = nil
	}
	t.mu.Unlock()
}
