// A message at a time: the newest of a subject, and one more if that is still the newest.

package nats

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/ringdown/ringdown/hub"
)

// askingAgain is how long the first answer to a question is waited for before it is asked again, and the wait doubles: while servers elect a leader,
// nobody takes it.
const askingAgain = time.Second

// again asks a question, which changes nothing, until it is answered or the time for an answer is over.
func (b *Broker) again(ctx context.Context, question func(context.Context) error) error {
	ctx, cancel := b.timed(ctx)
	defer cancel()
	for wait := askingAgain; ; wait *= 2 {
		one, cancel := context.WithTimeout(ctx, wait)
		err := question(one)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
	}
}

// newest reads the newest message of a subject; found is false if there is none.
func (b *Broker) newest(ctx context.Context, s jetstream.Stream, subject string) (m *jetstream.RawStreamMsg, found bool, err error) {
	err = b.again(ctx, func(ctx context.Context) (err error) {
		m, err = s.GetLastMsgForSubject(ctx, subject)
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, false, nil
	}
	return m, err == nil, err
}

// whileElecting has a message sent again that no stream has taken, as it is for a moment after one was made or has another leader.
var whileElecting = []jetstream.PublishOpt{jetstream.WithRetryAttempts(4), jetstream.WithRetryWait(50 * time.Millisecond)}

// put stores a message if expected is the sequence of the newest of its subject: 0 if there is none. conflict tells that it is not.
func (b *Broker) put(ctx context.Context, subject string, body []byte, expected uint64) (seq uint64, conflict bool, err error) {
	ctx, cancel := b.timed(ctx)
	defer cancel()
	ack, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: body}, append(slices.Clip(whileElecting), jetstream.WithExpectLastSequencePerSubject(expected))...)
	if err != nil {
		var refused *jetstream.APIError
		if errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) {
			return 0, true, nil
		}
		return 0, false, err
	}
	return ack.Sequence, false, nil
}

// ambiguous tells whether what failed may have been done: it was sent, and no answer came.
func ambiguous(err error) bool {
	var refused *jetstream.APIError
	return !errors.As(err, &refused) && !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, nats.ErrNoResponders) &&
		!errors.Is(err, nats.ErrReconnectBufExceeded) && !errors.Is(err, nats.ErrMaxPayload)
}

// tail is where a channel is. What is not there at all is at the zero place.
func (b *Broker) tail(ctx context.Context, channel string) (message, error) {
	m, found, err := b.newest(ctx, b.streams.Load().channels, b.names.publications(channel))
	if err != nil || !found {
		return message{}, err
	}
	return decodeMessage(m.Sequence, m.Data)
}

// position is where a channel is, and begins a numbering if there is none, or if there is less of it than a node has seen, or if it is known
// to give offsets twice.
func (b *Broker) position(ctx context.Context, channel string, seen place, twice bool) (place, error) {
	for {
		now, err := b.tail(ctx, channel)
		if err != nil {
			return place{}, err
		}
		if now.at.Epoch != "" && !forgot(now.at, seen) && !(twice && now.at.Epoch == seen.Epoch) {
			return now.at, nil
		}
		at := place{Position: hub.Position{Epoch: hub.NewEpoch()}, time: after(now.at)}
		seq, conflict, err := b.put(ctx, b.names.publications(channel), appendMessage(nil, "", at), now.at.seq)
		if err != nil {
			return place{}, err
		}
		if !conflict {
			at.seq = seq
			return at, nil
		}
	}
}

// forgot tells whether a server has less of a numbering than was seen of it, or something else: it was restored from a copy, or a
// leader was lost with what it had not replicated. Its offsets would then be given twice.
func forgot(now, seen place) bool {
	if now.Epoch != seen.Epoch {
		return false
	}
	return now.Offset < seen.Offset || now.Offset == seen.Offset && !now.time.Equal(seen.time)
}

// after is a time for what follows a place: now, unless somebody's clock is ahead.
func after(at place) time.Time {
	now := time.Now().Truncate(time.Microsecond)
	if now.After(at.time) {
		return now
	}
	return at.time.Add(time.Microsecond)
}
