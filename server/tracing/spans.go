// The spans that there are: what each is called, and what it says.

package tracing

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/ringdown/ringdown/backend"
)

// Operation begins the span of a call of the API by somebody who has a key: the traceparent that it carries is believed. It returns
// the context to answer the call in, and what is to be called once with the status of the answer. It is for api.Options.Trace.
func (t *Tracer) Operation(r *http.Request, operation, route string) (context.Context, func(status int)) {
	ctx := t.context.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, r.Method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method),
		attribute.String("http.route", route),
		attribute.String("ringdown.operation", operation),
	))
	return ctx, func(status int) {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			fail(span, strconv.Itoa(status))
		}
		span.End()
	}
}

// Hook begins the span of a hook's request, which all attempts share. It returns the context to ask in, and what is to be called once
// with the outcome. It is for [backend.HooksOptions].
func (t *Tracer) Hook(ctx context.Context, hook backend.Hook, request, session string) (context.Context, func(error)) {
	ctx, span := t.tracer.Start(ctx, "hook "+string(hook), trace.WithAttributes(
		attribute.String("ringdown.hook", string(hook)),
		attribute.String("ringdown.request", request),
		attribute.String("ringdown.session", session),
	))
	return ctx, func(err error) {
		outcome, wrong := outcomeOf(err)
		span.SetAttributes(attribute.String("ringdown.outcome", outcome))
		if wrong {
			fail(span, outcome)
		}
		span.End()
	}
}

// outcomeOf names what became of a hook's request, and tells whether something is wrong with the service. The text of an error is not
// shown: a denial's comes from the service.
func outcomeOf(err error) (outcome string, wrong bool) {
	switch {
	case err == nil:
		return "allowed", false
	case errors.Is(err, backend.ErrDenied):
		return "denied", false
	case errors.Is(err, backend.ErrNotAsked):
		return "skipped", true
	case errors.Is(err, backend.ErrInvalidAnswer):
		return "invalid_answer", true
	case errors.Is(err, backend.ErrUnavailable):
		return "unavailable", true
	}
	return "abandoned", false // by whoever waited for it
}

// Attempts goes around the way that requests to the service take: each is a span, whose context the service is told.
func (t *Tracer) Attempts(next http.RoundTripper) http.RoundTripper { return &attempts{t, next} }

// attempts implements [http.RoundTripper].
type attempts struct {
	*Tracer
	next http.RoundTripper
}

// RoundTrip implements [http.RoundTripper]. The span ends with the head of the answer.
func (a *attempts) RoundTrip(r *http.Request) (*http.Response, error) {
	port := r.URL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[r.URL.Scheme]
	}
	number, _ := strconv.Atoi(port)
	ctx, span := a.tracer.Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", r.Method),
		attribute.String("server.address", r.URL.Hostname()),
		attribute.Int("server.port", number),
	))
	defer span.End()
	r = r.WithContext(ctx)
	r.Header = r.Header.Clone()
	a.context.Inject(ctx, propagation.HeaderCarrier(r.Header))
	response, err := a.next.RoundTrip(r)
	switch {
	case errors.Is(err, context.Canceled):
		fail(span, "canceled")
	case errors.Is(err, context.DeadlineExceeded):
		fail(span, "timeout")
	case err != nil: // its text may quote what the service sent
		fail(span, "connection")
	default:
		span.SetAttributes(attribute.Int("http.response.status_code", response.StatusCode))
		if response.StatusCode >= http.StatusBadRequest {
			fail(span, strconv.Itoa(response.StatusCode))
		}
	}
	return response, err
}

// CloseIdleConnections is for [http.Client].
func (a *attempts) CloseIdleConnections() {
	if closer, ok := a.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

func fail(span trace.Span, kind string) {
	span.SetAttributes(attribute.String("error.type", kind))
	span.SetStatus(codes.Error, "")
}
