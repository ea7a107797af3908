// The hub itself: the sessions and channels of this node.

package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
)

// DefaultMaxSessions is what Options.MaxSessions is when it is left zero.
const DefaultMaxSessions = 100_000

var (
	// ErrFull is returned by Open when MaxSessions are open already.
	ErrFull = errors.New("hub: full")
	// ErrShutdown is returned by Open once Shutdown was called, and is the cause with which Shutdown ends sessions.
	ErrShutdown = errors.New("hub: shutting down")
	// ErrEnded is returned by Subscribe when the session has ended or is closed.
	ErrEnded = errors.New("hub: the session has ended")
)

// Options are the bounds of a hub. The zero value is good.
type Options struct {
	MaxSessions int // sessions open at once; 0 means DefaultMaxSessions
}

// Hub holds a node's sessions and channels. Make one with New.
type Hub struct {
	options Options

	mu       sync.RWMutex // taken before the lock of a channel
	closing  bool
	empty    chan struct{} // made by Shutdown, closed when the last session has gone
	sessions map[*Session]struct{}
	channels map[string]*channel
}

// New returns a hub without sessions.
func New(options Options) *Hub {
	options.MaxSessions = cmp.Or(options.MaxSessions, DefaultMaxSessions)
	return &Hub{
		options:  options,
		sessions: make(map[*Session]struct{}),
		channels: make(map[string]*channel),
	}
}

// Open starts a session, subscribed to nothing yet; what it will be told goes to r. It counts against MaxSessions until
// its gateway closes it, also after its end. The error is [ErrShutdown], or wraps [ErrFull] and tells how many there are.
func (h *Hub) Open(r Receiver) (*Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return nil, ErrShutdown
	}
	if len(h.sessions) >= h.options.MaxSessions {
		return nil, fmt.Errorf("%w: all %d sessions are taken", ErrFull, h.options.MaxSessions)
	}
	s := &Session{hub: h, receiver: r}
	h.sessions[s] = struct{}{}
	return s, nil
}

// Publish hands p to every session subscribed to its channel, and tells what became of it there. It waits for no receiver.
// Neither p nor its payload may change from now on.
func (h *Hub) Publish(p *Publication) Receipt {
	h.mu.RLock()
	ch := h.channels[p.Channel]
	h.mu.RUnlock()
	if ch == nil {
		return Receipt{}
	}
	return ch.fanOut(p)
}

// Sessions returns how many sessions are open.
func (h *Hub) Sessions() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.sessions)
}

// Subscribers returns how many sessions are subscribed to a channel.
func (h *Hub) Subscribers(name string) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if ch := h.channels[name]; ch != nil {
		return ch.size()
	}
	return 0
}

// Shutdown refuses new sessions, ends those that are open with ErrShutdown, and waits until their gateways have closed
// them all. When ctx ends first, its error is returned.
func (h *Hub) Shutdown(ctx context.Context) error {
	open, empty := h.refuse()
	for _, s := range open {
		s.End(ErrShutdown)
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hub: %d sessions are still open: %w", h.Sessions(), ctx.Err())
	}
}

// refuse lets no new session in, and returns those that are open and what tells that they have gone.
func (h *Hub) refuse() (open []*Session, empty <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closing {
		h.closing = true
		h.empty = make(chan struct{})
		if len(h.sessions) == 0 {
			close(h.empty)
		}
	}
	for s := range h.sessions {
		open = append(open, s)
	}
	return open, h.empty
}

func (h *Hub) subscribe(s *Session, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.ended {
		return ErrEnded
	}
	ch := h.channels[name]
	if ch == nil {
		ch = &channel{name: name}
		h.channels[name] = ch
	}
	if !s.subscribed(ch) {
		s.first = &subscription{channel: ch, next: s.first}
		ch.add(s.first, s.receiver)
	}
	return nil
}

// end takes s out of its channels, and reports whether it was in until now.
func (h *Hub) end(s *Session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leave(s)
}

// remove is end for a session that is over: it also gives back its place.
func (h *Hub) remove(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave(s)
	if _, open := h.sessions[s]; !open {
		return
	}
	delete(h.sessions, s)
	if h.closing && len(h.sessions) == 0 {
		close(h.empty)
	}
}

// leave is called with h.mu held, so that nobody can join a channel while it vanishes.
func (h *Hub) leave(s *Session) bool {
	if s.ended {
		return false
	}
	s.ended = true
	for sub := s.first; sub != nil; sub = sub.next {
		if sub.channel.remove(sub) {
			delete(h.channels, sub.channel.name)
		}
	}
	s.first = nil
	return true
}
