// Publishing several at once, which is what a client that sends faster than the server answers is owed.

package redis

import (
	"context"

	"github.com/redis/rueidis"

	"github.com/ringdown/ringdown/hub"
)

// PublishSeries implements [hub.Series]. All are sent in one go over one connection, so the server numbers them in their order.
func (b *Broker) PublishSeries(ctx context.Context, all []*hub.Publication, s hub.Storing) (done []hub.Published, err error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	b.counters.publishing.Add(int64(len(all)))
	defer b.counters.publishing.Add(-int64(len(all)))
	requests := make([]*request, len(all))
	for i, p := range all {
		requests[i] = newRequest(b, p, s)
	}
	results := b.sendAll(ctx, requests)
	last := len(results) - 1 // that was done
	for last >= 0 && results[last].Error() != nil {
		last--
	}
	done = make([]hub.Published, 0, len(all))
	for i, r := range requests {
		answer, err := r.answer(results[i])
		if err != nil {
			answer, err = b.again(ctx, r, err, i > last)
		}
		if err != nil {
			b.counters.failed.Add(uint64(len(all) - i))
			return done, err
		}
		b.counters.published.Add(1)
		if p := all[i]; !answer.Duplicate {
			p.Epoch, p.Offset, p.Time = answer.Epoch, answer.Offset, answer.Time
		}
		done = append(done, answer)
	}
	return done, nil
}

// sendAll runs the script for all requests, which are of one channel.
func (b *Broker) sendAll(ctx context.Context, requests []*request) []rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(ctx, b.options.Timeout)
	defer cancel()
	client := requests[0].partition.shard.client
	commands := make(rueidis.Commands, len(requests))
	for i, r := range requests {
		r.note()
		commands[i] = client.B().Evalsha().Sha1(publishHash).Numkeys(int64(len(r.keys))).Key(r.keys...).Arg(r.args...).Build()
	}
	return client.DoMulti(ctx, commands...)
}

// again tries what has failed by itself, if that can neither repeat it nor put it behind what was sent after it.
func (b *Broker) again(ctx context.Context, r *request, err error, isLast bool) (hub.Published, error) {
	refusal, refused := rueidis.IsRedisErr(err)
	unknown := refused && refusal.IsNoScript() // the server knows the script once one has been sent in full
	if isLast && (unknown || b.options.PublishWait > 0 && passing(err)) {
		return b.publish(ctx, r)
	}
	return hub.Published{}, b.unavailable(err, "publish", ambiguous(err))
}
