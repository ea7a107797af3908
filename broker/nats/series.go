// Publishing several at once, which then go in one message.

package nats

import (
	"context"

	"github.com/ringdown/ringdown/hub"
)

// PublishSeries implements [hub.Series].
func (b *Broker) PublishSeries(ctx context.Context, all []*hub.Publication, s hub.Storing) (done []hub.Published, err error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	b.counters.publishing.Add(int64(len(all)))
	defer b.counters.publishing.Add(-int64(len(all)))
	requests := make([]*request, 0, len(all))
	var refused error
	for _, p := range all {
		content := contentOf(p)
		if refused = b.fits(content); refused != nil {
			break
		}
		requests = append(requests, &request{ctx: ctx, content: content, storing: s, done: make(chan struct{})})
	}
	b.write(all[0].Channel, requests...)
	for i, r := range requests {
		o := r.await()
		if o.err != nil {
			b.counters.failed.Add(uint64(len(all) - i))
			return done, b.unavailable(o.err, "publish", o.maybe)
		}
		b.counters.published.Add(1)
		p := all[i]
		p.Epoch, p.Offset, p.Time = o.answer.Epoch, o.answer.Offset, o.answer.Time
		done = append(done, o.answer)
	}
	return done, refused
}
