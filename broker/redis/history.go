// Reading what is kept.

package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ringdown/ringdown/broker/internal/wire"
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
	var history hub.History
	err = b.insist(ctx, func() (err error) { history, err = b.partition(channel).history(ctx, channel, q); return err })
	if err != nil {
		return hub.History{}, b.unavailable(err, "read the history", false)
	}
	return history, nil
}

func (p *partition) history(ctx context.Context, channel string, q hub.Query) (hub.History, error) {
	lifetime := "0"
	if q.Count > 0 {
		lifetime = milliseconds(p.broker.options.lifetime(q.Retention))
	}
	keys := []string{p.names.numbering(channel), p.names.list(channel)}
	args := []string{hub.NewEpoch(), lifetime, strconv.FormatUint(q.After, 10), flag(q.Newest), strconv.Itoa(q.Limit),
		strconv.Itoa(max(0, q.Count)), age(q.Retention)}
	answer, err := p.shard.eval(ctx, historyScript, keys, args).AsStrSlice()
	if err != nil {
		return hub.History{}, err
	}
	if len(answer) < 2 {
		return hub.History{}, fmt.Errorf("the server answers with %d values", len(answer))
	}
	top, err := parsePlace(answer[0])
	if err != nil {
		return hub.History{}, err
	}
	before, err := strconv.ParseUint(answer[1], 10, 63)
	if err != nil {
		return hub.History{}, fmt.Errorf("the server answers with the offset %.30q", answer[1])
	}
	h := hub.History{Top: top.Position}
	if before > q.After {
		h.Lost = before - q.After
	}
	for _, entry := range answer[2:] {
		publication, err := wire.Decode([]byte(entry))
		if err != nil {
			return hub.History{}, err
		}
		if publication.Epoch != top.Epoch {
			return hub.History{}, fmt.Errorf("the history holds %v, but the channel is at %v; something else writes under our prefix",
				publication.Position(), top.Position)
		}
		publication.Channel = channel
		h.Publications = append(h.Publications, publication)
	}
	return h, nil
}
