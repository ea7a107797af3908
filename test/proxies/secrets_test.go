//go:build unix

package proxies

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// logged is what is in the proxy's logs.
func (s *site) logged(t *testing.T) (all string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(s.logs, "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs: %v", err)
	}
	for _, name := range logs {
		wrote, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all += string(wrote)
	}
	return all
}

// asked is a request as it reaches what stands behind a proxy.
func asked(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Host: %s\nX-Forwarded-For: %q\nX-Forwarded-Proto: %q\nForwarded: %q\nX-Forwarded-Host claimed: %t\n", r.Host,
		r.Header.Values("X-Forwarded-For"), r.Header.Values("X-Forwarded-Proto"), r.Header.Values("Forwarded"),
		strings.Contains(r.Header.Get("X-Forwarded-Host"), "evil")) // Caddy sets it, to the Host
}

func TestWhatClientsClaimOfThemselvesIsThrownAwayAndTheirTokensAreNotLogged(t *testing.T) {
	const claim, token = "192.0.2.66", "geheim"
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			path, set := k.prepare(t)
			upstream := httptest.NewServer(http.HandlerFunc(asked))
			defer upstream.Close()
			set.node = upstream.Listener.Addr().String()
			s := k.inFront(t, path, set)

			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/channels/a?token="+token, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("X-Forwarded-For", claim)
			request.Header.Set("X-Forwarded-Proto", "gopher")
			request.Header.Set("X-Forwarded-Host", "evil.example")
			request.Header.Set("Forwarded", "for="+claim)
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}}
			defer transport.CloseIdleConnections()
			response, err := transport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("Host: %s\nX-Forwarded-For: [\"127.0.0.1\"]\nX-Forwarded-Proto: [\"https\"]\nForwarded: []\nX-Forwarded-Host claimed: false\n",
				strings.TrimPrefix(s.url, "https://"))
			if string(body) != want {
				t.Errorf("the node sees\n%swant\n%s", body, want)
			}
			wrote := s.logged(t)
			for k.name != "caddy" && !strings.Contains(wrote, "/channels/a") && ctx.Err() == nil { // Caddy logs no requests
				time.Sleep(10 * time.Millisecond)
				wrote = s.logged(t)
			}
			if strings.Contains(wrote, token) || ctx.Err() != nil {
				t.Errorf("the logs hold the token, or no request:\n%s", wrote)
			}
		})
	}
}

// Each restart of a node is such a time, and proxies log what they could not pass on.
func TestTokensAreNotLoggedWhileTheNodeIsAway(t *testing.T) {
	const token = "geheim"
	failed := map[string]string{"nginx": "/channels/a HTTP/", "haproxy": "/channels/a", "caddy": "connection refused"} // in the log
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			path, set := k.prepare(t)
			set.node = "127.0.0.1:" + freePort(t)
			s := k.inFront(t, path, set)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/channels/a?limit=1&token="+token, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+token)
			request.Header.Set("Cookie", "session="+token)
			request.Header.Set("Sec-WebSocket-Protocol", "ringdown.v1.json, "+token)
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}}
			defer transport.CloseIdleConnections()
			response, err := transport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode < 500 {
				t.Errorf("who answers? %s", response.Status)
			}
			wrote := s.logged(t)
			for !strings.Contains(wrote, failed[k.name]) && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
				wrote = s.logged(t)
			}
			if strings.Contains(wrote, token) || ctx.Err() != nil {
				t.Errorf("the logs hold the token, or no request:\n%s", wrote)
			}
		})
	}
}
