package native_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/gateway/native"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

const patience = 10 * time.Second // for what should come at once

var kept = hub.Retention{Count: 100, Age: time.Minute}

// rules are those of the conversations, too.
var rules = []hub.Rule{
	{Pattern: "updates", Publish: hub.Everyone, History: kept},
	{Pattern: "room", Publish: hub.Everyone, Presence: true, History: kept},
	{Pattern: "prices", Publish: hub.Everyone, History: kept, Slow: hub.Conflate},
	{Pattern: "short", Publish: hub.Everyone, History: hub.Retention{Count: 2, Age: time.Minute}},
	{Pattern: "brief", Publish: hub.Everyone, MaxPayload: 16},
	{Pattern: "members", Publish: hub.Users, Subscribe: hub.Users},
	{Pattern: "many*", Publish: hub.Everyone},
	{Pattern: "dropping", Publish: hub.Everyone, Slow: hub.DropOldest, Backlog: 1},
	{Pattern: "notices"},
}

// node is a hub with a gateway behind an HTTP server.
type node struct {
	t       testing.TB
	hub     *hub.Hub
	gateway *native.Gateway
	lossy   *lossy
	url     string
}

// lossy is a broker that loses deliveries when it is told to.
type lossy struct {
	hub.Broker
	hub.Sink
	lose atomic.Int64
}

func (l *lossy) Start(sink hub.Sink) error {
	l.Sink = sink
	return l.Broker.Start(l)
}

func (l *lossy) Deliver(p *hub.Publication) {
	if l.lose.Add(-1) < 0 {
		l.Sink.Deliver(p)
	}
}

// remoteBroker is one in memory that says that it is beyond a network, if remote is set.
func remoteBroker(remote bool) hub.Broker {
	b := memory.New(memory.Options{})
	if !remote {
		return b
	}
	return far{b}
}

type far struct{ hub.Broker }

func (far) Remote() bool { return true }

func start(t testing.TB, options native.Options) *node { return startWith(t, options, hub.Options{}) }

func startWith(t testing.TB, options native.Options, o hub.Options) *node {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	if o.Broker == nil {
		o.Broker = remoteBroker(false)
	}
	broker := &lossy{Broker: o.Broker}
	o.Broker = broker
	if o.Rules == nil {
		o.Rules = rules
	}
	if o.Call == nil {
		o.Call = answerCall
	}
	o.Log = quiet
	h, err := hub.New(o)
	if err != nil {
		t.Fatal(err)
	}
	options.Log = quiet
	if options.Identify == nil {
		options.Identify = func(r *http.Request) (hub.Identity, error) {
			return hub.Identity{User: r.URL.Query().Get("user")}, nil
		}
	}
	g, err := native.New(h, options)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	n := &node{t: t, hub: h, gateway: g, lossy: broker, url: "ws" + strings.TrimPrefix(s.URL, "http") + "/connect"}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(g.Shutdown(ctx), h.Shutdown(ctx)); err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return n
}

// answerCall is the handler of calls.
func answerCall(ctx context.Context, s *hub.Session, call hub.Call) (hub.Kind, []byte, error) {
	switch call.Method {
	case "echo":
		return call.Kind, call.Payload, nil
	case "refuse":
		return 0, nil, hub.Errorf(hub.CallFailed, "the room is full; try another")
	case "break":
		return 0, nil, errors.New("a secret of the server")
	case "panic":
		panic("a bug of the program")
	case "lie":
		return hub.JSON, []byte("{"), nil
	case "wait":
		<-ctx.Done()
		return 0, nil, ctx.Err()
	}
	return 0, nil, hub.Errorf(hub.UnknownMethod, "nobody answers the call %q; there are echo and refuse", call.Method)
}

// caller is a client that knows no more than WebSocket. Everything it hears is held against the schema.
type caller struct {
	t    testing.TB
	conn *websocket.Conn
	last []byte
}

func (n *node) dial(user string) *caller {
	n.t.Helper()
	url := n.url
	if user != "" {
		url += "?user=" + user
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Limits: websocket.Limits{Message: 64 << 20}})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.CloseNow() })
	return &caller{t: n.t, conn: conn}
}

// greeted dials, and takes the welcome.
func (n *node) greeted(user string) *caller {
	n.t.Helper()
	c := n.dial(user)
	c.expect("welcome")
	return c
}

func (c *caller) say(message string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.Text, []byte(message)); err != nil {
		c.t.Fatalf("saying %.200s: %v", message, err)
	}
}

// hear returns the next message.
func (c *caller) hear() []byte {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, message, err := c.conn.Read(ctx)
	if err != nil {
		c.t.Fatalf("hearing: %v; before it came %.200s", err, c.last)
	}
	if kind != websocket.Text {
		c.t.Fatalf("a message that is not text: %q", message)
	}
	checkServerMessage(c.t, message)
	c.last = message
	return message
}

// said is what tests look at in a message.
type said struct {
	Type, Channel, Code, Message, Cursor, Reason, Encoding, Key, Session string
	ID, Data                                                             json.RawMessage
	Offset, From, To                                                     uint64
	Recovered                                                            *bool
	More, Duplicate, Conflated, Reconnect                                bool
	Subscribers, Lagging, Sessions, Users                                int
	Messages                                                             []said
	Members                                                              []struct{ Session, User string }
	Retry                                                                float64 `json:"retry_after"`
}

func (c *caller) expect(kind string) (s said) {
	c.t.Helper()
	if s = c.next(); s.Type != kind {
		c.t.Fatalf("heard %.300s, want %s", c.last, kind)
	}
	return s
}

// next returns the next message, whatever it is.
func (c *caller) next() (s said) {
	c.t.Helper()
	if err := json.Unmarshal(c.hear(), &s); err != nil {
		c.t.Fatalf("%q: %v", c.last, err)
	}
	return s
}

// ended returns how the server ended the connection, and lets what comes before go by.
func (c *caller) ended() error {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, message, err := c.conn.Read(ctx)
		if err != nil {
			return err
		}
		checkServerMessage(c.t, message)
		c.last = message
	}
}
