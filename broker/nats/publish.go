// Publishing: numbered by who publishes, stored only if nobody else was faster. What is published in a channel while a message is on its way
// goes with the next one, so a channel is not bound to one publication per round trip.

package nats

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// Pauses between attempts of one message: after one that failed, and after another node was faster for the second time.
const (
	firstRetry    = 20 * time.Millisecond
	maxRetry      = 500 * time.Millisecond
	conflictPause = time.Millisecond
)

// A message has at most so many publications and, beyond the first, bytes.
const (
	maxSaid      = 256
	maxSaidBytes = 128 << 10
)

// overhead bounds what a message has beside its content, in bytes.
const overhead = 512

// request is a publication on its way.
type request struct {
	ctx     context.Context
	content []byte
	storing hub.Storing
	claim   *claim      // of its idempotency key; nil if there is none
	taken   atomic.Bool // by the writer, which may have sent it
	done    chan struct{}

	outcome // set before done is closed
}

// outcome is what became of a request.
type outcome struct {
	answer hub.Published
	err    error
	maybe  bool     // it may have been stored all the same
	later  *request // what knows in the end, where nobody waited for that; nil otherwise
}

// Publish implements [hub.Broker]. An attempt of which the answer is lost is repeated, within Options.PublishWait, such that at most one is stored.
func (b *Broker) Publish(ctx context.Context, p *hub.Publication, s hub.Storing) (hub.Published, error) {
	ctx, leave, err := b.enter(ctx)
	if err != nil {
		return hub.Published{}, err
	}
	defer leave()
	content := contentOf(p)
	if err := b.fits(content); err != nil {
		return hub.Published{}, err
	}
	b.counters.publishing.Add(1)
	defer b.counters.publishing.Add(-1)
	r := &request{ctx: ctx, content: content, storing: s}
	var done outcome
	if s.IdempotencyKey != "" && s.Window > 0 {
		done = b.publishOnce(r, p.Channel)
	} else {
		done = b.publish(r, p.Channel)
	}
	if done.err != nil {
		b.counters.failed.Add(1)
		return hub.Published{}, b.unavailable(done.err, "publish", done.maybe)
	}
	b.counters.published.Add(1)
	if !done.answer.Duplicate {
		p.Epoch, p.Offset, p.Time = done.answer.Epoch, done.answer.Offset, done.answer.Time
	}
	return done.answer, nil
}

// fits refuses what the server would not take.
func (b *Broker) fits(content []byte) error {
	if limit := int(b.conn.MaxPayload()); len(content)+overhead > limit {
		return hub.Errorf(hub.TooLarge, "a publication of %d bytes is larger than the NATS server takes, which is %d; send less, or raise its max_payload",
			len(content), limit-overhead)
	}
	return nil
}

func contentOf(p *hub.Publication) []byte {
	return wire.AppendContent(make([]byte, 0, len(p.Payload)+len(p.Event)+len(p.Key)+len(p.Session)+len(p.User)+48), p)
}

// publish hands a copy of a request to its channel's writer, and waits while its context goes on; but no longer than one message may take, however
// many wait before it.
func (b *Broker) publish(asked *request, channel string) outcome {
	ctx, cancel := b.bounded(asked.ctx)
	defer cancel()
	r := &request{ctx: ctx, content: asked.content, storing: asked.storing, claim: asked.claim, done: make(chan struct{})}
	b.write(channel, r)
	return r.await()
}

// bounded is the context of what waits to be stored: for as long as one message may take.
func (b *Broker) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.options.PublishWait+2*b.options.Timeout)
}

// await waits for the outcome while the context goes on.
func (r *request) await() outcome {
	select {
	case <-r.done:
		return r.outcome
	case <-r.ctx.Done(): // if it is taken after this, it is withdrawn
		return outcome{err: r.ctx.Err(), maybe: r.taken.Load(), later: r}
	}
}

// finish is called once.
func (r *request) finish(o outcome) {
	r.outcome = o
	close(r.done)
}

// attempt is a message that is to be stored.
type attempt struct {
	id       string
	requests []*request
	body     []byte
	after    place // what it is stored after, or not at all
	at       place // where the channel is then
	sent     bool  // an earlier sending may have been stored
}

// number writes the message as it comes after a place.
func (a *attempt) number(last place, epoch string) {
	a.after, a.sent = last, false
	a.at = place{Position: last.Position, time: after(last)}
	if epoch != "" {
		a.at.Position = hub.Position{Epoch: epoch}
	}
	first := a.at.Offset
	a.at.Offset += uint64(len(a.requests))
	a.body = appendMessage(a.body[:0], a.id, a.at)
	for i, r := range a.requests {
		a.body = appendSaid(a.body, hub.Position{Epoch: a.at.Epoch, Offset: first + uint64(i) + 1}, a.at.time, r.content)
	}
}

// finish tells all who asked.
func (a *attempt) finish(err error) {
	first := a.at.Offset - uint64(len(a.requests))
	for i, r := range a.requests {
		if err != nil {
			r.finish(outcome{err: err, maybe: a.sent})
			continue
		}
		r.finish(outcome{answer: hub.Published{Position: hub.Position{Epoch: a.at.Epoch, Offset: first + uint64(i) + 1}, Time: a.at.time}})
	}
}

// withdraw takes requests off that nobody waits for any more, or that have lost their key. It must not be called while a sending is in doubt.
func (a *attempt) withdraw() {
	var rest []*request
	for _, r := range a.requests {
		switch {
		case r.ctx.Err() != nil:
			r.finish(outcome{err: r.ctx.Err()})
		case r.claim != nil && !r.claim.holds(a.after):
			r.finish(outcome{err: errClaimLost})
		default:
			rest = append(rest, r)
		}
	}
	a.requests = rest
}

// commit stores a message, whoever else does so at the same time.
func (w *writer) commit(a *attempt) {
	b := w.broker
	began, pause := time.Now(), firstRetry
	for conflicts := 0; ; conflicts++ {
		again, err := w.try(a)
		if err == nil && !again || len(a.requests) == 0 {
			return
		}
		if err == nil {
			if contended := time.Since(began); contended > b.options.PublishWait+2*b.options.Timeout {
				a.finish(errContended)
				return
			}
			if conflicts > 0 { // a leader refuses whatever comes while a message of the channel is being replicated
				jitter(b.ctx, min(conflictPause<<min(conflicts, 10), maxRetry))
			}
			continue
		}
		b.missing(err)
		if a.over() || b.ctx.Err() != nil || errors.Is(err, errClaimLost) || time.Since(began)+pause > b.options.PublishWait {
			a.finish(err)
			return
		}
		b.counters.retries.Add(1)
		jitter(b.ctx, pause)
		pause = min(2*pause, maxRetry)
	}
}

var errContended = errors.New("others were faster again and again")

// over tells whether nobody waits any more.
func (a *attempt) over() bool {
	for _, r := range a.requests {
		if r.ctx.Err() == nil {
			return false
		}
	}
	return true
}

// try sends a message once. It is to be tried again, numbered anew, if others were faster.
func (w *writer) try(a *attempt) (again bool, err error) {
	b := w.broker
	if !a.sent {
		w.doubt()
		seen := w.seen() // before
		last, err := w.last()
		if err != nil {
			return false, err
		}
		a.after = last
		if a.withdraw(); len(a.requests) == 0 {
			return false, nil
		}
		epoch := ""
		if last.Epoch == "" || forgot(last, seen) {
			epoch = hub.NewEpoch()
		}
		a.number(last, epoch)
	}
	seq, conflict, err := b.put(b.ctx, b.names.publications(w.channel), a.body, a.after.seq)
	switch {
	case err != nil:
		if a.sent = a.sent || ambiguous(err); !a.sent {
			w.forget()
		}
		return false, err
	case conflict && !a.sent:
		b.counters.conflicts.Add(1)
		w.refused(a.after)
		return true, nil
	case conflict:
		return w.resolve(a)
	}
	w.stored(a, seq)
	return false, nil
}

// resolve finds out whether an earlier sending was stored: then it is what follows the place that it was sent for.
func (w *writer) resolve(a *attempt) (again bool, err error) {
	b := w.broker
	ctx, cancel := b.timed(b.ctx)
	defer cancel()
	next, err := b.streams.Load().channels.GetMsg(ctx, a.after.seq+1, jetstream.WithGetMsgSubject(b.names.publications(w.channel)))
	if err != nil {
		return false, err
	}
	m, err := decodeMessage(next.Sequence, next.Data)
	switch {
	case err != nil:
		return false, err
	case m.id == a.id:
		w.stored(a, next.Sequence)
		return false, nil
	}
	var before uint64 // where what follows must begin if nothing is missing
	if m.at.Epoch == a.after.Epoch {
		before = a.after.Offset
	}
	if m.at.Offset-uint64(len(m.said)) != before {
		return false, errTrimmed
	}
	a.sent = false // it can never be stored any more
	w.refused(a.after)
	return true, nil
}

var errTrimmed = errors.New("what followed is no longer kept")

// stored notes that a message is stored, and has what is too much deleted.
func (w *writer) stored(a *attempt, seq uint64) {
	a.at.seq = seq
	w.know(a.at)
	last := a.requests[len(a.requests)-1].storing
	a.finish(nil)
	w.trim(last.Count)
}

// trim deletes what is more than a channel's rule keeps, once in a while.
func (w *writer) trim(count int) {
	w.untrimmed++
	if count >= w.broker.options.MaxCount || w.untrimmed < max(64, count/2) || w.trimming.Swap(true) {
		return
	}
	w.untrimmed = 0
	b := w.broker
	b.working.Go(func() {
		defer w.trimming.Store(false)
		ctx, cancel := b.timed(b.ctx)
		defer cancel()
		err := b.streams.Load().channels.Purge(ctx, jetstream.WithPurgeSubject(b.names.publications(w.channel)), jetstream.WithPurgeKeep(uint64(max(1, count))))
		if err != nil && b.ctx.Err() == nil {
			b.options.Log.Warn("nats: cannot delete what is no longer to be kept", "channel", w.channel, "cause", err)
		}
	})
}
