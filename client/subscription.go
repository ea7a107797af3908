// A subscription: a channel's events, in order, across connections.

package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"
)

// SubscribeOptions say how to subscribe. The zero value begins now.
type SubscribeOptions struct {
	// Cursor is where to go on: of a message or subscription of an earlier run, or from elsewhere. "" begins now.
	Cursor string
	// Presence asks to be told who comes and goes. Without a WebSocket nobody tells.
	Presence bool
}

// UnsubscribedError is the end of a subscription by the server.
type UnsubscribedError struct{ Reason string }

func (e *UnsubscribedError) Error() string {
	return "client: unsubscribed by the server: " + e.Reason
}

// Subscription is a channel that the client listens to. It outlives connections. Its events are for one taker: each is handed out
// once.
type Subscription struct {
	client  *Client
	channel string
	options SubscribeOptions
	forced  bool

	ready chan struct{} // closed when the server has first agreed
	done  chan struct{} // closed at the end
	news  chan struct{} // there is something in the queue
	room  chan struct{} // something was taken from it

	mu     sync.Mutex // guards what follows
	queue  []Event
	on     bool     // the server has agreed on this connection, and all that came since is in the queue
	paused bool     // the queue was full for too long: nothing comes until it has become emptier
	known  bool     // there is a position
	last   position // of the last event that was put into the queue
	taken  string   // cursor of the last event that was taken from it
	cause  error    // why it is over
	over   bool
}

// position is how far a subscription has got.
type position struct {
	offset uint64
	exact  bool // the offset is known
	cursor string
}

// stall is how long the connection is not read because a subscription's queue is full. It is less than what a server waits
// for the answer to a ping.
const stall = 2 * time.Second

func newSubscription(c *Client, channel string, o SubscribeOptions) *Subscription {
	return &Subscription{client: c, channel: channel, options: o, ready: make(chan struct{}), done: make(chan struct{}),
		news: make(chan struct{}, 1), room: make(chan struct{}, 1),
		last: position{cursor: o.Cursor}, known: o.Cursor != "", taken: o.Cursor}
}

// Subscribe listens to a channel, and returns when the server has agreed: what is published from then on, or after the cursor, will be
// handed out. It waits for the connection if there is none. There is at most one subscription of a channel.
//
// The error is an [*Error] if the server refuses, or is the context's, or tells why the client is closed.
func (c *Client) Subscribe(ctx context.Context, channel string, o SubscribeOptions) (*Subscription, error) {
	s := newSubscription(c, channel, o)
	if err := c.add(s); err != nil {
		return nil, err
	}
	select {
	case <-s.ready:
		return s, nil
	case <-s.done:
		return nil, s.cause
	case <-ctx.Done():
		s.Close()
		return nil, context.Cause(ctx)
	}
}

func (c *Client) add(s *Subscription) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subs == nil {
		return c.cause
	}
	if c.subs[s.channel] != nil {
		return fmt.Errorf("client: there is a subscription of %q already; close it first", s.channel)
	}
	c.subs[s.channel] = s
	if c.line != nil {
		c.line.subscribe(s)
	}
	return nil
}

// subscription is that of a channel, or nil.
func (c *Client) subscription(channel string) *Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.subs[channel]
}

// forget takes a subscription out, and reports whether it was there.
func (c *Client) forget(s *Subscription) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subs[s.channel] != s {
		return false
	}
	delete(c.subs, s.channel)
	return true
}

// force is the subscription of a channel that the server wants, or nil if nobody wants to hear of it.
func (c *Client) force(channel string) *Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.subs[channel]; s != nil || c.subs == nil || c.options.Forced == nil {
		return s
	}
	s := newSubscription(c, channel, SubscribeOptions{})
	s.forced = true
	c.subs[channel] = s
	c.forced.Go(func() { c.options.Forced(s) })
	return s
}

// resume asks again for a subscription that is not on, if the link is still the client's.
func (c *Client) resume(s *Subscription, l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line != nil && (l == nil || l == c.line) && c.subs[s.channel] == s {
		c.line.subscribe(s)
	}
}

// Channel is the name of the channel.
func (s *Subscription) Channel() string { return s.channel }

// Cursor is where to go on after the last event that was taken: for a later run of the program. It is "" before the first, unless
// Subscribe was given one.
func (s *Subscription) Cursor() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// Next takes the next event, and waits for it. After the end of the subscription, and once all that was received is taken, the
// error is [ErrClosed], an [*UnsubscribedError], an [*Error], or tells why the client is closed. When ctx ends, the error is its.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		if e, err := s.take(); e != nil || err != nil {
			return e, err
		}
		select {
		case <-s.news:
		case <-s.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (s *Subscription) take() (Event, error) {
	s.mu.Lock()
	if len(s.queue) == 0 {
		defer s.mu.Unlock()
		if s.over {
			return nil, s.cause
		}
		return nil, nil
	}
	e := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	if cursor := e.event(); cursor != "" {
		s.taken = cursor
	}
	resume := s.paused && len(s.queue) <= s.client.options.Queue/2
	if resume {
		s.paused = false
	}
	if len(s.queue) > 0 {
		signal(s.news) // for another taker
	}
	s.mu.Unlock()
	signal(s.room)
	if resume {
		s.client.resume(s, nil)
	}
	return e, nil
}

// Events takes events until ctx ends or the subscription does. The last turn of the loop has an error, as [Subscription.Next], unless
// the subscription or client was closed by this side.
func (s *Subscription) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := s.Next(ctx)
			if errors.Is(err, ErrClosed) || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Close ends the subscription. What waits can still be taken. It may be called more than once.
func (s *Subscription) Close() {
	c := s.client
	c.mu.Lock()
	if c.subs[s.channel] == s {
		delete(c.subs, s.channel)
		if c.line != nil {
			c.line.unsubscribe(s.channel)
		}
	}
	c.mu.Unlock()
	s.end(ErrClosed)
}

// end is the end; only the first counts.
func (s *Subscription) end(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.over, s.cause = true, cause
		close(s.done)
	}
}

// beginAgain is called when the server is asked for the subscription; it returns where to go on.
func (s *Subscription) beginAgain() (cursor string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on, s.paused = false, false
	return s.last.cursor
}

// What follows is called by the goroutine that reads the connection l.

// subscribed takes the server's word that the channel begins.
func (s *Subscription) subscribed(l *link, h *heard) {
	at := position{h.Offset, !h.unnumbered, h.Cursor}
	s.mu.Lock()
	lost := s.known && (h.Recovered == nil || !*h.Recovered)
	s.on, s.known = true, true
	if !lost && (at.exact || !s.last.exact) {
		s.last = at
	}
	if s.taken == "" {
		s.taken = h.Cursor
	}
	select {
	case <-s.ready:
	default:
		close(s.ready)
	}
	s.mu.Unlock()
	if lost {
		s.push(l, &Gap{Channel: s.channel, To: h.Offset, Cursor: h.Cursor, Unrecovered: true}, &at)
	}
}

// refused takes the server's word that the channel does not begin.
func (s *Subscription) refused(l *link, h *heard) {
	switch h.Code {
	case "already_subscribed": // the server has forced it meanwhile
		s.mu.Lock()
		s.on = true
		s.mu.Unlock()
	case "unavailable", "internal", "shutting_down", "full", "rate_limited":
		b := Backoff{Min: s.client.options.MinBackoff, Max: s.client.options.MaxBackoff}
		time.AfterFunc(b.Next(b.Min), func() { s.client.resume(s, l) })
	default:
		if s.client.forget(s) {
			s.end(h.err())
		}
	}
}

// message takes a publication, and notices what is missing before it.
func (s *Subscription) message(l *link, h *heard) {
	s.mu.Lock()
	on, last := s.on, s.last
	s.mu.Unlock()
	if !on || last.exact && h.Offset <= last.offset {
		return
	}
	m, err := h.publication()
	if !last.exact {
		last.offset = h.Offset - 1
	}
	if err == nil && h.Offset > last.offset+1 && !h.Conflated {
		s.push(l, &Gap{Channel: s.channel, From: last.offset + 1, To: h.Offset - 1, Cursor: last.cursor}, &position{h.Offset - 1, true, last.cursor})
	}
	at := position{h.Offset, true, h.Cursor}
	if err != nil { // nothing that a later attempt would mend
		s.push(l, &Gap{Channel: s.channel, From: last.offset + 1, To: h.Offset, Cursor: h.Cursor}, &at)
		return
	}
	s.push(l, m, &at)
}

func (s *Subscription) gap(l *link, h *heard) {
	s.mu.Lock()
	on := s.on
	s.mu.Unlock()
	if on {
		g := &Gap{Channel: s.channel, From: h.From, To: h.To, Cursor: h.Cursor, Unrecovered: h.denied()}
		s.push(l, g, &position{h.To, h.To != 0, h.Cursor})
	}
}

// push puts an event into the queue, and notes how far the subscription has got with it. While the queue is full it waits, and with it
// all the connection. After too long the subscription is paused: the server is to keep what comes, and is asked for it later.
func (s *Subscription) push(l *link, e Event, at *position) {
	var late <-chan time.Time
	for {
		if s.add(l, e, at) {
			return
		}
		if late == nil {
			timer := time.NewTimer(stall)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-s.room:
		case <-l.asked:
		case <-s.done:
			return
		case <-s.client.ctx.Done():
			s.interrupt()
			return
		case <-late:
			l.unsubscribe(s.channel)
			if !s.pause() { // there is room, just now
				s.client.resume(s, l)
			}
			return
		}
	}
}

// add reports whether the event has found room, or is not wanted. Somebody who waits for an answer may be who would take the events:
// for his sake the queue becomes longer.
func (s *Subscription) add(l *link, e Event, at *position) bool {
	limit := s.client.options.Queue
	if l.awaited() {
		limit *= 16
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || !s.on {
		return true
	}
	if len(s.queue) >= limit {
		return false
	}
	s.queue = append(s.queue, e)
	if at != nil {
		s.last = *at
	}
	signal(s.news)
	return true
}

// interrupt notes that an event was not put into the queue, and so nothing after it may be.
func (s *Subscription) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = false
}

// pause is interrupt, until the queue is half empty; it reports false if it already is.
func (s *Subscription) pause() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = false
	s.paused = len(s.queue) > s.client.options.Queue/2
	return s.paused
}
