// What nodes have to do with each other beside publications: presence, the registry, messages, and the small store.

package rabbitmq

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// place is the partition of a name.
func place(name string) int {
	h := fnv.New64a()
	h.Write([]byte(name))
	x := h.Sum64()
	return int((x ^ x>>32) % partitions)
}

// home is the partition whose owners are the registry.
func (b *Broker) home() *partition { return b.partitions[0] }

// Join implements [hub.Broker].
func (b *Broker) Join(ctx context.Context, channel string, m hub.Member) error {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	p, key := b.partition(channel), membership{channel, m.Session}
	r := record{Kind: join, Channel: channel, Body: wire.AppendMember(nil, m)}
	_, err = p.do(ctx, b.options.Timeout, r, true, func(*outcome) {
		p.own[key] = m
		delete(p.owed, key)
	})
	if err != nil {
		p.owe(key)
		return b.unavailable(err, "say who is present")
	}
	return nil
}

// Leave implements [hub.Broker].
func (b *Broker) Leave(ctx context.Context, channel string, m hub.Member) error {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	p, key := b.partition(channel), membership{channel, m.Session}
	forget := func(*outcome) {
		delete(p.own, key)
		delete(p.owed, key)
	}
	if _, err = p.do(ctx, b.options.Timeout, record{Kind: depart, Channel: channel, Key: m.Session}, true, forget); err != nil {
		p.owe(key)
		return b.unavailable(err, "say who has gone")
	}
	return nil
}

// owe notes that a member is to leave as soon as that can be said.
func (p *partition) owe(key membership) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.own, key)
	p.owed[key] = true
}

// Presence implements [hub.Broker].
func (b *Broker) Presence(ctx context.Context, channel string, limit int) (present hub.Presence, err error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Presence{}, err
	}
	defer leave()
	if err := b.read(ctx, b.partition(channel), func(s *state) { present = s.presence(channel, limit) }); err != nil {
		return hub.Presence{}, b.unavailable(err, "tell who is present")
	}
	return present, nil
}

// Node implements [hub.Cluster].
func (b *Broker) Node() string { return b.options.Node }

// Tell implements [hub.Cluster]. It waits until RabbitMQ confirms.
func (b *Broker) Tell(ctx context.Context, node string, message []byte) error {
	if len(message) > hub.MaxMessage {
		return hub.Errorf(hub.TooLarge, "a message to other nodes has %d bytes; at most %d are taken", len(message), hub.MaxMessage)
	}
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, b.options.Timeout)
	defer cancel()
	if node == "" {
		node = everybody
	}
	if err := b.tell(ctx, node, wire.AppendMessage(nil, b.options.Node, message)); err != nil {
		return b.unavailable(err, "tell other nodes")
	}
	return nil
}

func (b *Broker) tell(ctx context.Context, key string, body []byte) error {
	s := b.session.Load()
	if err := b.tooLarge(int64(len(body))); err != nil {
		return err
	}
	switch {
	case s == nil:
		return errDown
	case b.blocked.Load():
		return errBlocked
	}
	confirmation, err := s.control.PublishWithDeferredConfirmWithContext(ctx, b.controlExchange(), key, false, false, amqp.Publishing{Body: body})
	if err != nil {
		return maybe{err}
	}
	select {
	case <-confirmation.Done():
		if !confirmation.Acked() {
			return errors.New("it was refused")
		}
		return nil
	case <-s.gone:
		return maybe{errDown}
	case <-ctx.Done():
		return maybe{ctx.Err()}
	}
}

// Announce implements [hub.Cluster].
func (b *Broker) Announce(info []byte) {
	info = info[:min(len(info), hub.MaxNodeInfo)]
	b.announced.Store(&info)
	if _, leave, err := b.enter(context.Background()); err == nil {
		b.home().propose(b.sign(), false, nil) // the heartbeat does it again
		leave()
	}
}

// Nodes implements [hub.Cluster].
func (b *Broker) Nodes(ctx context.Context) (nodes []hub.Node, err error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := b.read(ctx, b.home(), func(s *state) { nodes = s.nodes(b.options.Expiry.Microseconds()) }); err != nil {
		return nil, b.unavailable(err, "tell which nodes there are")
	}
	return nodes, nil
}

// Keep implements [hub.Cluster]. The value is in the memory of every node until it is taken or over.
func (b *Broker) Keep(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return hub.Errorf(hub.BadRequest, "the value of %.60q is to be kept for %v; give it a time to live", key, ttl)
	}
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	r := record{Kind: keep, Channel: key, Window: max(1, ttl.Microseconds()), Body: value}
	if _, err := b.partition(key).do(ctx, b.options.Timeout, r, true, nil); err != nil {
		return b.unavailable(err, "keep a value")
	}
	return nil
}

// Take implements [hub.Cluster].
func (b *Broker) Take(ctx context.Context, key string) (value []byte, ok bool, err error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	out, err := b.partition(key).do(ctx, b.options.Timeout, record{Kind: take, Channel: key}, true, nil)
	if err != nil {
		return nil, false, b.unavailable(err, "take a value")
	}
	return out.value, out.ok, nil
}
