// A session: one client, and the bounded outbox in which publications wait until its gateway takes them.

package hub

import (
	"context"
	"sync"
	"time"
)

// keepQueue is the capacity up to which an emptied queue is kept for the next publications: enough for a lively
// channel, small enough to be held by every idle session.
const keepQueue = 32

// patience is the longest that a publisher waits for a session that falls behind: much longer than a goroutine waits for
// a processor on a busy machine, short enough for one wait to go unnoticed.
const patience = 100 * time.Millisecond

// Session is one client of the hub. It is opened by [Hub.Open], ends for one cause, and is closed by its gateway.
//
// A session that has ended takes no more publications; a session that is closed has also left its channels and given
// back its place in the hub.
type Session struct {
	hub      *Hub
	channels []string // guarded by hub.mu

	ctx    context.Context // done when the session has ended; its cause says why
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	ready sync.Cond // on mu: signalled when there is something to take, or the session has ended
	room  sync.Cond // on mu: signalled when something was written, or the session has ended, or patience has
	ended bool
	slow  bool           // a publisher has waited in vain; nobody waits again until everything is written
	queue []*Publication // not yet taken
	count int            // publications taken from the queue last time or still in it: what the gateway has yet to write
	bytes int            // their payloads
}

func newSession(h *Hub) *Session {
	s := &Session{hub: h}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.ready.L, s.room.L = &s.mu, &s.mu
	return s
}

// Context is done when the session has ended; [context.Cause] then says why: [ErrSlow], [ErrShutdown], [ErrClosed], or
// what was given to End.
func (s *Session) Context() context.Context { return s.ctx }

// Subscribe adds the session to a channel: it is handed every publication from now on. Subscribing twice is subscribing
// once; a closed session stays out. The error says what is wrong with the name.
func (s *Session) Subscribe(channel string) error {
	if err := CheckChannel(channel); err != nil {
		return err
	}
	s.hub.subscribe(s, channel)
	return nil
}

// Next waits for publications and takes all there are, in order. It returns false when the session has ended and there
// is nothing left to take: after ErrSlow at once, otherwise once everything offered before the end has been taken.
//
// The batch of the call before is handed back as done, which says that it is written (until then it counts against the
// outbox) and lets its memory be used again. The first call is made with nil.
func (s *Session) Next(done []*Publication) (batch []*Publication, ok bool) {
	clear(done)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recount()
	s.slow = s.slow && s.count > 0
	s.room.Broadcast()
	for len(s.queue) == 0 && !s.ended {
		s.ready.Wait()
	}
	if len(s.queue) == 0 {
		return nil, false
	}
	batch, s.queue = s.queue, nil
	if cap(done) <= keepQueue {
		s.queue = done[:0]
	}
	return batch, true
}

// recount counts what is in the queue, and with that no longer what was taken before.
func (s *Session) recount() {
	s.count, s.bytes = len(s.queue), 0
	for _, p := range s.queue {
		s.bytes += len(p.Payload)
	}
}

// offer appends p to the outbox. It tells whether the session took it, and whether the session has fallen so far behind
// that the publisher should wait for it.
func (s *Session) offer(p *Publication) (taken, behind bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false, false
	}
	if !s.fits(p) {
		s.queue = nil
		s.end(ErrSlow)
		return false, false
	}
	s.queue = append(s.queue, p)
	s.count++
	s.bytes += len(p.Payload)
	if len(s.queue) == 1 {
		s.ready.Signal()
	}
	return true, s.behind()
}

// behind tells whether the outbox is more than half full, unless that was waited for in vain.
func (s *Session) behind() bool {
	return !s.ended && !s.slow && (s.count > s.hub.options.OutboxCount/2 || s.bytes > s.hub.options.OutboxBytes/2)
}

// awaitRoom waits until the outbox is half empty, but no longer than patience allows.
func (s *Session) awaitRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	timer := time.AfterFunc(patience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.slow = s.behind()
		s.room.Broadcast()
	})
	defer timer.Stop()
	for s.behind() {
		s.room.Wait()
	}
}

// fits tells whether p may wait. An empty outbox takes a publication of any size, so that the bound on bytes need not
// know the bound on messages.
func (s *Session) fits(p *Publication) bool {
	if s.count == 0 {
		return true
	}
	return s.count < s.hub.options.OutboxCount && s.bytes+len(p.Payload) <= s.hub.options.OutboxBytes
}

// End ends the session for the cause given, which must not be nil. Its gateway notices by [Session.Context] and
// [Session.Next]. Only the first end counts.
func (s *Session) End(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(cause)
}

func (s *Session) end(cause error) {
	if s.ended {
		return
	}
	s.ended = true
	s.cancel(cause)
	s.ready.Broadcast()
	s.room.Broadcast()
}

// Close ends the session, with [ErrClosed] unless it has ended already, takes it out of its channels and gives back its
// place in the hub. It may be called more than once.
func (s *Session) Close() {
	s.End(ErrClosed)
	s.hub.remove(s)
}
