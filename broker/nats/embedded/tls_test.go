//go:build linux

package embedded

import (
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/server/listen"
	"github.com/ringdown/ringdown/test/servers"
)

func TestServersWithCertificatesTakeOnlyEachOther(t *testing.T) {
	t.Parallel()
	mutual := func() *tls.Config {
		cert, key := servers.Certificate(t)
		c, err := listen.Mutual(cert, key, cert, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ours, foreign := mutual(), mutual()
	for _, test := range []struct {
		name     string
		one, two *tls.Config
		together bool
	}{
		{"one authority", ours, ours, true},
		{"two", ours, foreign, false},
		{"none on one side", ours, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			servers, log := pairOf(t, Options{TLS: test.one}, Options{TLS: test.two})
			if test.together {
				eventually(t, "they know each other", func() bool { return servers[0].server.NumRoutes() > 0 && servers[1].server.NumRoutes() > 0 })
				return
			}
			eventually(t, "one is refused", func() bool { return strings.Contains(strings.ToLower(log.String()), "tls") })
			if n, m := servers[0].server.NumRoutes(), servers[1].server.NumRoutes(); n > 0 && m > 0 { // one counts a route until the other has refused it
				t.Errorf("%d and %d routes have come about", n, m)
			}
		})
	}
}
