// What nodes have to do with each other beside publications: the registry, messages, and the small store.

package nats

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// Node implements [hub.Cluster].
func (b *Broker) Node() string { return b.options.Node }

// Announce implements [hub.Cluster]. It is told with the next heartbeat at the latest.
func (b *Broker) Announce(info []byte) {
	info = info[:min(len(info), hub.MaxNodeInfo)]
	b.announced.Store(&info)
	if ctx, leave, err := b.enter(context.Background()); err == nil {
		go func() {
			defer leave()
			b.sign(ctx) // the heartbeat does it again
		}()
	}
}

// Nodes implements [hub.Cluster].
func (b *Broker) Nodes(ctx context.Context) ([]hub.Node, error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	all, err := b.registry(ctx)
	if err != nil {
		return nil, b.unavailable(err, "tell which nodes there are", false)
	}
	nodes := make([]hub.Node, len(all))
	for i, n := range all {
		nodes[i] = n.Node
	}
	return nodes, nil
}

// registry are the nodes that were heard of lately by the servers' clock, sorted by name.
func (b *Broker) registry(ctx context.Context) (all []registered, err error) {
	var last time.Time // somebody lives who was heard last
	err = b.scan(ctx, b.names.state, b.names.node("*"), func(one stored) bool {
		n, lives, err := decodeNode(one.subject, one.body)
		if err != nil {
			b.unreadable(one.subject, err)
			return true
		}
		if one.when.After(last) {
			last = one.when
		}
		if n.Heard = one.when; lives {
			all = append(all, n)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	newest := make(map[string]time.Time) // a line that is replaced while it is read is there twice
	for _, n := range all {
		newest[n.Name] = n.Heard
	}
	all = slices.DeleteFunc(all, func(n registered) bool { return last.Sub(n.Heard) > b.options.Expiry || n.Heard.Before(newest[n.Name]) })
	slices.SortFunc(all, func(a, b registered) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// A message that is larger than NATS takes is told in parts. Each begins with twice the number of parts that are to follow, and one more if it is
// the first.
const firstPart = 1

// partOverhead bounds what a part has beside its share of the message, in bytes.
const partOverhead = 256

// Tell implements [hub.Cluster].
func (b *Broker) Tell(ctx context.Context, node string, message []byte) error {
	if len(message) > hub.MaxMessage {
		return hub.Errorf(hub.TooLarge, "a message to other nodes has %d bytes; at most %d are taken", len(message), hub.MaxMessage)
	}
	_, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	subject := b.names.tellAll()
	if node != "" {
		subject = b.names.tell(token(node))
	}
	size := int(b.conn.MaxPayload()) - partOverhead
	if len(message) <= size {
		return b.tellPart(subject, firstPart, message)
	}
	b.telling.Lock()
	defer b.telling.Unlock()
	for first, left := uint64(firstPart), (len(message)-1)/size; left >= 0; left-- {
		n := min(size, len(message))
		if err := b.tellPart(subject, uint64(left)<<1|first, message[:n]); err != nil {
			return err
		}
		message, first = message[n:], 0
	}
	return nil
}

func (b *Broker) tellPart(subject string, head uint64, part []byte) error {
	body := append(binary.AppendUvarint(make([]byte, 0, len(part)+8), head), part...)
	if err := b.conn.Publish(subject, wire.AppendMessage(nil, b.options.Node, body)); err != nil {
		return b.unavailable(err, "tell other nodes", false)
	}
	return nil
}

// hearing is what listens to other nodes.
type hearing struct {
	broker *Broker
	sink   hub.ClusterSink
	parts  map[string]*parts // by sender and subject
}

// parts are those of a message that have come.
type parts struct {
	left uint64
	body []byte
}

// listen has what other nodes say handed to the sink.
func (b *Broker) listen() error {
	to, ok := b.sink.(hub.ClusterSink)
	if !ok {
		return nil
	}
	b.talk = newLane(laneBytes)
	h := &hearing{b, to, make(map[string]*parts)}
	b.talk.start(&b.handing, h.hear, func(*nats.Subscription) {
		b.options.Log.Warn("nats: messages of other nodes were dropped, because they came faster than they were taken")
		b.unheard()
	})
	for _, subject := range []string{b.names.tell(token(b.options.Node)), b.names.tellAll()} {
		if _, err := b.conn.ChanSubscribe(subject, b.talk.in); err != nil {
			return err
		}
	}
	return nil
}

// unheard tells the sink that messages of other nodes may have been lost.
func (b *Broker) unheard() {
	if to, ok := b.sink.(hub.ClusterSink); ok && !b.closed.Load() {
		to.Unheard()
	}
}

func (h *hearing) hear(m *nats.Msg) {
	if h.broker.closed.Load() {
		return
	}
	from, body, err := wire.DecodeMessage(m.Data)
	head, size := binary.Uvarint(body)
	if err == nil && size <= 0 {
		err = errNotOurs
	}
	if err != nil {
		h.broker.unreadable(m.Subject, err)
		return
	}
	if from == h.broker.options.Node && m.Subject == h.broker.names.tellAll() {
		return
	}
	if whole, ok := h.join(from+" "+m.Subject, head, body[size:]); ok {
		h.sink.Told(from, whole)
	}
}

// join puts parts together. A message of which a part is missing is lost.
func (h *hearing) join(of string, head uint64, part []byte) (whole []byte, ok bool) {
	before, left := h.parts[of], head>>1
	delete(h.parts, of)
	if head&firstPart == 0 {
		if before == nil || before.left != left+1 || len(before.body)+len(part) > hub.MaxMessage {
			return nil, false
		}
		part = append(before.body, part...)
	}
	if left == 0 {
		return part, true
	}
	h.parts[of] = &parts{left, part}
	return nil, false
}

// Keep implements [hub.Cluster]. A value is kept for a day at most, and is smaller than the max_payload of the server.
func (b *Broker) Keep(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return hub.Errorf(hub.BadRequest, "the value of %.60q is to be kept for %v; give it a time to live", key, ttl)
	}
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if limit := int(b.conn.MaxPayload()) - overhead; len(value) > limit {
		return hub.Errorf(hub.TooLarge, "a value of %d bytes is larger than the NATS server takes, which is %d; raise its max_payload", len(value), limit)
	}
	ctx, cancel := b.timed(ctx)
	defer cancel()
	body := append(binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(ttl).UnixMicro())), value...)
	if _, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: b.names.value(key), Data: body}, whileElecting...); err != nil {
		return b.unavailable(err, "keep a value", ambiguous(err))
	}
	return nil
}

// Take implements [hub.Cluster]. Who deletes a message has it; others are told that it is not there.
func (b *Broker) Take(ctx context.Context, key string) (value []byte, ok bool, err error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	for {
		m, found, err := b.newest(ctx, b.streams.Load().state, b.names.value(key))
		if err != nil || !found {
			return nil, false, b.orNil(err, "take a value", false)
		}
		if len(m.Data) < 8 {
			return nil, false, b.unavailable(fmt.Errorf("what is kept of %.60q: %w", key, errNotOurs), "take a value", false)
		}
		deleted, err := b.delete(ctx, b.streams.Load().state, m.Sequence)
		switch {
		case err != nil:
			return nil, false, b.unavailable(err, "take a value", ambiguous(err))
		case !deleted: // taken by another, or replaced
			continue
		}
		if until := time.UnixMicro(int64(binary.BigEndian.Uint64(m.Data))); time.Now().After(until) {
			return nil, false, nil
		}
		return m.Data[8:], true, nil
	}
}

func (b *Broker) orNil(err error, what string, maybe bool) error {
	if err == nil {
		return nil
	}
	return b.unavailable(err, what, maybe)
}

// delete deletes a message, and reports whether it was there.
func (b *Broker) delete(ctx context.Context, s jetstream.Stream, seq uint64) (bool, error) {
	ctx, cancel := b.timed(ctx)
	defer cancel()
	err := s.DeleteMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		return false, nil
	}
	return err == nil, err
}
