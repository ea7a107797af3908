// Sending: batches go to the collector, and what becomes of them is counted.

package tracing

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// Stats say what became of spans. Those that have ended and were neither sent nor have failed wait for the next batch, or were dropped
// because too many did.
type Stats struct {
	Ended  uint64 // of traces that are kept
	Sent   uint64
	Failed uint64 // the collector was away, or did not take them
}

// Stats are the counters since the start.
func (t *Tracer) Stats() Stats {
	s := t.sender
	return Stats{Sent: s.sent.Load(), Failed: s.failed.Load(), Ended: s.ended.Load()}
}

// complaints is how often the log is told that the collector is away.
const complaints = time.Minute

// sender is an exporter that counts. It keeps errors to itself, which the SDK would write to standard error.
type sender struct {
	exporter  sdk.SpanExporter
	collector string
	log       *slog.Logger

	ended, sent, failed atomic.Uint64
	complained          time.Time // by ExportSpans, which is not called twice at a time; zero while the collector answers
}

// ExportSpans implements [sdk.SpanExporter].
func (s *sender) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := s.exporter.ExportSpans(ctx, spans)
	if err == nil {
		s.sent.Add(uint64(len(spans)))
		if !s.complained.IsZero() {
			s.log.Info("traces are sent again", "collector", s.collector, "failed", s.failed.Load())
			s.complained = time.Time{}
		}
		return nil
	}
	s.failed.Add(uint64(len(spans)))
	if now := time.Now(); now.Sub(s.complained) > complaints {
		s.log.Warn("traces cannot be sent; look whether the collector runs there and takes OTLP over HTTP", "collector", s.collector,
			"spans", len(spans), "cause", err)
		s.complained = now
	}
	return nil
}

// Shutdown implements [sdk.SpanExporter].
func (s *sender) Shutdown(ctx context.Context) error { return s.exporter.Shutdown(ctx) }

// counter counts the spans that are to be sent.
type counter struct{ ended *atomic.Uint64 }

// OnStart implements [sdk.SpanProcessor].
func (counter) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements [sdk.SpanProcessor].
func (c counter) OnEnd(s sdk.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		c.ended.Add(1)
	}
}

// Shutdown implements [sdk.SpanProcessor].
func (counter) Shutdown(context.Context) error { return nil }

// ForceFlush implements [sdk.SpanProcessor].
func (counter) ForceFlush(context.Context) error { return nil }
