//go:build linux

package rabbitmq_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/ringdown/ringdown/broker/brokertest"
	"github.com/ringdown/ringdown/broker/rabbitmq"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

var prefixes atomic.Int64

// options are for nodes that share nothing with those of another test.
func options(url string) rabbitmq.Options {
	return rabbitmq.Options{URL: url, Prefix: fmt.Sprint("test.", prefixes.Add(1)), Timeout: 20 * time.Second}
}

func newBroker(t testing.TB, o rabbitmq.Options) *rabbitmq.Broker {
	t.Helper()
	b, err := rabbitmq.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// silent is a sink that does not care.
type silent struct{}

func (silent) Deliver(*hub.Publication)  {}
func (silent) Present(hub.PresenceEvent) {}
func (silent) Interrupted(string)        {}

func start(t testing.TB, o rabbitmq.Options) *rabbitmq.Broker {
	t.Helper()
	b := newBroker(t, o)
	if err := b.Start(silent{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// patience bounds what comes once RabbitMQ has started, which takes a busy machine minutes.
const patience = 4 * time.Minute

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not after %v: %s", patience, what)
		}
	}
}

// publishSoon publishes, and waits only for a moment.
func publishSoon(b *rabbitmq.Broker, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	b.Publish(ctx, &hub.Publication{Channel: "lobby", Payload: []byte(text)}, hub.Storing{Retention: hub.Retention{Count: 100}})
}

// harness runs each test under a prefix of its own. mortal is the server that a node dies behind.
func harness(of func() rabbitmq.Options, r *servers.RabbitMQ) brokertest.Harness {
	var o rabbitmq.Options // of the cluster that began last
	return brokertest.Harness{
		Cluster: func(t *testing.T, expiry time.Duration) func() hub.Broker {
			o = of()
			o.Expiry = expiry
			own := o
			return func() hub.Broker { return newBroker(t, own) }
		},
		Mortal: func(t *testing.T) (hub.Broker, func()) {
			link := servers.NewLink(t, r.Addr)
			behind := o
			behind.URL, behind.Timeout = r.URLAt(link.Addr), time.Second
			return newBroker(t, behind), link.Stall
		},
		Quiet: 100 * time.Millisecond,
	}
}

// All of this shares a server, because it takes long to start.
func TestOverOneServer(t *testing.T) {
	t.Parallel()
	r := servers.StartRabbitMQ(t)
	t.Run("it is a broker", func(t *testing.T) {
		brokertest.Run(t, harness(func() rabbitmq.Options { return options(r.URL()) }, r))
	})
	t.Run("it is one over TLS in a virtual host as a user that may do no more than it needs", func(t *testing.T) { secure(t, r) })
	t.Run("a node that starts late or again knows what the logs have dropped", func(t *testing.T) { startsLate(t, r) })
	t.Run("one deployment does not see another", func(t *testing.T) { apart(t, r) })
	t.Run("a queue that is no log is refused", func(t *testing.T) { refuses(t, r) })
	t.Run("a publication that is too large harms no other", func(t *testing.T) { tooLarge(t, r) })
}

func secure(t *testing.T, r *servers.RabbitMQ) {
	const rights = `^test[.]` // to declare, to write and to read
	r.Do(`rabbit_vhost:add(<<"live/1">>, <<"test">>),
		rabbit_auth_backend_internal:add_user(<<"ringdown">>, <<"s@cret">>, <<"test">>),
		Rights = <<"` + rights + `">>,
		ok = rabbit_auth_backend_internal:set_permissions(<<"ringdown">>, <<"live/1">>, Rights, Rights, Rights, <<"test">>)`)
	o := options("amqps://ringdown:s%40cret@" + r.SecureAddr + "/live%2F1")
	if err := newBroker(t, o).Start(silent{}); err == nil {
		t.Error("a certificate that nobody vouches for is taken")
	}
	o.TLS = &tls.Config{RootCAs: r.CA}
	wrong := o
	wrong.URL = "amqps://ringdown:wrong@" + r.SecureAddr + "/live%2F1"
	if err := newBroker(t, wrong).Start(silent{}); err == nil || strings.Contains(err.Error(), "wrong@") {
		t.Errorf("with a wrong password: %v", err)
	}
	elsewhere := o
	elsewhere.Prefix = "other"
	if err := newBroker(t, elsewhere).Start(silent{}); err == nil || !strings.Contains(err.Error(), "docs/brokers.md") {
		t.Errorf("where it has no rights: %v", err)
	}
	a, b := start(t, o), start(t, o)
	p := &hub.Publication{Channel: "lobby", Payload: []byte("x")}
	if _, err := a.Publish(t.Context(), p, hub.Storing{Retention: hub.Retention{Count: 1}}); err != nil {
		t.Fatal(err)
	}
	if h, err := b.History(t.Context(), "lobby", hub.Query{Limit: 1, Retention: hub.Retention{Count: 1}}); err != nil || len(h.Publications) != 1 {
		t.Errorf("%+v, %v", h, err)
	}
	if err := a.Tell(t.Context(), "", []byte("hello")); err != nil {
		t.Error(err)
	}
}

// startsLate writes much more than a log holds, so that numbering and history can only come from a snapshot.
func startsLate(t *testing.T, r *servers.RabbitMQ) {
	o := options(r.URL())
	o.LogBytes = 4 << 20
	keep := hub.Retention{Count: 10, Age: time.Hour}
	a := start(t, o)
	first, err := a.Publish(t.Context(), &hub.Publication{Channel: "seldom", Payload: []byte("first")}, hub.Storing{Retention: keep, IdempotencyKey: "key", Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Join(t.Context(), "seldom", hub.Member{Session: "s1", User: "ann"}); err != nil {
		t.Fatal(err)
	}
	filler := bytes.Repeat([]byte("x"), 64<<10)
	for i := range 400 { // 25 MiB over four logs
		if _, err := a.Publish(t.Context(), &hub.Publication{Channel: fmt.Sprint("busy", i%16), Payload: filler}, hub.Storing{}); err != nil {
			t.Fatal(err)
		}
	}
	dropped := int64(0)
	for i := range 4 {
		dropped += firstOf(t, r, fmt.Sprint(o.Prefix, ".log.", i))
	}
	if dropped == 0 {
		t.Error("the logs have dropped nothing")
	}
	check := func(b *rabbitmq.Broker, sessions int) {
		t.Helper()
		h, err := b.History(t.Context(), "seldom", hub.Query{Limit: 10, Retention: keep})
		if err != nil || h.Top != first.Position || len(h.Publications) != 1 {
			t.Errorf("the history is %+v, %v; want it up to %v", h, err, first.Position)
		}
		if earlier, err := b.Earlier(t.Context(), "seldom", "key"); err != nil || earlier.Position != first.Position {
			t.Errorf("the key is answered %+v, %v", earlier, err)
		}
		if p, err := b.Presence(t.Context(), "seldom", 10); err != nil || p.Sessions != sessions {
			t.Errorf("present are %+v, %v; want %d", p, err, sessions)
		}
	}
	check(a, 1)
	late := start(t, o)
	check(late, 1)
	late.Close()
	a.Close()
	check(start(t, o), 0)
}

// firstOf is the position of the first record that a log holds.
func firstOf(t *testing.T, r *servers.RabbitMQ, log string) int64 {
	t.Helper()
	ch := dial(t, r)
	defer ch.Close()
	if err := ch.Qos(1, 0, false); err != nil {
		t.Fatal(err)
	}
	records, err := ch.Consume(log, "", false, false, false, false, amqp.Table{"x-stream-offset": "first"})
	if err != nil {
		t.Fatal(err)
	}
	first, _ := (<-records).Headers["x-stream-offset"].(int64)
	return first
}

// dial is a channel of a connection that lasts until the end of the test.
func dial(t *testing.T, r *servers.RabbitMQ) *amqp.Channel {
	t.Helper()
	c, err := amqp.Dial(r.URL() + "/%2F")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func apart(t *testing.T, r *servers.RabbitMQ) {
	a, b := start(t, options(r.URL())), start(t, options(r.URL()))
	if _, err := a.Publish(t.Context(), &hub.Publication{Channel: "lobby"}, hub.Storing{Retention: hub.Retention{Count: 1}}); err != nil {
		t.Fatal(err)
	}
	if h, err := b.History(t.Context(), "lobby", hub.Query{Limit: 1, Retention: hub.Retention{Count: 1}}); err != nil || h.Top.Offset != 0 {
		t.Errorf("%+v, %v", h, err)
	}
	if nodes, err := b.Nodes(t.Context()); err != nil || len(nodes) != 1 {
		t.Errorf("%+v, %v", nodes, err)
	}
}

func refuses(t *testing.T, r *servers.RabbitMQ) {
	o := options(r.URL())
	start(t, o).Close()
	o.LogBytes = 8 << 20
	if err := newBroker(t, o).Start(silent{}); err == nil || !strings.Contains(err.Error(), "LogBytes") {
		t.Errorf("with another size than the logs have: %v", err)
	}
}

// RabbitMQ ends the channel of who sends too much; then connections are made again, once.
func tooLarge(t *testing.T, r *servers.RabbitMQ) {
	r.Do(`application:set_env(rabbit, max_message_size, 100000), persistent_term:erase(max_message_size)`)
	o := options(r.URL())
	o.PublishWait = 10 * time.Second
	b := start(t, o)
	for range 3 {
		_, err := b.Publish(t.Context(), &hub.Publication{Channel: "lobby", Payload: make([]byte, 100_000)}, hub.Storing{})
		if known, ok := errors.AsType[*hub.Error](err); !ok || known.Code != hub.TooLarge {
			t.Errorf("too large: %v", err)
		}
	}
	if _, err := b.Publish(t.Context(), &hub.Publication{Channel: "lobby", Payload: make([]byte, 90_000)}, hub.Storing{}); err != nil {
		t.Error(err)
	}
	if n := b.Stats().Reconnects; n > 1 {
		t.Errorf("connected anew %d times", n)
	}
}
