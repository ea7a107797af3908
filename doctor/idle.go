// Quiet lines: how long does what stands between here and the node let them live? The node's heartbeats are what keeps them alive, so
// a line that is cut between two of them has met a time-out that is shorter.

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// longestWait is the longest that a node lets a poll wait.
const longestWait = 60 * time.Second

// watched is what became of a quiet line.
type watched struct {
	lived   time.Duration // since it was open
	silence time.Duration // since the last byte, when it ended or the time was up
	beats   int64         // times that something came
	cut     error         // nil if the time was up
}

// idle watches a WebSocket, an event stream and a long poll at the same time.
func (e *examination) idle(ctx context.Context) {
	if e.Idle == 0 {
		return
	}
	type watch struct {
		what  string
		watch func(context.Context) (*watched, error)
	}
	watches := []watch{{"WebSocket", e.watchSocket}, {"event stream", e.watchEvents}}
	if e.cursor != "" {
		watches = append(watches, watch{"long poll", e.watchPoll})
	}
	type outcome struct {
		*watched
		error
	}
	outcomes := make([]chan outcome, len(watches))
	for i, w := range watches {
		outcomes[i] = make(chan outcome, 1)
		go func() {
			found, err := w.watch(ctx)
			outcomes[i] <- outcome{found, err}
		}()
	}
	for i, w := range watches { // each is bounded
		got := <-outcomes[i]
		switch {
		case got.error != nil:
			e.warn("idle", fmt.Sprintf("no quiet %s could be watched: %s", w.what, e.ending(got.error)), "see what is said of it above")
		case w.what == "long poll":
			e.quietPoll(got.watched)
		default:
			e.quiet(w.what, got.watched)
		}
	}
}

// quiet reports a line that is kept alive by heartbeats.
func (e *examination) quiet(what string, w *watched) {
	if w.cut == nil {
		if w.beats == 0 {
			e.ok("idle", "a quiet %s lived for %s, in which no heartbeat came; --idle 70s says more", what, brief(w.lived))
			return
		}
		e.ok("idle", "a quiet %s lived for %s, with %d heartbeats of the node", what, brief(w.lived), w.beats)
		return
	}
	if closed, ok := errors.AsType[*websocket.CloseError](w.cut); ok {
		e.warn("idle", fmt.Sprintf("the node closed a quiet %s after %s: %v %s", what, brief(w.lived), closed.Code, quoted(closed.Reason)), "see what it says")
		return
	}
	e.fail("idle", fmt.Sprintf("a quiet %s was cut after %s, %s after the last byte: a proxy's idle time-out is shorter than the node's heartbeats, of which %d came",
		what, brief(w.lived), brief(w.silence), w.beats),
		fmt.Sprintf("raise the time-out of whatever cuts, or let the node send heartbeats more often than every %s (keep-alive interval); %s", brief(w.silence), e.cure(longReads)))
}

// quietPoll reports a poll that waited.
func (e *examination) quietPoll(w *watched) {
	wait := min(e.Idle, longestWait)
	switch {
	case w.cut != nil:
		e.fail("idle", fmt.Sprintf("a long poll of %s was cut after %s (%s): a proxy's time-out is shorter", wait, brief(w.lived), quoted(w.cut.Error())),
			"raise it, or let clients ask with a shorter ?wait=; "+e.cure(longReads))
	case w.lived < wait/2:
		e.ok("idle", "a long poll was answered after %s: something was published", brief(w.lived))
	default:
		e.ok("idle", "a long poll waited for %s", brief(w.lived))
	}
}

// watchSocket watches a WebSocket on which nothing is said.
func (e *examination) watchSocket(ctx context.Context) (*watched, error) {
	l, _, err := e.dial(ctx, dialling{})
	if err != nil {
		return nil, err
	}
	defer l.CloseNow()
	if _, err := e.hear(ctx, l, "welcome"); err != nil {
		return nil, err
	}
	start, before := time.Now(), l.heard.times.Load()
	ctx, cancel := context.WithTimeout(ctx, e.Idle)
	defer cancel()
	for err == nil {
		_, _, err = l.Read(ctx) // answers pings
	}
	w := &watched{lived: time.Since(start), beats: l.heard.times.Load() - before}
	w.silence = time.Since(time.Unix(0, l.heard.last.Load()))
	if ctx.Err() == nil {
		w.cut = err
	}
	return w, nil
}

// watchEvents watches an event stream on which nothing happens.
func (e *examination) watchEvents(ctx context.Context) (*watched, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout+e.Idle)
	defer cancel()
	opening := time.AfterFunc(e.Timeout, cancel)
	s, err := e.openStream(ctx)
	if err != nil {
		return nil, err
	}
	defer s.response.Body.Close()
	if s.response.StatusCode != http.StatusOK {
		return nil, errors.New(s.response.Status)
	}
	buffer := make([]byte, 4<<10)
	if _, err := s.response.Body.Read(buffer); err != nil {
		return nil, err
	}
	if !opening.Stop() {
		return nil, context.DeadlineExceeded
	}
	start := time.Now()
	last := start
	idle := time.AfterFunc(e.Idle, cancel)
	defer idle.Stop()
	w := &watched{}
	for {
		n, err := s.response.Body.Read(buffer)
		if n > 0 {
			last = time.Now()
			w.beats++
		}
		if err != nil {
			w.lived, w.silence = time.Since(start), time.Since(last)
			if ctx.Err() == nil {
				w.cut = err
			}
			return w, nil
		}
	}
}

// watchPoll watches a poll for which there is nothing.
func (e *examination) watchPoll(ctx context.Context) (*watched, error) {
	wait := min(e.Idle, longestWait)
	ctx, cancel := context.WithTimeout(ctx, wait+e.Timeout)
	defer cancel()
	start := time.Now()
	a, _, err := e.wait(ctx, wait)
	w := &watched{lived: time.Since(start), cut: err}
	if err == nil && a.status != http.StatusOK {
		w.cut = errors.New(a.said())
	}
	return w, nil
}
