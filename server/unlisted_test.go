package server_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/server/config"
)

func TestAProxyThatIsNotListedIsNoticed(t *testing.T) {
	for _, c := range []struct {
		proves  string
		trusted []string
		header  http.Header
		lines   int
	}{
		{"X-Forwarded-For", nil, http.Header{"X-Forwarded-For": {"203.0.113.7"}}, 1},
		{"Forwarded", nil, http.Header{"Forwarded": {"for=203.0.113.7"}}, 1},
		{"another proxy is trusted", []string{"192.0.2.1"}, http.Header{"X-Forwarded-For": {"203.0.113.7"}}, 1},
		{"it is trusted", []string{"127.0.0.1"}, http.Header{"X-Forwarded-For": {"203.0.113.7"}}, 0},
		{"no proxy", nil, http.Header{}, 0},
	} {
		t.Run(c.proves, func(t *testing.T) {
			var log lines
			node := start(t, changed(func(n *config.Config) { n.Listen.TrustedProxies = c.trusted }), slog.New(slog.NewTextHandler(&log, nil)))
			for range 3 { // it is said once
				r, err := http.NewRequest("GET", fmt.Sprintf("http://%s/channels/news", node.Addr()), nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header = c.header
				response, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
			}
			if n := strings.Count(log.String(), "listen.trusted_proxies"); n != c.lines {
				t.Errorf("%d lines, want %d: %s", n, c.lines, log.String())
			}
		})
	}
}
