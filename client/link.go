// A link: one connection over one transport, from the attempt to its end. It is open when something has passed both ways.

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// errNotRingdown is the end of a connection whose other side speaks something else.
var errNotRingdown = errors.New("client: this is not the native protocol of Ringdown; is it the URL of /connect?")

type link struct {
	client    *Client
	transport transport
	own       bool // it is to be the client's connection, and does not only try a transport
	wire      wire
	session   string

	ctx        context.Context // over at the end
	cancel     context.CancelFunc
	stop       func() bool   // of what closes the wire when the client is closed
	stopped    chan struct{} // closed when that has been done
	background sync.WaitGroup

	dead  chan struct{} // closed at the end
	err   error         // why; set before dead is closed
	news  chan struct{} // there is something in queue
	asked chan struct{} // somebody has begun to wait for an answer
	woken bool          // the program has called Wake meanwhile; to be read at the end

	began   time.Time
	heardAt atomic.Int64  // since began, when there was a sign of life
	signs   atomic.Uint64 // of life, so far
	busy    atomic.Bool   // what was heard is being given to those it is for

	mu      sync.Mutex // guards what follows; taken after the client's and after a subscription's
	cause   error      // why this side has ended it
	queue   []queued   // each is of a caller who waits, or of a subscription
	lastID  uint64
	pending map[uint64]*pending
	waiting int // of pending, those somebody waits for

	farewell *DisconnectError // for the goroutine that reads
}

// pending is a command that has not been answered.
type pending struct {
	answer       chan heard    // takes one; nil for a subscription's
	subscription *Subscription // or nil
	sent         bool          // it may have reached the server
}

// queued is a command that is to be sent.
type queued struct {
	*pending // nil for one without answer
	text     []byte
}

// newLink opens a link. For the client's own, and not for one that only tries a transport, it asks for all subscriptions.
func (c *Client) newLink(ctx context.Context, t transport, own bool) (*link, error) {
	l := &link{client: c, transport: t, own: own, dead: make(chan struct{}), news: make(chan struct{}, 1), asked: make(chan struct{}, 1),
		pending: make(map[uint64]*pending), stopped: make(chan struct{}), began: time.Now()}
	to, err := c.route(ctx)
	if err != nil {
		return nil, &unpreparedError{err}
	}
	to.alive = l.alive
	if l.wire, err = t.open(ctx, to); err != nil {
		return nil, err
	}
	l.stop = context.AfterFunc(ctx, func() {
		defer close(l.stopped)
		l.wire.close()
	})
	l.ctx, l.cancel = context.WithCancel(ctx)
	l.say(ping)
	if own {
		c.entrust(l)
	}
	l.background.Go(l.write)
	if err := l.greet(); err != nil {
		return nil, l.end(err)
	}
	return l, nil
}

// greet waits until there is a welcome, and the answer to a ping: what this side says arrives, too.
func (l *link) greet() error {
	late := time.AfterFunc(l.transport.greeting, func() {
		l.abort(fmt.Errorf("%w: the connection was accepted, but in %v nothing has passed both ways", ErrSilent, l.transport.greeting))
	})
	defer late.Stop()
	h, err := l.wire.read()
	if err != nil {
		return err
	}
	if h.Type == "disconnect" {
		return farewell(h)
	}
	if h.Type != "welcome" {
		return errNotRingdown
	}
	l.session = h.Session
	return l.read(func(h *heard) bool { return h.Type == "pong" && h.id() == 0 })
}

// serve hears and says until the connection ends, and returns why it has.
func (l *link) serve(background ...func()) error {
	for _, f := range background {
		l.background.Go(f)
	}
	return l.end(l.read(func(*heard) bool { return false }))
}

// end waits for what runs in the background, and returns why the link has ended. The connection has ended with err.
func (l *link) end(err error) error {
	l.mu.Lock()
	if l.cause == nil {
		l.cause = err
	}
	if l.err = l.cause; l.farewell != nil {
		l.err = l.farewell
	}
	l.mu.Unlock()
	close(l.dead)
	l.cancel()
	l.wire.closeNow()
	if !l.stop() {
		<-l.stopped
	}
	l.background.Wait()
	return l.err
}

// abort ends the connection at once. The first cause counts.
func (l *link) abort(cause error) {
	l.mu.Lock()
	if l.cause == nil {
		l.cause = cause
	}
	l.mu.Unlock()
	l.wire.closeNow()
}

// read hears until enough is true of a message, or the connection ends.
func (l *link) read(enough func(*heard) bool) error {
	for {
		h, err := l.wire.read()
		if err != nil {
			return err
		}
		l.alive()
		if enough(h) {
			return nil
		}
		l.busy.Store(true)
		l.hear(h)
		l.busy.Store(false)
		l.alive()
	}
}

// unmarshal reads a message.
func unmarshal(message []byte, h *heard) error {
	if err := json.Unmarshal(message, h); err != nil {
		return fmt.Errorf("%w (%w)", errNotRingdown, err)
	}
	return nil
}

func farewell(h *heard) *DisconnectError {
	return &DisconnectError{Code: h.Code, Message: h.Message, Reconnect: h.Reconnect,
		RetryAfter: time.Duration(h.RetryAfter * float64(time.Second))}
}

// hear gives a message to whom it is for.
func (l *link) hear(h *heard) {
	switch {
	case h.Type == "disconnect":
		l.farewell = farewell(h)
	case !l.own: // what else is said is said to the client's connection, too
	case h.Type == "message":
		if s := l.client.subscription(h.Channel); s != nil {
			s.message(l, h)
		}
	case h.Type == "gap":
		if s := l.client.subscription(h.Channel); s != nil {
			s.gap(l, h)
		}
	case h.id() != 0:
		l.answered(h)
	case h.Type == "presence":
		if s := l.client.subscription(h.Channel); s != nil {
			s.push(l, &PresenceChange{h.Channel, h.Joined, h.Left, h.Sessions, h.Users}, nil)
		}
	case h.Type == "subscribed" && h.Forced:
		if s := l.client.force(h.Channel); s != nil {
			s.subscribed(l, h)
		}
	case h.Type == "unsubscribed":
		if s := l.client.subscription(h.Channel); s != nil && l.client.forget(s) {
			s.end(&UnsubscribedError{h.Reason})
		}
	}
}

// answered gives an answer to who waits for it.
func (l *link) answered(h *heard) {
	l.mu.Lock()
	p := l.pending[h.id()]
	delete(l.pending, h.id())
	if p != nil && p.answer != nil {
		l.waiting--
	}
	l.mu.Unlock()
	switch {
	case p == nil: // who waited has given up
	case p.answer != nil:
		p.answer <- *h
	case h.Type == "subscribed":
		p.subscription.subscribed(l, h)
	case h.Type == "error":
		p.subscription.refused(l, h)
	}
}

// ask queues a command whose answer somebody waits for.
func (l *link) ask(kind string, rest []byte) (id uint64, p *pending) {
	p = &pending{answer: make(chan heard, 1)}
	l.mu.Lock()
	id = l.put(p, newCommand(kind), rest)
	l.waiting++
	l.mu.Unlock()
	signal(l.news)
	signal(l.asked)
	return id, p
}

// put is called with the lock.
func (l *link) put(p *pending, c command, rest []byte) uint64 {
	l.lastID++
	l.pending[l.lastID] = p
	c = append(c.number("id", l.lastID), rest...)
	l.queue = append(l.queue, queued{p, c.end()})
	return l.lastID
}

// say queues a command whose answer nobody waits for.
func (l *link) say(command []byte) {
	l.mu.Lock()
	l.queue = append(l.queue, queued{text: command})
	l.mu.Unlock()
	signal(l.news)
}

// giveUp is for who does not wait any longer.
func (l *link) giveUp(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending[id] != nil {
		delete(l.pending, id)
		l.waiting--
	}
}

// awaited tells whether somebody waits for an answer.
func (l *link) awaited() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting > 0
}

// subscribe asks for a subscription, from where it has got to.
func (l *link) subscribe(s *Subscription) {
	rest := command(nil).text("channel", s.channel).text("cursor", s.beginAgain())
	if s.options.Presence {
		rest = rest.raw("presence", []byte("true"))
	}
	l.mu.Lock()
	l.put(&pending{subscription: s}, newCommand("subscribe"), rest)
	l.mu.Unlock()
	signal(l.news)
}

// unsubscribe asks for no more of a channel.
func (l *link) unsubscribe(channel string) {
	l.say(newCommand("unsubscribe").text("channel", channel).end())
}

// write sends what is queued until the connection ends.
func (l *link) write() {
	for {
		select {
		case <-l.news:
		case <-l.dead:
			return
		}
		if queue := l.take(); len(queue) > 0 {
			if err := l.wire.write(queue); err != nil {
				l.wire.closeNow() // the reader will say why it ended, if it knows better
				return
			}
		}
	}
}

// take takes all that is queued.
func (l *link) take() (texts [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.queue {
		texts = append(texts, c.text)
		if c.pending != nil {
			c.sent = true
		}
	}
	l.queue = nil
	return texts
}

// wasSent tells whether the server may have heard of a command.
func (l *link) wasSent(p *pending) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return p.sent
}

// signal wakes who waits on c, now or the next time.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
