package server_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// A node that is spoken to in HTTP knows by a proxy that it trusts, and by nobody else, that its pages come over https.
func TestAPageBehindAProxyThatEndsTLSIsOfTheSameOriginIfTheProxyIsTrusted(t *testing.T) {
	const page = "https://rt.example.com"
	proto, forwarded := http.Header{"X-Forwarded-Proto": {"https"}}, http.Header{"Forwarded": {"for=192.0.2.1;proto=https"}}
	for _, c := range []struct {
		proves    string
		trusted   []string
		forwarded bool
		host      string
		header    http.Header
		page      string
		may       bool
	}{
		{"the trusted proxy says https", []string{"127.0.0.1"}, false, "rt.example.com", proto, page, true},
		{"it says so with Forwarded", []string{"127.0.0.1"}, true, "rt.example.com", forwarded, page, true},
		{"it names the host as well", []string{"127.0.0.1"}, false, "node1:8000",
			http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"rt.example.com"}}, page, true},
		{"nobody is trusted", nil, false, "rt.example.com", proto, page, false},
		{"another one is trusted", []string{"192.0.2.0/24"}, false, "rt.example.com", proto, page, false},
		{"another one is trusted, with Forwarded", []string{"192.0.2.0/24"}, true, "rt.example.com", forwarded, page, false},
		{"the proxy writes the other field", []string{"127.0.0.1"}, true, "rt.example.com", proto, page, false},
		{"what the client claims stands to the left", []string{"127.0.0.1"}, false, "rt.example.com",
			http.Header{"X-Forwarded-Proto": {"https, http"}}, page, false},
		{"the proxy says nothing", []string{"127.0.0.1"}, false, "rt.example.com", nil, page, false},
		{"a page of http, where the proxy says https", []string{"127.0.0.1"}, false, "rt.example.com", proto, "http://rt.example.com", false},
		{"a page of another host", []string{"127.0.0.1"}, false, "rt.example.com", proto, "https://evil.example", false},
	} {
		node := start(t, changed(func(o *config.Config) { o.Listen.TrustedProxies, o.Listen.Forwarded = c.trusted, c.forwarded }))
		header := c.header.Clone()
		if header == nil {
			header = make(http.Header)
		}
		header.Set("Origin", c.page)
		for _, path := range []string{"/connect", "/channels/lobby"} {
			conn, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s%s", node.Addr(), path), &websocket.DialOptions{Header: header, Host: c.host})
			if (err == nil) != c.may {
				t.Errorf("%s, WebSocket at %s: %v", c.proves, path, err)
			}
			if err == nil {
				conn.CloseNow()
			}
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/channels/lobby", node.Addr()), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header, r.Host = header, c.host
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if may := response.StatusCode == http.StatusOK; may != c.may || may && response.Header.Get("Access-Control-Allow-Origin") != c.page {
			t.Errorf("%s, poll: %s", c.proves, response.Status)
		}
	}
}

// A page whose name an attacker lets point to this machine may set every field, and proxies on this machine may be trusted.
func TestDevModeLooksAtTheHostThatWasSentAndNotAtWhatIsSaidOfIt(t *testing.T) {
	node := start(t, changed(func(c *config.Config) { c.Dev, c.Listen.TrustedProxies = true, []string{"127.0.0.1"} }))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/channels/lobby", node.Addr()), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "localhost")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("answered with %s", response.Status)
	}
}
