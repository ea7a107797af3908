// Package tracing tells an OpenTelemetry collector what a node does for its API and asks of its backend: a span for each call of the
// API, one for each hook, and below it one for each attempt to ask the service.
//
//	t, err := tracing.New(tracing.Options{Endpoint: "http://localhost:4318", Ratio: 1})
//	if err != nil {
//		return err
//	}
//	defer t.Close(ctx)
//	api.New(h, api.Options{Trace: t.Operation, ...})
//	backend.NewHooks(backend.HooksOptions{Trace: t.Hook, Wrap: t.Attempts, ...})
//
// Spans go out over OTLP/HTTP in protobuf, in batches and beside the work: whoever waits for an answer never waits for the collector.
// When it is away, at most 2048 spans wait for it and further ones are dropped.
//
// Contexts of traces are read and written as W3C traceparent and tracestate. They are believed of callers of the API with a key, and
// of no client; baggage is neither read nor written. What a span says is names, numbers and codes: no payload, no token, no header,
// no path or query of a URL of the backend, no text of an answer.
//
// A Tracer may be used from any goroutine.
package tracing

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options say where spans go, and which.
type Options struct {
	// Endpoint is the collector's URL. One without a path, "http://localhost:4318", means the usual one, /v1/traces.
	Endpoint string
	// Ratio is the share of traces that are kept, from 0 to 1, of those that begin here; whether one that began elsewhere is kept
	// was decided there.
	Ratio float64
	// Service is service.name; "" means DefaultService.
	Service string
	// Version is service.version; "" leaves it out.
	Version string
	// Attributes of the node, as "deployment.environment.name=production".
	Attributes []string
	// Log is told when the collector cannot be reached, at most once a minute, and when it can be again; nil means slog.Default.
	Log *slog.Logger
}

// DefaultService is how a node calls itself.
const DefaultService = "ringdown"

// How long the collector is waited for.
const (
	sendTimeout  = 5 * time.Second  // one request
	sendPatience = 15 * time.Second // a batch, with all its repetitions
	batchDelay   = 2 * time.Second  // until spans are sent that are too few for a batch
	flushTimeout = 3 * time.Second  // when a node stops
)

// Tracer makes spans. Make one with New, and close it.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	context  propagation.TraceContext
	sender   *sender
}

// New starts a tracer, which connects to nobody yet. The error says which option is not sound.
func New(o Options) (*Tracer, error) {
	attributes, err := attributesOf(&o)
	if err != nil {
		return nil, err
	}
	endpoint, err := url.Parse(o.Endpoint)
	if err != nil || endpoint.Host == "" {
		return nil, fmt.Errorf("tracing: the endpoint is no URL; write it as http://localhost:4318") // it may hold a password
	}
	if endpoint.Path == "" || endpoint.Path == "/" {
		endpoint.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(endpoint.String()), otlptracehttp.WithTimeout(sendTimeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: sendTimeout, MaxElapsedTime: sendPatience}))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	about, err := resource.New(context.Background(), resource.WithTelemetrySDK(), resource.WithHost(), resource.WithAttributes(attributes...))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	t := &Tracer{sender: &sender{exporter: exporter, collector: endpoint.Host, log: cmp.Or(o.Log, slog.Default())}}
	t.provider = sdk.NewTracerProvider(
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.Ratio))),
		sdk.WithResource(about),
		sdk.WithSpanProcessor(counter{&t.sender.ended}),
		sdk.WithBatcher(t.sender, sdk.WithBatchTimeout(batchDelay), sdk.WithExportTimeout(2*sendPatience)),
	)
	t.tracer = t.provider.Tracer("github.com/ringdown/ringdown")
	return t, nil
}

// attributesOf are those of the node.
func attributesOf(o *Options) ([]attribute.KeyValue, error) {
	all := []attribute.KeyValue{attribute.String("service.name", cmp.Or(o.Service, DefaultService))}
	if o.Version != "" {
		all = append(all, attribute.String("service.version", o.Version))
	}
	for _, text := range o.Attributes {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("tracing: the attribute %.40q has no name or no value; write it as deployment.environment.name=production", text)
		}
		all = append(all, attribute.String(name, value))
	}
	return all, nil
}

// Close sends what waits, for at most three seconds and no longer than ctx, and ends. Spans that could not be sent are counted and told
// to the log.
func (t *Tracer) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.sender.log.Warn("the last spans were not sent to the collector", "collector", t.sender.collector, "cause", err)
	}
}
