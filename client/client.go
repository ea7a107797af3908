// Package client talks to a Ringdown server: one connection for any number of channels, which comes back by itself and goes on where it
// was. It speaks the native protocol (docs/protocol.md) over a WebSocket and, where none passes anything, makes do with
// Server-Sent Events or long polling (docs/channels.md).
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
// A connection counts as open when something has passed both ways, so that a proxy which accepts the Upgrade and eats what comes after
// it does not fool the client. What worked is used again, and while that is not the best transport, the best is tried beside
// it now and then. A connection that is silent is noticed by the client's own heartbeat, over every transport.
//
// A program that takes events more slowly than they come is not served without bounds: so many wait in the subscription
// ([Options.Queue]), then the connection is not read any more, and then the server does what its rule for the channel says,
// which the subscription is told.
//
// All methods may be called from any goroutine. docs/client-behaviours.md lists what this client and that for browsers do alike.
package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	// Dial says how to connect, over any transport: header, TLS, proxy, limits. Its zero Limits.Message means DefaultMaxMessage here,
	// and its zero HandshakeTimeout 10 s.
	Dial websocket.DialOptions
	// Prepare is called before each attempt to connect, with a copy of Dial: to choose another proxy, for instance. An error counts
	// as a failed attempt. May be nil.
	Prepare func(ctx context.Context, dial *websocket.DialOptions) error
	// Token gets the token that the server is shown, as Authorization: Bearer. It is called when a token is first needed, and with renew
	// when the one before is about to end (a tenth of its life before, a minute at most) or was refused: a cached one will not do
	// then. A new token is shown on the open connection. An error counts as a failed attempt. May be nil.
	Token func(ctx context.Context, renew bool) (string, error)

	// Transports may be used, the best first. nil means all: WebSocket, EventStream, LongPolling.
	Transports []Transport
	// Memory stores which transport worked, beyond this client. May be nil.
	Memory Memory
	// Heartbeat says how soon a dead connection is noticed.
	Heartbeat Heartbeat

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
	// ErrUnknown is returned by [Client.Publish] when a publication was sent and not answered for too long to be sent again:
	// nobody knows whether it was published.
	ErrUnknown = errors.New("client: it was sent, and it has been too long without an answer to send it again")
)

// Client is a connection to a server that comes back by itself. Make one with New or Dial, and Close it.
type Client struct {
	address address
	options Options
	chooser *chooser
	tokens  tokens
	invalid error           // the address or the options are
	ctx     context.Context // over when Close was called
	cancel  context.CancelFunc
	ended   chan struct{} // closed when run has returned
	wake    chan struct{} // Wake was called

	mu      sync.Mutex // guards what follows; taken before a subscription's
	state   State
	cause   error         // of the last failure; in state Closed, why
	changed chan struct{} // closed at the next change of state
	link    *link         // in state Open
	line    *link         // that, or one that is about to be open: whom subscriptions are entrusted to
	subs    map[string]*Subscription
	forced  sync.WaitGroup // calls of Options.Forced
}

// New returns a client that connects in the background. The URL is that of the server's /connect, with ws, wss, http or https; its
// parameters go with every request. A URL that is none closes the client at once.
func New(url string, options Options) *Client {
	c := newClient(url, options)
	go c.run()
	return c
}

// newClient is New, short of the running.
func newClient(url string, options Options) *Client {
	options.Queue = cmp.Or(max(0, options.Queue), DefaultQueue)
	options.MinBackoff = cmp.Or(max(0, options.MinBackoff), DefaultMinBackoff)
	options.MaxBackoff = max(cmp.Or(max(0, options.MaxBackoff), DefaultMaxBackoff), options.MinBackoff)
	options.Heartbeat = options.Heartbeat.withDefaults()
	options.Dial.Limits.Message = cmp.Or(options.Dial.Limits.Message, DefaultMaxMessage)
	c := &Client{
		options: options,
		tokens:  tokens{get: options.Token},
		ended:   make(chan struct{}),
		wake:    make(chan struct{}, 1),
		changed: make(chan struct{}),
		subs:    make(map[string]*Subscription),
	}
	all, invalid := transportsNamed(options.Transports)
	c.address, c.invalid = addressOf(url)
	if c.invalid == nil {
		c.invalid = invalid
	}
	if c.invalid == nil {
		c.chooser = newChooser(all, options.Memory, c.address.name())
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
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

// Transport is that over which the client is open, or "".
func (c *Client) Transport() Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil {
		return ""
	}
	return c.link.transport.name
}

// Wake is for programs that know of a reason to hope or to doubt: the machine was suspended, the network is another. The client looks at
// once whether its connection lives and, where there is none, tries at once to connect, unless the server has asked it to
// come later. It does not wait.
func (c *Client) Wake() { signal(c.wake) }

// Session is the name of this client's session, as others see it in presence, or "" while there is no WebSocket. It is another one
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
