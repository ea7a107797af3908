package hub_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// leaving is a broker that counts who leaves, and takes its time for it.
type leaving struct {
	hub.Broker
	takes time.Duration
	left  atomic.Int32
}

func (b *leaving) Leave(ctx context.Context, channel string, m hub.Member) error {
	time.Sleep(b.takes)
	b.left.Add(1)
	return b.Broker.Leave(ctx, channel, m)
}

// faulty is a broker with a bad line to the hub, and with calls that fail.
type faulty struct {
	hub.Broker
	hub.Sink // the hub

	mu     sync.Mutex                                  // guards what follows
	line   func(p *hub.Publication) []*hub.Publication // what becomes of a delivery; nil for nothing bad
	fails  map[string]bool                             // calls by name
	before func()                                      // called before history is read
	after  func()                                      // called once history was read
	left   func()                                      // called once the broker was unsubscribed from
	remote bool
}

var errFault = errors.New("the line is down")

func (b *faulty) Start(sink hub.Sink) error {
	b.Sink = sink
	return b.Broker.Start(b)
}

func (b *faulty) Deliver(p *hub.Publication) {
	b.mu.Lock()
	line := b.line
	b.mu.Unlock()
	all := []*hub.Publication{p}
	if line != nil {
		all = line(p)
	}
	for _, p := range all {
		b.Sink.Deliver(p)
	}
}

func (b *faulty) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *faulty) fault(call string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails[call] {
		return errFault
	}
	return nil
}

func (b *faulty) Publish(ctx context.Context, p *hub.Publication, s hub.Storing) (hub.Published, error) {
	if err := b.fault("publish"); err != nil {
		return hub.Published{}, err
	}
	return b.Broker.Publish(ctx, p, s)
}

func (b *faulty) Subscribe(ctx context.Context, channel string, r hub.Retention) (hub.Position, error) {
	if err := b.fault("subscribe"); err != nil {
		return hub.Position{}, err
	}
	return b.Broker.Subscribe(ctx, channel, r)
}

func (b *faulty) Unsubscribe(channel string) {
	b.Broker.Unsubscribe(channel)
	b.mu.Lock()
	left := b.left
	b.mu.Unlock()
	if left != nil {
		left()
	}
}

func (b *faulty) History(ctx context.Context, channel string, q hub.Query) (hub.History, error) {
	b.mu.Lock()
	before := b.before
	b.mu.Unlock()
	if before != nil {
		before()
	}
	if err := b.fault("history"); err != nil {
		return hub.History{}, err
	}
	history, err := b.Broker.History(ctx, channel, q)
	b.mu.Lock()
	after := b.after
	b.mu.Unlock()
	if after != nil {
		after()
	}
	return history, err
}

func (b *faulty) Join(ctx context.Context, channel string, m hub.Member) error {
	if err := b.fault("join"); err != nil {
		return err
	}
	return b.Broker.Join(ctx, channel, m)
}

func (b *faulty) Presence(ctx context.Context, channel string, limit int) (hub.Presence, error) {
	if err := b.fault("presence"); err != nil {
		return hub.Presence{}, err
	}
	return b.Broker.Presence(ctx, channel, limit)
}

func (b *faulty) Remote() bool { return b.remote }
