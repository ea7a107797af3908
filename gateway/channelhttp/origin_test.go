// Which pages may use a channel, and what their browsers are told.

package channelhttp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
)

func TestPagesAreToldApartByTheirOrigin(t *testing.T) {
	options := channelhttp.Options{}
	options.Accept.Origins = []string{"https://app.example.com", "*.example.org"}
	n := start(t, hub.Options{}, options)
	own := "http://" + n.host
	const listed, foreign = "https://app.example.com", "https://evil.example"
	for _, c := range []struct {
		proves  string
		header  map[string]string
		allowed string // methods that are let through
		shown   string // Access-Control-Allow-Origin
	}{
		{"no browser", nil, "GET HEAD POST PUT OPTIONS", ""},
		{"own page", map[string]string{"Origin": own, "Sec-Fetch-Site": "same-origin"}, "GET HEAD POST PUT OPTIONS", own},
		{"own page that reads", map[string]string{"Sec-Fetch-Site": "same-origin"}, "GET HEAD POST PUT OPTIONS", ""},
		{"listed page", map[string]string{"Origin": listed, "Sec-Fetch-Site": "cross-site"}, "GET HEAD POST PUT OPTIONS", listed},
		{"page under a pattern", map[string]string{"Origin": "https://a.example.org"}, "GET HEAD POST PUT OPTIONS", "https://a.example.org"},
		{"foreign page", map[string]string{"Origin": foreign}, "", ""},
		{"foreign page with an event stream", map[string]string{"Origin": foreign, "Accept": "text/event-stream"}, "", ""},
		{"opaque page", map[string]string{"Origin": "null"}, "", ""},
		{"image of a foreign page", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, "", ""},
		{"form of a foreign page without origin", map[string]string{"Sec-Fetch-Site": "cross-site"}, "", ""},
		{"link on a foreign page", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, "GET HEAD", ""},
		{"typed by hand", map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, "GET HEAD POST PUT OPTIONS", ""},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS"} {
			t.Run(c.proves+"/"+method, func(t *testing.T) {
				before := len(n.poll(path("lobby")).Messages)
				response, body := n.do(method, path("lobby"), c.header, "")
				if refused := response.StatusCode == http.StatusForbidden; refused == strings.Contains(c.allowed, method) {
					t.Errorf("%s: %s", response.Status, body)
				} else if refused && method != "HEAD" && !strings.Contains(body, `"code":"foreign_origin"`) {
					t.Errorf("refused with %s", body)
				} else if refused && len(n.poll(path("lobby")).Messages) != before {
					t.Error("it was published all the same")
				}
				header := response.Header
				if got := header.Get("Access-Control-Allow-Origin"); got != c.shown {
					t.Errorf("shown to %q, want %q", got, c.shown)
				}
				if got := header.Get("Access-Control-Allow-Credentials"); (got == "true") != (c.shown != "") {
					t.Errorf("credentials: %q", got)
				}
				if !strings.Contains(strings.Join(header.Values("Vary"), ", "), "Origin") {
					t.Errorf("it varies by %q", header.Values("Vary"))
				}
			})
		}
	}
}

func TestAPreflightIsAnswered(t *testing.T) {
	options := channelhttp.Options{}
	options.Accept.Origins = []string{"https://app.example.com"}
	n := start(t, hub.Options{}, options)
	asks := map[string]string{"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST",
		"Access-Control-Request-Headers": "content-type,idempotency-key"}
	response, body := n.do("OPTIONS", path("lobby"), asks, "")
	header := response.Header
	for field, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://app.example.com", "Access-Control-Allow-Methods": "POST",
		"Access-Control-Allow-Headers": "Idempotency-Key", "Access-Control-Max-Age": "7200", "Allow": "GET, HEAD, POST, OPTIONS",
	} {
		if !strings.Contains(header.Get(field), want) {
			t.Errorf("%s is %q, want %q", field, header.Get(field), want)
		}
	}
	if response.StatusCode != http.StatusNoContent || body != "" {
		t.Errorf("%s: %q", response.Status, body)
	}
	asks["Origin"] = "https://evil.example"
	if response, _ := n.do("OPTIONS", path("lobby"), asks, ""); response.StatusCode != http.StatusForbidden || response.Header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("a foreign page is answered %s with %v", response.Status, response.Header)
	}
	if response, _ := n.do("OPTIONS", path("lobby"), nil, ""); response.StatusCode != http.StatusNoContent || response.Header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("a program is answered %s with %v", response.Status, response.Header)
	}
}

// With AnyOrigin every page may read, but not with its visitor's cookies.
func TestAnyOriginIsAnyOriginWithoutCredentials(t *testing.T) {
	options := channelhttp.Options{}
	options.Accept.AnyOrigin = true
	n := start(t, hub.Options{}, options)
	response, _ := n.do("GET", path("lobby"), map[string]string{"Origin": "https://evil.example"}, "")
	if h := response.Header; h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("answered with %v", h)
	}
}
