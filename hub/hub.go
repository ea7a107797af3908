// The hub itself: the channels of this node, its sessions, and the fan-out from one to the other.

package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
)

// What an [Options] field is when it is left zero.
const (
	DefaultMaxSessions = 10_000
	DefaultOutboxBytes = 1 << 20
	DefaultOutboxCount = 1024
)

var (
	// ErrFull is returned by Open when MaxSessions are open already.
	ErrFull = errors.New("hub: full")
	// ErrShutdown is returned by Open once Shutdown was called, and is the cause with which Shutdown ends sessions.
	ErrShutdown = errors.New("hub: shutting down")
	// ErrSlow is the cause with which a session ends that takes its publications too slowly.
	ErrSlow = errors.New("hub: slow consumer")
	// ErrClosed is the cause with which a session ends that its gateway has closed.
	ErrClosed = errors.New("hub: session closed")
)

// Options are the bounds of a hub. The zero value is good.
type Options struct {
	MaxSessions int // sessions open at once; 0 means DefaultMaxSessions
	OutboxBytes int // payload bytes waiting in one session's outbox; 0 means DefaultOutboxBytes
	OutboxCount int // publications waiting in one session's outbox; 0 means DefaultOutboxCount
}

// Hub holds a node's sessions and channels. Make one with New.
type Hub struct {
	options Options

	mu       sync.RWMutex // taken before the lock of a channel, which is taken before that of a session
	closing  bool
	empty    chan struct{} // made by Shutdown, closed when the last session has gone
	sessions map[*Session]struct{}
	channels map[string]*channel
}

// channel is a name that somebody is subscribed to.
type channel struct {
	mu          sync.Mutex // also makes the order of publications: whoever holds it is next in every outbox
	subscribers map[*Session]struct{}
}

// New returns a hub without sessions.
func New(options Options) *Hub {
	options.MaxSessions = cmp.Or(options.MaxSessions, DefaultMaxSessions)
	options.OutboxBytes = cmp.Or(options.OutboxBytes, DefaultOutboxBytes)
	options.OutboxCount = cmp.Or(options.OutboxCount, DefaultOutboxCount)
	return &Hub{
		options:  options,
		sessions: make(map[*Session]struct{}),
		channels: make(map[string]*channel),
	}
}

// Open starts a session, which counts against MaxSessions until it is closed. The error is ErrFull or ErrShutdown,
// wrapped in a sentence.
func (h *Hub) Open() (*Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return nil, ErrShutdown
	}
	if len(h.sessions) >= h.options.MaxSessions {
		return nil, fmt.Errorf("%w: all %d sessions are taken", ErrFull, h.options.MaxSessions)
	}
	s := newSession(h)
	h.sessions[s] = struct{}{}
	return s, nil
}

// Publish hands p to every session subscribed to its channel and returns how many took it. Neither p nor its payload
// may change from now on. A session that has ended, or that ends now because it is too slow, is not counted.
//
// A burst of publications could overflow the outboxes of sessions that are not slow at all, whose goroutines only wait
// for a processor. So where an outbox is more than half full, Publish waits for it to empty, for a moment: a session for
// which a tenth of a second was too short is not waited for again until it has caught up.
func (h *Hub) Publish(p *Publication) int {
	h.mu.RLock()
	ch := h.channels[p.Channel]
	h.mu.RUnlock()
	if ch == nil {
		return 0
	}
	taken, behind := ch.fanOut(p)
	if behind != nil {
		behind.awaitRoom()
	}
	return taken
}

// fanOut offers p to every subscriber. It returns how many took it, and one that has fallen behind, if any has. One is
// enough: the others empty their outboxes while the publisher waits, or are next.
func (ch *channel) fanOut(p *Publication) (count int, behind *Session) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for s := range ch.subscribers {
		taken, late := s.offer(p)
		if taken {
			count++
		}
		if late {
			behind = s
		}
	}
	return count, behind
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
	ch := h.channels[name]
	if ch == nil {
		return 0
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return len(ch.subscribers)
}

// Shutdown refuses new sessions, ends those that are open with ErrShutdown, and waits until their gateways have closed
// them all. What waits in their outboxes may still be taken. When ctx ends first, its error is returned.
func (h *Hub) Shutdown(ctx context.Context) error {
	empty := h.endAll()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hub: %d sessions are still open: %w", h.Sessions(), ctx.Err())
	}
}

func (h *Hub) endAll() (empty <-chan struct{}) {
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
		s.End(ErrShutdown)
	}
	return h.empty
}

func (h *Hub) subscribe(s *Session, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, open := h.sessions[s]; !open {
		return
	}
	ch := h.channels[name]
	if ch == nil {
		ch = &channel{subscribers: make(map[*Session]struct{})}
		h.channels[name] = ch
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if _, already := ch.subscribers[s]; !already {
		ch.subscribers[s] = struct{}{}
		s.channels = append(s.channels, name)
	}
}

// remove takes s out of its channels and gives back its place.
func (h *Hub) remove(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, open := h.sessions[s]; !open {
		return
	}
	delete(h.sessions, s)
	for _, name := range s.channels {
		h.leave(s, name)
	}
	if h.closing && len(h.sessions) == 0 {
		close(h.empty)
	}
}

// leave is called with h.mu held, so that nobody can join a channel while it vanishes.
func (h *Hub) leave(s *Session, name string) {
	ch := h.channels[name]
	ch.mu.Lock()
	defer ch.mu.Unlock()
	delete(ch.subscribers, s)
	if len(ch.subscribers) == 0 {
		delete(h.channels, name)
	}
}
