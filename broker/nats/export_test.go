package nats

import (
	"context"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// StopHeart has a node give no sign of life any more, as if it were dead.
func StopHeart(b *Broker) { b.stopped.Store(true) }

// SetLease says how long the claims of a node are respected, and for how long it respects those of others.
func SetLease(b *Broker, d time.Duration) { b.lease = d }

// ForgetSoon has a node delete the idempotency keys that it notes as soon as their windows are over.
func ForgetSoon(b *Broker) { b.noted.margin = 0 }

// ClaimKey does the first half of publishing with a key. publish does the second; that is never noted, as if the node had died.
func ClaimKey(ctx context.Context, b *Broker, channel, key string, payload []byte) (publish func() (hub.Published, error), err error) {
	p := &hub.Publication{Channel: channel, Payload: payload}
	s := hub.Storing{Retention: hub.Retention{Count: 100, Age: time.Hour}, IdempotencyKey: key, Window: time.Hour}
	r := &request{ctx: ctx, content: contentOf(p), storing: s}
	if _, err := b.claim(r, channel, b.names.key(channel, key)); err != nil {
		return nil, err
	}
	return func() (hub.Published, error) {
		done := b.publish(r, channel)
		return done.answer, done.err
	}, nil
}

// Echo waits until what is stored comes to a node, as it does after it has subscribed where there are several servers.
func Echo(b *Broker) error {
	b.echoes.turn.Lock()
	defer b.echoes.turn.Unlock()
	defer b.forgetEchoes()
	return b.echo()
}
