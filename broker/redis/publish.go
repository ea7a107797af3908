// Publishing, once, whatever happens on the way.

package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// Pauses between attempts of one publication.
const firstRetry, maxRetry = 20 * time.Millisecond, 500 * time.Millisecond

// Publish implements [hub.Broker]. An attempt of which the answer is lost is repeated, within Options.PublishWait, under a key of its own,
// so that the server knows it again.
func (b *Broker) Publish(ctx context.Context, p *hub.Publication, s hub.Storing) (hub.Published, error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Published{}, err
	}
	defer leave()
	b.counters.publishing.Add(1)
	defer b.counters.publishing.Add(-1)
	answer, err := b.publish(ctx, newRequest(b, p, s))
	if err != nil {
		b.counters.failed.Add(1)
		return hub.Published{}, err
	}
	b.counters.published.Add(1)
	if !answer.Duplicate {
		p.Epoch, p.Offset, p.Time = answer.Epoch, answer.Offset, answer.Time
	}
	return answer, nil
}

// request is a publication on its way.
type request struct {
	partition *partition
	channel   string
	keys      []string
	args      []string
	by        string // who asks, if there is a key
}

const seenArg = 9 // the place of what the node has seen, in args

func newRequest(b *Broker, p *hub.Publication, s hub.Storing) *request {
	at := b.partition(p.Channel)
	r := &request{partition: at, channel: p.Channel, by: "-"}
	r.keys = []string{at.names.numbering(p.Channel), at.names.list(p.Channel)}
	window := s.Window
	switch {
	case s.IdempotencyKey != "" && s.Window > 0:
		r.by = hub.NewEpoch() + hub.NewEpoch()
		r.keys = append(r.keys, at.names.idempotency(p.Channel, s.IdempotencyKey))
	case b.options.PublishWait > 0:
		r.by = hub.NewEpoch() + hub.NewEpoch()
		r.keys = append(r.keys, at.names.idempotency(p.Channel, controlMark+r.by)) // no publisher's key has a control character
		window = 2 * (b.options.PublishWait + b.options.Timeout)
	}
	content := wire.AppendContent(make([]byte, 0, len(p.Payload)+len(p.Event)+len(p.Key)+len(p.Session)+len(p.User)+48), p)
	r.args = []string{at.names.channel(p.Channel), at.shard.publish, rueidis.BinaryString(content), hub.NewEpoch(), strconv.Itoa(max(0, s.Count)),
		age(s.Retention), milliseconds(b.options.lifetime(s.Retention)), milliseconds(window), r.by, "", "0", "0"}
	return r
}

// age is for how long a publication is kept, in milliseconds; 0 is for ever.
func age(r hub.Retention) string {
	if r.Age <= 0 {
		return "0"
	}
	return milliseconds(r.Age)
}

// publish tries until it is done, or there is no time left.
func (b *Broker) publish(ctx context.Context, r *request) (hub.Published, error) {
	began, pause := time.Now(), firstRetry
	var maybe bool // an attempt may have been done
	for {
		answer, err := b.attempt(ctx, r)
		if err == nil {
			return answer, nil
		}
		maybe = maybe || ambiguous(err)
		if ctx.Err() != nil || !passing(err) || time.Since(began)+pause > b.options.PublishWait {
			return hub.Published{}, b.unavailable(err, "publish", maybe)
		}
		b.counters.retries.Add(1)
		if !jitter(ctx, pause) {
			return hub.Published{}, b.unavailable(ctx.Err(), "publish", maybe)
		}
		pause = min(2*pause, maxRetry)
	}
}

func (b *Broker) attempt(ctx context.Context, r *request) (hub.Published, error) {
	r.note()
	return r.answer(r.partition.shard.eval(ctx, publishScript, r.keys, r.args))
}

// note tells what the node has seen of the channel.
func (r *request) note() {
	if s := r.partition.link.find(r.channel); s != nil {
		at := s.seen()
		r.args[seenArg], r.args[seenArg+1], r.args[seenArg+2] = at.Epoch, strconv.FormatUint(at.Offset, 10), strconv.FormatInt(at.time, 10)
	}
}

// answer reads what the script says.
func (r *request) answer(result rueidis.RedisResult) (hub.Published, error) {
	answer, err := result.ToString()
	if err != nil {
		return hub.Published{}, err
	}
	by, at, found := strings.Cut(answer, " ")
	if !found {
		return hub.Published{}, fmt.Errorf("the server answers %.60q", answer)
	}
	now, err := parsePlace(at)
	if err != nil {
		return hub.Published{}, err
	}
	return hub.Published{Position: now.Position, Time: time.UnixMicro(now.time), Duplicate: by != r.by}, nil
}

// ambiguous tells whether what failed may have been done: it was sent, and no answer came.
func ambiguous(err error) bool {
	if _, refused := rueidis.IsRedisErr(err); refused {
		return false
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false
	}
	return !errors.Is(err, rueidis.ErrNoSlot)
}

// passing tells whether trying again may help.
func passing(err error) bool {
	refusal, refused := rueidis.IsRedisErr(err)
	return !refused || passingText(refusal.Error())
}

func passingText(refusal string) bool {
	code, rest, _ := strings.Cut(refusal, " ")
	if code == "ERR" && strings.HasPrefix(rest, "Error running script") { // Redis 6.2 wraps what a command of the script was refused with
		if _, cause, wrapped := strings.Cut(rest, ": -"); wrapped {
			code, _, _ = strings.Cut(cause, " ")
		}
	}
	switch code {
	case "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "NOREPLICAS", "BUSY", "UNBLOCKED", "OOM", "MISCONF":
		return true
	}
	return false
}

// find is the subscription to a channel, or nil.
func (l *link) find(channel string) *subscription {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.wanted[channel]
}
