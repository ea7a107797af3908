// Delivering events: one batch at a time, until it is acknowledged, for order to hold.

package backend

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"time"

	"github.com/ringdown/ringdown/backend/internal/spool"
)

// deliver runs until Close, and until all is delivered or Close gives up.
func (e *Events) deliver() {
	failures, most := 0, e.options.MaxBatch
	for e.ctx.Err() == nil {
		batch, err := e.queue.Read(most, e.options.BatchBytes)
		if err != nil {
			e.log.Error("events are delivered no more: their queue cannot be read", "cause", err)
			return
		}
		if len(batch.Records) == 0 && batch.Lost == 0 {
			if !e.await() {
				return
			}
			continue
		}
		err = e.send(batch)
		if err == nil {
			e.acknowledged(batch, failures)
			failures, most = 0, min(e.options.MaxBatch, 2*most)
			continue
		}
		e.failures.Add(1)
		if t, ok := errors.AsType[*trouble](err); ok && t.tooLarge {
			if most = max(1, len(batch.Records)/2); len(batch.Records) == 1 {
				e.drop(batch, err)
			}
		}
		wait := e.backoff(failures, err)
		if failures++; failures == 1 || failures%10 == 0 {
			e.log.Warn("events could not be delivered; they are kept and tried again", "failures", failures, "waiting", e.queue.Stats().Records, "cause", err)
		}
		e.pause(wait)
	}
}

// await waits for an event, and reports whether there may be one.
func (e *Events) await() bool {
	select {
	case <-e.wake:
		return true
	case <-e.closing:
	}
	select { // one that was added just before
	case <-e.wake:
		return true
	default:
		return false
	}
}

// send posts a batch.
func (e *Events) send(batch spool.Batch) error {
	id := strings.ToLower(rand.Text()[:20])
	var body bytes.Buffer
	fmt.Fprintf(&body, `{"id":%q,"time":%q,"lost":%d,"events":[`, id, time.Now().UTC().Format(rfc3339), batch.Lost)
	body.Write(bytes.Join(batch.Records, []byte(",")))
	body.WriteString("]}")
	ctx, cancel := context.WithTimeoutCause(e.ctx, e.options.Timeout, errTimeout)
	defer cancel()
	_, err := e.service.post(ctx, "events", id, body.Bytes())
	if t, ok := errors.AsType[*trouble](err); ok && t.acked {
		return nil // whatever else was answered
	}
	return err
}

// acknowledged forgets a batch that the service has.
func (e *Events) acknowledged(batch spool.Batch, failures int) {
	e.delivered.Add(uint64(len(batch.Records)))
	if batch.Lost > 0 {
		e.log.Error("events were lost, and their receiver has been told: more waited than MaxBytes, or the disk failed", "lost", batch.Lost)
	}
	if failures > 0 {
		e.log.Info("events are delivered again", "failures", failures)
	}
	if err := e.queue.Ack(batch); err != nil {
		e.log.Error("delivered events may be delivered again after a restart", "cause", err)
	}
}

// drop gives up an event that the service finds too long even by itself: it would keep all those behind it from being delivered.
// What follows waits as after any failure, so that a service that takes nothing at all does not lose everything at once.
func (e *Events) drop(batch spool.Batch, cause error) {
	e.log.Error("an event is dropped, for its receiver takes none of its size; have it take bodies of as many bytes", "bytes", len(batch.Records[0]), "cause", cause)
	e.queue.Skip(batch)
}

// backoff is how long to wait after so many failures before, and no shorter than the service asks for, within MaxBackoff.
func (e *Events) backoff(failures int, err error) time.Duration {
	shortest, longest := e.options.MinBackoff, e.options.MaxBackoff
	ceiling := longest
	if grown := shortest << min(failures, 30); grown > 0 && grown < ceiling {
		ceiling = grown
	}
	wait := mathrand.N(ceiling)
	if t, ok := errors.AsType[*trouble](err); ok {
		wait = max(wait, min(t.retryAfter, longest))
	}
	return wait
}

// hurry is the longest pause once Close was called.
const hurry = 500 * time.Millisecond

// pause waits; not beyond a Close but for a little.
func (e *Events) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return
	case <-e.closing:
	}
	timer.Reset(min(d, hurry))
	select {
	case <-timer.C:
	case <-e.ctx.Done():
	}
}
