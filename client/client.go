// Package client talks to a Ringdown server over its native protocol (docs/protocol.md): one connection for any number of
// channels, which comes back by itself and goes on where it was.
//
//	c, err := client.Dial(ctx, "ws://127.0.0.1:8000/connect", client.Options{})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	news, err := c.Subscribe(ctx, "news", client.SubscribeOptions{})
//	if err != nil {
//		return err
//	}
//	for e, err := range news.Events(ctx) {
//		switch e := e.(type) {
//		case *client.Message:
//			fmt.Println(e.Text())
//		case *client.Gap:
//			fmt.Println("something was missed")
//		}
//		...
//	}
//
// # What it promises
//
// A subscription's events come in the order of the channel, no message twice. What is lost is told, by a [Gap] at its place; what
// the server still has is fetched when the connection comes back. A message that was taken from a subscription is not delivered
// again.
//
// Publishing is safe to repeat, and is repeated until there is a receipt: a publication gets an idempotency key.
//
// A program that takes events more slowly than they come is not served without bounds: so many wait in the subscription
// ([Options.Queue]), then the connection is not read any more, and then the server does what its rule for the channel says,
// which the subscription is told.
//
// All methods may be called from any goroutine.
package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// Subprotocol is the WebSocket subprotocol that the client asks for.
const Subprotocol = "ringdown.v1.json"

// What an [Options] field is when it is left zero.
const (
	DefaultQueue      = 256
	DefaultMinBackoff = time.Second
	DefaultMaxBackoff = 30 * time.Second
	DefaultMaxMessage = 8 << 20 // bytes
)

// Options are the choices of a client. The zero value is fine.
type Options struct {
	// Dial says how to connect: header, TLS, proxy, limits. Its zero Limits.Message means DefaultMaxMessage here, and its zero
	// KeepAlive a ping every 20 s, to be answered within 10 s.
	Dial websocket.DialOptions
	// Prepare is called before each attempt to connect, with a copy of Dial: to renew a token, for instance. An error counts
	// as a failed attempt. May be nil.
	Prepare func(ctx context.Context, dial *websocket.DialOptions) error

	// Queue is how many events of a subscription may wait to be taken. 0 means DefaultQueue.
	Queue int
	// MinBackoff and MaxBackoff are the bounds of the time within which the next attempt to connect is made: a random part of
	// MinBackoff after the first failure, of twice that after the second, and so on up to MaxBackoff. A server's word on when to
	// come back goes before. 0 means the defaults.
	MinBackoff, MaxBackoff time.Duration

	// Observe is told of each change of the client's state, one at a time and in order. The client waits for it, so it must
	// neither take long nor call what waits for the client. May be nil.
	Observe func(Change)
	// Forced is told of a subscription that the server wants, on a goroutine of its own. nil leaves them unheard.
	Forced func(*Subscription)
}

var (
	// ErrClosed is returned once the client, or the subscription, was closed by this side.
	ErrClosed = errors.New("client: closed")
	// ErrLost is returned by [Client.Call] when the connection broke before the answer came: nobody knows whether the call was
	// handled.
	ErrLost = errors.New("client: the connection broke before the answer came")
)

// Client is a connection to a server that comes back by itself. Make one with New or Dial, and Close it.
type Client struct {
	url     string
	options Options
	ctx     context.Context // over when Close was called
	cancel  context.CancelFunc
	ended   chan struct{} // closed when run has returned

	mu      sync.Mutex // guards what follows; taken before a subscription's
	state   State
	cause   error         // of the last failure; in state Closed, why
	changed chan struct{} // closed at the next change of state
	link    *link         // in state Open
	subs    map[string]*Subscription
	forced  sync.WaitGroup // calls of Options.Forced
}

// New returns a client that connects in the background. The URL is that of the server's /connect, with ws, wss, http or https.
func New(url string, options Options) *Client {
	options.Queue = cmp.Or(max(0, options.Queue), DefaultQueue)
	options.MinBackoff = cmp.Or(max(0, options.MinBackoff), DefaultMinBackoff)
	options.MaxBackoff = max(cmp.Or(max(0, options.MaxBackoff), DefaultMaxBackoff), options.MinBackoff)
	dial := &options.Dial
	dial.Limits.Message = cmp.Or(dial.Limits.Message, DefaultMaxMessage)
	dial.KeepAlive.Interval = cmp.Or(dial.KeepAlive.Interval, 20*time.Second)
	dial.Subprotocols = []string{Subprotocol}
	c := &Client{
		url:     socketURL(url),
		options: options,
		ended:   make(chan struct{}),
		changed: make(chan struct{}),
		subs:    make(map[string]*Subscription),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	go c.run()
	return c
}

// Dial is [New], and waits until the connection is open. When ctx ends first, or the server refuses for good, the client is
// closed and the error tells why there is no connection.
func Dial(ctx context.Context, url string, options Options) (*Client, error) {
	c := New(url, options)
	if _, err := c.open(ctx); err != nil {
		if last := c.lastCause(); last != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w; the last attempt: %w", err, last)
		}
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the connection and all subscriptions, and waits for what runs in the background. What waits to be taken from a
// subscription can still be taken. It may be called more than once, but not from within Options.Observe or Forced.
func (c *Client) Close() error {
	c.cancel()
	<-c.ended
	c.forced.Wait()
	return nil
}

// State is the client's state.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Err is why the client is closed: [ErrClosed], or what the server said; nil while it is not.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Closed {
		return nil
	}
	return c.cause
}

func (c *Client) lastCause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Session is the name of this client's session, as others see it in presence, or "" while there is no connection. It is another one
// after each reconnection.
func (c *Client) Session() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil {
		return ""
	}
	return c.link.session
}

// open waits for the connection.
func (c *Client) open(ctx context.Context) (*link, error) {
	for {
		c.mu.Lock()
		l, state, cause, changed := c.link, c.state, c.cause, c.changed
		c.mu.Unlock()
		switch {
		case state == Closed:
			return nil, cause
		case l != nil:
			return l, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// run connects, again and again, until Close or until the server does not want the client any more.
func (c *Client) run() {
	defer close(c.ended)
	wait := Backoff{Min: c.options.MinBackoff, Max: c.options.MaxBackoff}
	welcome := false // it has been open
	for {
		l, err := c.connect()
		if err == nil {
			welcome = true
			c.opened(l)
			opened := time.Now()
			err = l.serve()
			wait.Opened(time.Since(opened))
		}
		if c.ctx.Err() != nil {
			c.close(ErrClosed)
			return
		}
		if final(err, welcome) {
			c.close(err)
			return
		}
		pause := wait.Next(comeBack(err))
		c.to(Waiting, nil, err, pause)
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
			c.close(ErrClosed)
			return
		}
		c.to(Connecting, nil, err, 0)
	}
}

// connect opens a connection, up to the server's welcome.
func (c *Client) connect() (*link, error) {
	dial := c.options.Dial
	dial.Header = dial.Header.Clone()
	if dial.Header == nil {
		dial.Header = make(http.Header)
	}
	if c.options.Prepare != nil {
		if err := c.options.Prepare(c.ctx, &dial); err != nil {
			return nil, err
		}
	}
	conn, response, err := websocket.Dial(c.ctx, c.url, &dial)
	if err != nil {
		return nil, refused(response, err)
	}
	return newLink(c, conn)
}

// opened makes the connection the client's, and has it ask for all subscriptions before anybody else can say anything.
func (c *Client) opened(l *link) {
	c.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(c.subs)) {
		if s := c.subs[name]; !s.forced {
			l.subscribe(s)
		}
	}
	c.link = l // from here on, who subscribes asks by itself
	c.mu.Unlock()
	c.to(Open, l, nil, 0)
}

// close is the end.
func (c *Client) close(cause error) {
	c.to(Closed, nil, cause, 0)
	c.mu.Lock()
	all := c.subs
	c.subs = nil
	c.mu.Unlock()
	for _, s := range all {
		s.end(cause)
	}
}
