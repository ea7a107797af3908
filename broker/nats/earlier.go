// Looking an idempotency key up, for those who would rather not ask again whether something may be published that was.

package nats

import (
	"context"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Earlier implements [hub.Broker].
func (b *Broker) Earlier(ctx context.Context, channel, key string) (hub.Published, error) {
	if key == "" {
		return hub.Published{}, nil
	}
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Published{}, err
	}
	defer leave()
	found, err := b.earlier(ctx, channel, key)
	if err != nil {
		return hub.Published{}, b.unavailable(err, "look an idempotency key up", false)
	}
	if !found.done || !time.Now().Before(found.until) {
		return hub.Published{}, nil
	}
	return found.published(), nil
}

// earlier reads what is stored of a key. Of a claim it is the channel's history that knows whether it has been published with, because
// publishers do not wait until that is noted.
func (b *Broker) earlier(ctx context.Context, channel, key string) (record, error) {
	subject := b.names.key(channel, key)
	for {
		found, seq, err := b.readKey(ctx, subject)
		if err != nil || seq == 0 || found.done {
			return found, err
		}
		top, err := b.tail(ctx, channel)
		if err != nil {
			return found, err
		}
		newest, err := b.search(ctx, channel, &found)
		if err != nil || found.done {
			return found, err
		}
		now, nowSeq, err := b.readKey(ctx, subject)
		if err != nil || nowSeq == seq && newest >= top.at.seq { // it is under way, or its claimant has gone before it published
			return now, err
		}
		if !jitter(ctx, firstRetry) { // it was noted meanwhile, or a replica that lags behind was asked
			return record{}, ctx.Err()
		}
	}
}

// published is the answer to who publishes with the key again.
func (r *record) published() hub.Published {
	return hub.Published{Position: r.at, Time: r.when, Duplicate: true}
}
