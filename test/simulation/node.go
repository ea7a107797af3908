// The node under test: a hub with its gateways behind a listener, which can be stopped, gracefully or not, and started anew on the
// same port; and the tap between hub and broker that enters into the log what was published.

package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// outbox is how many bytes the gateways let wait for a client: little, so that slow readers are noticed within a short run.
const outbox = 48 << 10

// linger is how long those who have gone stay in the presence.
const linger = 50 * time.Millisecond

// node is a running server.
type node struct {
	hub      *hub.Hub
	channels *channelhttp.Gateway
	connect  *native.Gateway
	http     *http.Server
	serving  chan error
}

// startNode listens on an address, whose port may be 0.
func startNode(log *Log, address string) (n *node, listening string, err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, "", fmt.Errorf("starting the node: %w", err)
	}
	accept := websocket.AcceptOptions{Limits: websocket.Limits{CloseTimeout: grace}}
	quiet := slog.New(slog.DiscardHandler)
	n = &node{serving: make(chan error, 1)}
	n.hub, err = hub.New(hub.Options{Broker: newTap(memory.New(memory.Options{}), log), Rules: rules(), Linger: linger, Log: quiet})
	if err == nil {
		n.channels, err = channelhttp.New(n.hub, channelhttp.Options{Accept: accept, OutboxBytes: outbox, Identify: identity, Log: quiet})
	}
	if err == nil {
		n.connect, err = native.New(n.hub, native.Options{Accept: accept, OutboxBytes: outbox, Identify: identity, Log: quiet})
	}
	if err != nil {
		l.Close()
		return nil, "", err
	}
	mux := http.NewServeMux()
	mux.Handle("/channels/{channel}", n.channels)
	mux.Handle("/channels", n.channels)
	mux.Handle("/connect", n.connect)
	n.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(quiet.Handler(), slog.LevelError)}
	log.Add(Entry{What: NodeStarted})
	go func() { n.serving <- n.http.Serve(smallBuffers{l}) }()
	return n, l.Addr().String(), nil
}

// identity lets clients name themselves.
func identity(r *http.Request) (hub.Identity, error) {
	return hub.Identity{User: r.URL.Query().Get("user")}, nil
}

// smallBuffers is a listener whose connections keep little in the kernel, which would otherwise take megabytes for a reader
// that stalls before the server noticed.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return c, c.(*net.TCPConn).SetWriteBuffer(bufferSize)
}

// grace is how long requests may go on once the node is stopped, and how long a WebSocket waits for the answer to its Close frame:
// short, as many peers have become silent and never will answer.
const grace = 300 * time.Millisecond

// stop ends the node, and says whether anything of it is left.
func (n *node) stop(ctx context.Context) error {
	gateways := make(chan error, 2)
	n.http.RegisterOnShutdown(func() {
		go func() { gateways <- n.channels.Shutdown(ctx) }()
		go func() { gateways <- n.connect.Shutdown(ctx) }()
	})
	short, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if n.http.Shutdown(short) != nil {
		n.http.Close()
	}
	err := errors.Join(<-gateways, <-gateways, n.hub.Shutdown(ctx))
	if served := <-n.serving; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// tap is a broker that logs what another one numbers.
type tap struct {
	hub.Broker
	log *Log

	mu    sync.Mutex // guards what follows
	known map[string]string
}

func newTap(b hub.Broker, log *Log) *tap {
	return &tap{Broker: b, log: log, known: make(map[string]string)}
}

// Publish implements [hub.Broker].
func (t *tap) Publish(ctx context.Context, p *hub.Publication, s hub.Storing) (hub.Published, error) {
	began := t.log.Mark()
	content := Content{ID: identify(p.Payload), Kind: p.Kind, Event: p.Event, Key: p.Key, Payload: p.Payload}
	done, err := t.Broker.Publish(ctx, p, s)
	if err == nil {
		t.log.Add(Entry{What: Numbered, Channel: p.Channel, Content: content, Cursor: done.Cursor(), Began: began, Duplicate: done.Duplicate})
	}
	return done, err
}

// Subscribe implements [hub.Broker].
func (t *tap) Subscribe(ctx context.Context, channel string, r hub.Retention) (hub.Position, error) {
	began := t.log.Mark()
	at, err := t.Broker.Subscribe(ctx, channel, r)
	if err == nil {
		t.began(channel, at, began)
	}
	return at, err
}

// History implements [hub.Broker].
func (t *tap) History(ctx context.Context, channel string, q hub.Query) (hub.History, error) {
	began := t.log.Mark()
	h, err := t.Broker.History(ctx, channel, q)
	if err == nil {
		t.began(channel, h.Top, began)
	}
	return h, err
}

// began enters a numbering that was not heard of before.
func (t *tap) began(channel string, at hub.Position, mark Mark) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[channel] != at.Epoch {
		t.known[channel] = at.Epoch
		t.log.Add(Entry{What: Renumbered, Channel: channel, Cursor: at.Cursor(), Began: mark})
	}
}
