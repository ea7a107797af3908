// Publishing several at once: a client that sends faster than a broker beyond a network answers is not held to one publication a round
// trip, and what it sent together can reach its subscribers together.

package hub

import (
	"context"
	"slices"
)

// Series is what a [Broker] beyond a network may be as well.
type Series interface {
	// PublishSeries publishes one after the other, all of one channel, without an idempotency key, as [Broker].Publish would, but sends
	// them before the first is answered. done are the answers up to the first that failed, whose error is returned: it and
	// those behind it may have been published all the same, but never in another order.
	PublishSeries(ctx context.Context, all []*Publication, s Storing) (done []Published, err error)
}

// PublishSeries has a broker publish several, as [Series] says, also one that cannot do it at once.
func PublishSeries(ctx context.Context, b Broker, all []*Publication, s Storing) (done []Published, err error) {
	if several, ok := b.(Series); ok && len(all) > 1 {
		return several.PublishSeries(ctx, all, s)
	}
	for _, p := range all {
		one, err := b.Publish(ctx, p, s)
		if err != nil {
			return done, err
		}
		done = append(done, one)
	}
	return done, nil
}

// PublishSeries publishes several publications of one channel on behalf of the session's client, in their order, as Publish would one after
// the other, but without waiting for the answer to one before the next is sent. told is called for each that was published. The
// error is that of the first that was not: of those behind it none is published any more, unless it was the broker that failed.
func (s *Session) PublishSeries(ctx context.Context, all []*Publication, told func(Receipt)) error {
	if len(all) == 0 {
		return nil
	}
	if len(all) == 1 || slices.ContainsFunc(s.hub.options.Guards, Guard.Waits) {
		for _, p := range all {
			receipt, err := s.Publish(ctx, p, PublishOptions{})
			if err != nil {
				return err
			}
			told(receipt)
		}
		return nil
	}
	rule := s.hub.Rule(all[0].Channel)
	sound, refused := s.sound(ctx, all, rule)
	done, err := PublishSeries(ctx, s.hub.broker, all[:sound], Storing{Retention: rule.History, Window: s.hub.options.IdempotencyWindow})
	for i, one := range done {
		receipt, err := s.hub.receipt(all[i], one, nil)
		if err != nil {
			return err
		}
		told(receipt)
	}
	if err != nil {
		_, err = s.hub.receipt(all[len(done)], Published{}, err)
		return err
	}
	return refused
}

// sound tells how many may be published, and why the next one may not.
func (s *Session) sound(ctx context.Context, all []*Publication, rule *Rule) (count int, refused error) {
	channel, user := all[0].Channel, s.User()
	if refused = CheckChannel(channel); refused == nil {
		refused = s.may(ToPublish, channel, rule)
	}
	for ; count < len(all) && refused == nil; count++ {
		p := all[count]
		switch {
		case p.Channel != channel:
			refused = Errorf(BadRequest, "one of several publications is for %q, the first for %q; publish them separately", p.Channel, channel)
		case p.Offset != 0:
			refused = publishedBefore(p)
		default:
			refused = s.soundOne(ctx, p, rule)
		}
		if refused != nil {
			return count, refused
		}
		p.Session, p.User = s.id, user
	}
	return count, refused
}

// soundOne asks the guards, who may change p.
func (s *Session) soundOne(ctx context.Context, p *Publication, rule *Rule) error {
	if err := check(p, rule, PublishOptions{}); err != nil {
		return err
	}
	if err := s.hub.guardPublish(ctx, s, p); err != nil {
		return err
	}
	return check(p, rule, PublishOptions{})
}
