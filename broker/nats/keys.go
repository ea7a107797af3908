// Idempotency keys. A key is claimed before its publication is stored, and afterwards noted with where that went. Whoever finds a claim waits;
// if nothing happens for long, the claimant is gone, and the channel's history shows whether it had got to publishing.

package nats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// claim is this node's hold on a key.
type claim struct {
	id    string    // of the message that is published with it
	seq   uint64    // of the record
	until time.Time // half of the lease has passed; whoever respects it does so by a clock of its own
	// after is the sequence of the newest message of the channel that was searched for the publication of an earlier claimant; it must
	// still be the newest. 0 if there was none.
	after uint64
	taken bool // from an earlier claimant

	expected uint64 // the sequence of the record that it replaces
}

// holds tells whether nobody else can have taken the key over, when the message is stored after a place that was read before.
func (c *claim) holds(last place) bool {
	return time.Now().Before(c.until) && (!c.taken || last.seq == c.after)
}

var errClaimLost = errors.New("somebody else is publishing with this idempotency key")

// record is what is stored of a key:
//
//	'K' length id microseconds ' '              a claim, and when the window of the key ends
//	'K' length id microseconds ' ' position     the same once it is published
type record struct {
	id    string
	until time.Time
	done  bool
	at    hub.Position
	when  time.Time
}

const recordMark = 'K'

func (r *record) encode() []byte {
	b := append([]byte{recordMark, byte(len(r.id))}, r.id...)
	b = fmt.Appendf(b, "%d ", r.until.UnixMicro())
	if r.done {
		b = wire.AppendPosition(b, r.at, r.when)
	}
	return b
}

func decodeRecord(b []byte) (r record, err error) {
	if len(b) < 2 || b[0] != recordMark || len(b) < 2+int(b[1]) {
		return r, fmt.Errorf("the record of an idempotency key cannot be read: %w", errNotOurs)
	}
	end := 2 + int(b[1])
	r.id = string(b[2:end])
	clock, rest, found := bytes.Cut(b[end:], []byte{' '})
	us, err := strconv.ParseInt(string(clock), 10, 64)
	if err != nil || !found {
		return r, fmt.Errorf("the record of an idempotency key cannot be read: its time is %.24q", clock)
	}
	r.until = time.UnixMicro(us)
	if len(rest) == 0 {
		return r, nil
	}
	r.done = true
	if r.at, r.when, rest, err = wire.CutPosition(rest); err == nil && len(rest) > 0 {
		err = errNotOurs
	}
	if err != nil {
		return record{}, fmt.Errorf("the record of an idempotency key cannot be read: %w", err)
	}
	return r, nil
}

// publishOnce publishes with a key, or finds that it was done.
func (b *Broker) publishOnce(r *request, channel string) outcome {
	subject := b.names.key(channel, r.storing.IdempotencyKey)
	began := time.Now()
	for {
		earlier, err := b.claim(r, channel, subject)
		if err == nil && earlier != nil {
			return outcome{answer: earlier.published()}
		}
		done := outcome{err: err}
		if err == nil {
			done = b.publish(r, channel)
			b.noteKey(r, subject, done)
			r.claim = nil
		}
		patience := b.options.PublishWait
		if errors.Is(done.err, errClaimLost) {
			patience += 2 * b.lease
		}
		if done.err == nil || done.maybe || time.Since(began) > patience || !jitter(r.ctx, firstRetry) {
			return done
		}
	}
}

// claim claims a key for r, or finds where an earlier publication with it went. If it fails, r.claim may be stored all the same, and is recognised
// when it is tried again.
func (b *Broker) claim(r *request, channel, subject string) (earlier *record, err error) {
	var found record
	var seq, watched uint64
	var since time.Time // when the claim of somebody else, watched, was first seen
	defer func() {
		if err == nil {
			b.watches.end(subject)
		}
	}()
	for first := true; ; first = false {
		if !first {
			if found, seq, err = b.readKey(r.ctx, subject); err != nil {
				return nil, err
			}
		}
		var after uint64
		switch {
		case seq == 0 || found.done && !time.Now().Before(found.until):
		case found.done:
			return &found, nil
		case r.claim != nil && r.claim.id == found.id: // the answer was lost
			r.claim.seq = seq
			return nil, nil
		case watched != seq:
			watched, since = seq, b.watches.since(subject, seq, b.lease)
			fallthrough
		case time.Since(since) < b.lease:
			if !jitter(r.ctx, 2*firstRetry) {
				return nil, r.ctx.Err()
			}
			continue
		default:
			if after, err = b.search(r.ctx, channel, &found); err != nil {
				return nil, err
			}
			if found.done {
				b.put(r.ctx, subject, found.encode(), seq) // or the next one finds it
				return &found, nil
			}
		}
		c := r.claim
		if c == nil || c.expected != seq || c.after != after { // otherwise the one before may still be stored, and is as good
			c = &claim{id: hub.NewEpoch() + hub.NewEpoch(), until: time.Now().Add(b.lease / 2), after: after, taken: watched != 0 && watched == seq, expected: seq}
			r.claim = c
		}
		at, conflict, err := b.put(r.ctx, subject, (&record{id: c.id, until: time.Now().Add(r.storing.Window)}).encode(), seq)
		if err != nil {
			return nil, err
		}
		if !conflict {
			c.seq = at
			return nil, nil
		}
	}
}

// watches are the claims of others that calls wait for, or waited for until their callers gave up. It is what makes a key free in the end for
// callers of whom none waits as long as a claim is respected.
type watches struct {
	mu  sync.Mutex       // guards what follows
	all map[string]watch // by the key's subject
}

type watch struct {
	seq         uint64 // of the claim
	since, last time.Time
}

// maxWatches bounds the keys that are remembered. Beyond it a call waits for itself.
const maxWatches = 4096

// since is when a claim was first seen. Claims that nobody has asked about for as long as one is respected give way if there are very many.
func (w *watches) since(subject string, seq uint64, lease time.Duration) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	one, known := w.all[subject]
	if !known && len(w.all) >= maxWatches {
		maps.DeleteFunc(w.all, func(_ string, o watch) bool { return now.Sub(o.last) > lease })
	}
	if !known && len(w.all) >= maxWatches {
		return now
	}
	if one.seq != seq {
		one = watch{seq: seq, since: now}
	}
	one.last = now
	w.all[subject] = one
	return one.since
}

func (w *watches) end(subject string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, subject)
}

func (b *Broker) readKey(ctx context.Context, subject string) (r record, seq uint64, err error) {
	m, found, err := b.newest(ctx, b.streams.Load().state, subject)
	if err != nil || !found {
		return r, 0, err
	}
	r, err = decodeRecord(m.Data)
	return r, m.Sequence, err
}

// search looks for the publication of a claimant that is gone, and returns the sequence of the newest message up to which it looked.
func (b *Broker) search(ctx context.Context, channel string, claimed *record) (newest uint64, err error) {
	err = b.scan(ctx, b.names.channels, b.names.publications(channel), func(one stored) bool {
		newest = one.seq
		if m, err := decodeMessage(one.seq, one.body); err == nil && m.id == claimed.id && len(m.said) == 1 {
			claimed.done, claimed.at, claimed.when = true, m.at.Position, m.at.time
		}
		return !claimed.done
	})
	return newest, err
}

// noteKey notes where a publication went, or that the key is free again, without having the publisher wait.
func (b *Broker) noteKey(r *request, subject string, o outcome) {
	c, window := *r.claim, r.storing.Window
	if o.maybe && o.later == nil { // who looks for it will find it, or not
		return
	}
	b.working.Go(func() {
		if o.later != nil {
			select {
			case <-o.later.done:
			case <-b.ctx.Done():
				return
			}
			if o = o.later.outcome; o.maybe {
				return
			}
		}
		ctx, cancel := b.timed(context.WithoutCancel(b.ctx))
		defer cancel()
		if o.err != nil {
			b.streams.Load().state.DeleteMsg(ctx, c.seq)
			return
		}
		done := record{id: c.id, until: o.answer.Time.Add(window), done: true, at: o.answer.Position, when: o.answer.Time}
		if seq, conflict, err := b.put(ctx, subject, done.encode(), c.seq); err == nil && !conflict {
			b.noted.add(seq, done.until)
		}
	})
}
