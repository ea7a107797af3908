// Looking an idempotency key up, for those who would rather not ask again whether something may be published that was.

package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"

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
	var earlier hub.Published
	err = b.insist(ctx, func() (err error) { earlier, err = b.partition(channel).earlier(ctx, channel, key); return err })
	if err != nil {
		return hub.Published{}, b.unavailable(err, "look an idempotency key up", false)
	}
	return earlier, nil
}

func (p *partition) earlier(ctx context.Context, channel, key string) (hub.Published, error) {
	ctx, cancel := context.WithTimeout(ctx, p.broker.options.Timeout)
	defer cancel()
	client := p.shard.client
	answer, err := client.Do(ctx, client.B().Get().Key(p.names.idempotency(channel, key)).Build()).ToString()
	if errors.Is(err, rueidis.Nil) {
		return hub.Published{}, nil
	}
	if err != nil {
		return hub.Published{}, err
	}
	_, at, found := strings.Cut(answer, " ")
	if !found {
		return hub.Published{}, fmt.Errorf("the server answers %.60q", answer)
	}
	then, err := parsePlace(at)
	if err != nil {
		return hub.Published{}, err
	}
	return hub.Published{Position: then.Position, Time: time.UnixMicro(then.time), Duplicate: true}, nil
}
