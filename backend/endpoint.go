// An endpoint: the URL of a hook, with bounds of its own. Hooks with one URL do not share them, so that calls, which clients make as
// often as they like and which may take long, neither take the places of other hooks nor open their breaker.

package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// endpoint lets a bounded number of requests at a time go to a URL, has a bounded number wait, and none while the breaker is open.
type endpoint struct {
	service
	breaker  *breaker
	places   chan struct{} // one is taken by each request under way
	waiting  atomic.Int64
	maxQueue int64
	hook     Hook
	log      *slog.Logger

	failures, unasked, opened seldom // log lines
}

// seldom keeps a log line that anybody can cause from being written more often than once a second.
type seldom struct {
	until    atomic.Int64 // in nanoseconds since 1970
	unlogged atomic.Int64
}

// due reports whether the line may be written now, and how many were not since the last.
func (s *seldom) due() (unlogged int64, ok bool) {
	now, until := time.Now().UnixNano(), s.until.Load()
	if now < until || !s.until.CompareAndSwap(until, now+int64(time.Second)) {
		s.unlogged.Add(1)
		return 0, false
	}
	return s.unlogged.Swap(0), true
}

// try makes one attempt, of at most patience. The error is a *trouble, or the context's own.
func (e *endpoint) try(ctx context.Context, id string, body []byte, patience time.Duration) ([]byte, error) {
	if err := e.take(ctx); err != nil {
		return nil, err
	}
	defer func() { <-e.places }()
	t, err := e.breaker.enter()
	if err != nil {
		return nil, e.refuse(err)
	}
	result := failed // if it panics
	defer func() { e.breaker.leave(t, result) }()
	attempt, cancel := context.WithTimeoutCause(ctx, patience, errTimeout)
	defer cancel()
	answer, err := e.post(attempt, string(e.hook), id, body)
	result = judge(err)
	if result == failed {
		e.complain(id, err)
	}
	return answer, err
}

func (e *endpoint) refuse(err error) *trouble {
	return &trouble{undone: true, err: fmt.Errorf("%w: %s: %w", ErrNotAsked, e.name, err)}
}

// take waits for a place.
func (e *endpoint) take(ctx context.Context) error {
	if err := e.breaker.blocked(); err != nil {
		return e.refuse(err)
	}
	select {
	case e.places <- struct{}{}:
		return nil
	default:
	}
	if e.waiting.Add(1) > e.maxQueue {
		e.waiting.Add(-1)
		return e.refuse(fmt.Errorf("%d requests are under way and %d wait, which are the limits; make the service faster, or raise MaxConcurrent or MaxQueue", cap(e.places), e.maxQueue))
	}
	defer e.waiting.Add(-1)
	select {
	case e.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), errTimeout) {
			return &trouble{undone: true, err: fmt.Errorf("%w: %s: no place among %d requests came free in time; make the service faster, or raise MaxConcurrent", ErrNotAsked, e.name, cap(e.places))}
		}
		return ctx.Err()
	}
}

// judge says what an exchange tells about the service.
func judge(err error) outcome {
	t, ok := errors.AsType[*trouble](err)
	switch {
	case err == nil || ok && t.invalid:
		return answered
	case ok:
		return failed
	}
	return abandoned
}

// complain logs a failure, unless one was logged just now.
func (e *endpoint) complain(id string, err error) {
	if unlogged, ok := e.failures.due(); ok {
		e.log.Warn("a hook's service failed", "hook", e.hook, "request", id, "cause", err, "unlogged", unlogged)
	}
}

// explain logs why a hook refused what its service did not: an answer that cannot be understood, or a question that was not asked.
func (e *endpoint) explain(id string, err error) {
	switch {
	case errors.Is(err, ErrInvalidAnswer):
		e.complain(id, err)
	case errors.Is(err, ErrNotAsked):
		if unlogged, ok := e.unasked.due(); ok {
			e.log.Warn("a hook did not ask its service", "hook", e.hook, "request", id, "cause", err, "unlogged", unlogged)
		}
	}
}
