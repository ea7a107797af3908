// Traces: what the configuration says of them, in the words of package tracing.

package server

import (
	"log/slog"

	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/server/tracing"
)

// newTracer starts the tracer of a node, or returns nil if nothing is to be traced, so that it costs nothing.
func newTracer(c *config.Tracing, version string, log *slog.Logger) (*tracing.Tracer, error) {
	if c.Endpoint == "" {
		return nil, nil
	}
	return tracing.New(tracing.Options{
		Endpoint: c.Endpoint, Ratio: c.Ratio, Service: c.Service, Version: version, Attributes: c.Attributes, Log: log,
	})
}
