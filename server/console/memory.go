// What is remembered: the last endings and the last records of the log, in rings, from before there is a hub on.

package console

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// How much is remembered. Refusals have a ring of their own, so that whoever brings them about does not drive out why sessions ended.
const (
	keptEnded   = 1000
	keptRefused = 1000
	keptRecords = 500
)

// Memory is what a console remembers. Make one with NewMemory, give its Ended to the hub and its Tap to the log, and itself to New. It
// may be used from any goroutine and waits for nobody.
type Memory struct {
	ended   *feed[ending]
	refused *feed[ending]
	records *feed[record]

	counted atomic.Uint64 // endings
}

// NewMemory returns one that is empty.
func NewMemory() *Memory {
	return &Memory{ended: newFeed[ending](keptEnded), refused: newFeed[ending](keptRefused), records: newFeed[record](keptRecords)}
}

// Ended is for [hub.Options]. It is called under locks of gateways, so it asks the session for nothing but what it is.
func (m *Memory) Ended(e hub.Ending) {
	one := ending{
		Time: stamp{time.Now()}, Address: e.Remote, Transport: e.Transport, Refused: e.Refused, ClosedBy: e.By.String(),
		Code: e.Code, CloseCode: e.Close, Cause: redacted(e.Cause), Advice: Advice(e), Number: m.counted.Add(1),
	}
	if e.Refused {
		m.refused.put(one)
		return
	}
	if s := e.Session; s != nil {
		about := s.Connection()
		one.ID, one.User, one.Transport, one.Protocol = s.ID(), s.User(), transportOf(about), about.Protocol
		if one.Transport != "websocket" { // the others have no Close frame
			one.CloseCode = 0
		}
		one.AgeSeconds, one.QueueBytes = seconds(time.Since(s.Since())), about.Waiting
	}
	m.ended.put(one)
}

// Tap is a handler of log records that remembers those from level Info on, whatever level next takes.
func (m *Memory) Tap(next slog.Handler) slog.Handler { return &tap{memory: m, next: next} }

// tap implements [slog.Handler].
type tap struct {
	memory *Memory
	next   slog.Handler
	group  string // with its dot
	fields []field
}

// Enabled implements [slog.Handler].
func (t *tap) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || t.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (t *tap) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		fields := t.fields[:len(t.fields):len(t.fields)]
		r.Attrs(func(a slog.Attr) bool {
			fields = appendField(fields, t.group, a)
			return len(fields) < maxFields
		})
		t.memory.records.put(record{stamp{r.Time}, r.Level.String(), redacted(cut(r.Message)), fields})
	}
	if !t.next.Enabled(ctx, r.Level) {
		return nil
	}
	return t.next.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (t *tap) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *t
	with.next = t.next.WithAttrs(attrs)
	with.fields = t.fields[:len(t.fields):len(t.fields)]
	for _, a := range attrs {
		with.fields = appendField(with.fields, t.group, a)
	}
	return &with
}

// WithGroup implements [slog.Handler].
func (t *tap) WithGroup(name string) slog.Handler {
	with := *t
	with.next = t.next.WithGroup(name)
	if name != "" {
		with.group += name + "."
	}
	return &with
}
