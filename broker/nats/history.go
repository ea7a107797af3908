// Reading what is kept.

package nats

import (
	"context"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// History implements [hub.Broker].
func (b *Broker) History(ctx context.Context, channel string, q hub.Query) (hub.History, error) {
	if q.Limit < 1 {
		return hub.History{}, hub.Errorf(hub.BadRequest, "%d publications are asked for; ask for at least one", q.Limit)
	}
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.History{}, err
	}
	defer leave()
	h, err := b.history(ctx, channel, q)
	if err != nil {
		return hub.History{}, b.unavailable(err, "read the history", false)
	}
	return h, nil
}

func (b *Broker) history(ctx context.Context, channel string, q hub.Query) (hub.History, error) {
	var seen place
	if s := b.subscriptions.byToken(token(channel)); s != nil {
		seen = s.place()
	}
	top, err := b.position(ctx, channel, seen, false)
	if err != nil {
		return hub.History{}, err
	}
	var kept []*hub.Publication
	if q.Count > 0 && top.Offset > 0 && (q.Newest || q.After < top.Offset) {
		if kept, err = b.kept(ctx, channel, &top); err != nil {
			return hub.History{}, err
		}
	}
	return cutHistory(kept, top.Position, q, time.Now()), nil
}

// kept reads all that a server has of the numbering of top, which is what was last stored at some time before. More may have been since;
// top then becomes its place.
func (b *Broker) kept(ctx context.Context, channel string, top *place) ([]*hub.Publication, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*b.options.Timeout)
	defer cancel()
	for {
		kept, last, err := b.keptNow(ctx, channel, top)
		if err != nil || last >= top.seq {
			return kept, err
		}
		if !jitter(ctx, firstRetry) { // a replica that lags behind was asked
			return nil, ctx.Err()
		}
	}
}

func (b *Broker) keptNow(ctx context.Context, channel string, top *place) (kept []*hub.Publication, last uint64, err error) {
	var broken error
	err = b.scan(ctx, b.names.channels, b.names.publications(channel), func(one stored) bool {
		var m message
		var all []*hub.Publication
		last = one.seq
		if m, broken = decodeMessage(one.seq, one.body); broken != nil {
			return false
		}
		if m.at.Epoch != top.Epoch {
			return one.seq < top.seq // an earlier numbering; a later one is for another time
		}
		if all, broken = m.publications(channel); broken != nil {
			return false
		}
		kept = append(kept, all...)
		if m.at.seq > top.seq {
			*top = m.at
		}
		return true
	})
	if err == nil {
		err = broken
	}
	return kept, last, err
}

// cutHistory is what of all that is there a query gets. Publications without a hole up to the top are what counts.
func cutHistory(kept []*hub.Publication, top hub.Position, q hub.Query, now time.Time) hub.History {
	h := hub.History{Top: top}
	first := len(kept) // of the publications that are shown
	for first > 0 && kept[first-1].Offset+uint64(len(kept)-first) == top.Offset && len(kept)-first < q.Count &&
		(q.Age <= 0 || now.Sub(kept[first-1].Time) <= q.Age) {
		first--
	}
	kept = kept[first:]
	if before := top.Offset - uint64(len(kept)); before > q.After {
		h.Lost = before - q.After
	} else if !q.Newest && q.After < top.Offset {
		kept = kept[q.After-before:]
	} else if !q.Newest {
		kept = nil
	}
	if q.Newest {
		h.Publications = kept[max(0, len(kept)-q.Limit):]
	} else {
		h.Publications = kept[:min(q.Limit, len(kept))]
	}
	return h
}
