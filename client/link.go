// A link: one connection, from the server's welcome to its end.

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// errNotRingdown is the end of a connection whose other side speaks something else.
var errNotRingdown = errors.New("client: this is not the native protocol of Ringdown; is it the URL of /connect?")

// greeting is how long the server may take to say welcome. Some proxies let a handshake pass and nothing after it.
const greeting = 10 * time.Second

type link struct {
	client  *Client
	conn    *websocket.Conn
	session string

	dead  chan struct{} // closed at the end
	err   error         // why; set before dead is closed
	news  chan struct{} // there is something in queue
	asked chan struct{} // somebody has begun to wait for an answer

	mu      sync.Mutex // guards what follows; taken after the client's and after a subscription's
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

// newLink waits for the welcome. It closes the connection if that does not come.
func newLink(c *Client, conn *websocket.Conn) (*link, error) {
	l := &link{client: c, conn: conn, dead: make(chan struct{}), news: make(chan struct{}, 1), asked: make(chan struct{}, 1),
		pending: make(map[uint64]*pending)}
	ctx, cancel := context.WithTimeout(c.ctx, greeting)
	defer cancel()
	_, message, err := conn.Read(ctx)
	if err != nil {
		conn.CloseNow()
		return nil, fmt.Errorf("client: waiting for the server's welcome: %w", err)
	}
	var h heard
	if err := json.Unmarshal(message, &h); err == nil && h.Type == "disconnect" {
		conn.CloseNow()
		return nil, farewell(&h)
	}
	if h.Type != "welcome" {
		conn.Close(websocket.StatusPolicyViolation, "the first message is not a welcome")
		return nil, errNotRingdown
	}
	l.session = h.Session
	return l, nil
}

// serve hears and says until the connection ends, and returns why it has.
func (l *link) serve() error {
	var background sync.WaitGroup
	background.Go(l.write)
	closed := make(chan struct{})
	stop := context.AfterFunc(l.client.ctx, func() {
		defer close(closed)
		l.conn.Close(websocket.StatusNormalClosure, "")
	})
	l.err = l.read()
	close(l.dead)
	l.conn.CloseNow()
	if !stop() {
		<-closed
	}
	background.Wait()
	return l.err
}

func (l *link) read() error {
	for {
		_, message, err := l.conn.Read(context.Background())
		switch {
		case err != nil && l.farewell != nil:
			return l.farewell
		case err != nil:
			return err
		}
		var h heard
		if err := json.Unmarshal(message, &h); err != nil {
			l.conn.Close(websocket.StatusInvalidPayload, "a message is not JSON of the protocol")
			return fmt.Errorf("client: the server says what is not of the protocol: %w", err)
		}
		l.hear(&h)
	}
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
	l.mu.Lock()
	l.queue = append(l.queue, queued{text: newCommand("unsubscribe").text("channel", channel).end()})
	l.mu.Unlock()
	signal(l.news)
}

// Bounds of what is sent as one message. A server takes 100 commands and 256 KiB.
const (
	maxBatch      = 100
	maxBatchBytes = 64 << 10
)

// write sends what is queued until the connection ends.
func (l *link) write() {
	for {
		select {
		case <-l.news:
		case <-l.dead:
			return
		}
		for queue := l.take(); len(queue) > 0; {
			var message []byte
			message, queue = batch(queue)
			if err := l.conn.Write(context.Background(), websocket.Text, message); err != nil {
				l.conn.CloseNow() // the reader will say why it ended, if it knows better
				return
			}
		}
	}
}

// take takes all that is queued.
func (l *link) take() []queued {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.queue
	l.queue = nil
	for _, c := range queue {
		if c.pending != nil {
			c.sent = true
		}
	}
	return queue
}

// wasSent tells whether the server may have heard of a command.
func (l *link) wasSent(p *pending) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return p.sent
}

// batch makes one message of as many commands as go together.
func batch(queue []queued) (message []byte, rest []queued) {
	n, size := 1, len(queue[0].text)
	for n < len(queue) && n < maxBatch && size+len(queue[n].text) < maxBatchBytes {
		size += len(queue[n].text) + 1
		n++
	}
	if n == 1 {
		return queue[0].text, queue[1:]
	}
	message = make([]byte, 0, size+2)
	for _, c := range queue[:n] {
		message = append(append(message, ','), c.text...)
	}
	message[0] = '['
	return append(message, ']'), queue[n:]
}

// signal wakes who waits on c, now or the next time.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
