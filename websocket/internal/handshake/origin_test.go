package handshake

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
)

// fromPage is a request for host that a page of origin sent; "" sends none.
func fromPage(scheme, host, origin string) *http.Request {
	r := &http.Request{Host: host, Header: http.Header{}}
	if scheme == "https" {
		r.TLS = &tls.ConnectionState{}
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	return r
}

func TestSameOrigin(t *testing.T) {
	for _, tc := range []struct {
		name, scheme, host, origin string
		want                       bool
	}{
		{"no Origin: not a browser", "http", "a.example", "", true},
		{"the same", "http", "a.example", "http://a.example", true},
		{"the same over TLS", "https", "a.example", "https://a.example", true},
		{"the same at a port", "http", "a.example:8080", "http://a.example:8080", true},
		{"the default port, in Host only", "http", "a.example:80", "http://a.example", true},
		{"the default port, in Origin only", "https", "a.example", "https://a.example:443", true},
		{"another case", "http", "A.Example", "HTTP://a.eXample", true},
		{"IPv4", "http", "127.0.0.1:8000", "http://127.0.0.1:8000", true},
		{"IPv6", "http", "[::1]:8000", "http://[::1]:8000", true},
		{"IPv6 without a port", "http", "[::1]", "http://[::1]", true},
		{"IPv6 written at length", "http", "[0:0:0::1]:80", "http://[::1]", true},

		{"another host", "http", "a.example", "http://b.example", false},
		{"a subdomain", "http", "a.example", "http://x.a.example", false},
		{"a parent domain", "http", "x.a.example", "http://a.example", false},
		{"a suffix", "http", "a.example", "http://evil-a.example", false},
		{"a prefix", "http", "a.example", "http://a.example.evil.example", false},
		{"a trailing dot", "http", "a.example", "http://a.example.", false},
		{"another scheme", "http", "a.example", "https://a.example", false},
		{"another scheme at the same port", "http", "a.example:8443", "https://a.example:8443", false},
		{"a page without TLS, a server with", "https", "a.example", "http://a.example", false},
		{"another port", "http", "a.example:8080", "http://a.example:8081", false},
		{"the other scheme's default port", "http", "a.example:443", "http://a.example", false},
		{"null", "http", "a.example", "null", false},
		{"an empty Host", "http", "", "http://a.example", false},
		{"a malformed Host", "http", "a.example/x", "http://a.example", false},
		{"a path", "http", "a.example", "http://a.example/", false},
		{"a user name", "http", "a.example", "http://a.example@b.example", false},
		{"a list of origins (RFC 6454 §7.1)", "http", "a.example", "http://a.example http://b.example", false},
		{"no scheme", "http", "a.example", "a.example", false},
		{"no host", "http", "a.example", "http://", false},
		{"the port zero", "http", "a.example:0", "http://a.example:0", false},
		{"a port beyond 65535", "http", "a.example:65616", "http://a.example:80", false},
		{"an empty port", "http", "a.example", "http://a.example:", false},
		{"an open bracket", "http", "[::1", "http://[::1", false},
		{"an address with a zone", "http", "[fe80::1%25eth0]", "http://[fe80::1%25eth0]", false},
		{"a star", "http", "*", "http://*", false},
	} {
		refusal := Origins{}.Check(fromPage(tc.scheme, tc.host, tc.origin))
		if (refusal == nil) != tc.want {
			t.Errorf("%s: %s server at %q, page of %q: %v", tc.name, tc.scheme, tc.host, tc.origin, refusal)
		}
		if refusal != nil {
			if refusal.Status != http.StatusForbidden {
				t.Errorf("%s: refused with %d, want 403", tc.name, refusal.Status)
			}
			checkFit(t, tc.name, refusal)
		}
	}
}

func TestOriginOddities(t *testing.T) {
	r := fromPage("http", "a.example", "http://a.example")
	r.Header.Add("Origin", "http://a.example")
	if (Origins{}).Check(r) == nil {
		t.Error("two Origin fields are accepted")
	}
	r.Header["Origin"] = []string{""}
	if (Origins{}).Check(r) == nil {
		t.Error("an empty Origin field passes for none")
	}
	r = fromPage("http", "a.example", "https://a.example")
	r.Header.Set("X-Forwarded-Proto", "https")
	if (Origins{}).Check(r) == nil {
		t.Error("X-Forwarded-Proto is believed")
	}
}

func TestListedOrigins(t *testing.T) {
	for _, tc := range []struct {
		entry, origin string
		want          bool
	}{
		{"https://a.example", "https://a.example", true},
		{"https://a.example", "https://a.example:443", true},
		{"https://a.example:443", "https://a.example", true},
		{"HTTPS://A.Example", "https://a.example", true},
		{"https://a.example", "http://a.example", false},
		{"https://a.example", "https://a.example:8443", false},
		{"https://a.example", "https://x.a.example", false},
		{"https://a.example:8443", "https://a.example:8443", true},
		{"https://a.example:8443", "https://a.example", false},
		{"http://[::1]:8000", "http://[0::1]:8000", true},
		{"chrome-extension://abcdef", "chrome-extension://abcdef", true},
		{"chrome-extension://abcdef", "chrome-extension://fedcba", false},
		{"tauri://localhost", "tauri://localhost", true},
		{"file://", "file://", true},

		{"app.example.com", "https://app.example.com", true},
		{"app.example.com", "http://app.example.com", true},
		{"app.example.com", "http://app.example.com:80", true},
		{"app.example.com", "https://app.example.com:80", false},
		{"app.example.com", "https://app.example.com:8443", false},
		{"app.example.com", "capacitor://app.example.com", true},
		{"app.example.com:8080", "http://app.example.com:8080", true},
		{"app.example.com:8080", "https://app.example.com:8080", true},
		{"app.example.com:8080", "http://app.example.com", false},
		{"app.example.com:443", "https://app.example.com", true},
		{"app.example.com:443", "http://app.example.com", false},

		{"*.example.com", "https://a.example.com", true},
		{"*.example.com", "http://a.b.example.com", true},
		{"*.EXAMPLE.com", "https://A.example.COM", true},
		{"*.example.com", "https://example.com", false},
		{"*.example.com", "https://evilexample.com", false},
		{"*.example.com", "https://.example.com", false},
		{"*.example.com", "https://a.example.com.evil.example", false},
		{"*.example.com", "https://a.example.com:8443", false},
		{"*.example.com:8443", "https://a.example.com:8443", true},
		{"*.example.com:*", "https://a.example.com:9", true},
		{"https://*.example.com", "https://a.example.com", true},
		{"https://*.example.com", "http://a.example.com", false},
		{"*.example.com", "file://", false},

		{"localhost:*", "http://localhost:5173", true},
		{"localhost:*", "http://localhost", true},
		{"localhost:*", "http://localhost.evil.example:5173", false},
		{"http://localhost:*", "http://localhost:5173", true},
		{"http://localhost:*", "https://localhost:5173", false},
		{"[::1]:*", "http://[::1]:5173", true},
		{"127.0.0.1:*", "http://127.0.0.1:5173", true},

		{"null", "null", true},
		{"null", "file://", false},
		{"file://", "null", false},
	} {
		origins, err := ParseOrigins([]string{"https://other.example", tc.entry})
		if err != nil {
			t.Errorf("%q: %v", tc.entry, err)
			continue
		}
		if refusal := origins.Check(fromPage("http", "server.example", tc.origin)); (refusal == nil) != tc.want {
			t.Errorf("Origins %q, page of %q: %v", tc.entry, tc.origin, refusal)
		}
	}
}

func TestParseOriginsRefuses(t *testing.T) {
	for _, tc := range []struct{ entry, want string }{
		{"*", "set AnyOrigin"},
		{"*:*", "set AnyOrigin"},
		{"*:8080", "set AnyOrigin"},
		{"https://*", "set AnyOrigin"},
		{"https://*:*", "set AnyOrigin"},
		{"", "the host is missing"},
		{"https://", "the host is missing"},
		{"https://*.", "the host is missing"},
		{":8080", "the host is missing"},
		{"https://a.example/", "leave out the slash"},
		{"a.example/chat", "leave out the slash"},
		{"https://user@a.example", "no user name"},
		{"wss://a.example", "write http:// or https://"},
		{"WS://a.example", "write http:// or https://"},
		{"://a.example", `"" is not a scheme`},
		{"*://a.example", "leave out the scheme to allow any"},
		{"a.*.example", "whole labels at the start"},
		{"a*.example", "whole labels at the start"},
		{"*.*.example", "whole labels at the start"},
		{"*..example", `"*." goes before a domain name`},
		{"*.[::1]", `"*." goes before a domain name`},
		{"a.example:", "the port is missing"},
		{"a.example:0", `"0" is not a port`},
		{"a.example:70000", `"70000" is not a port`},
		{"a.example:http", `"http" is not a port`},
		{"a.example:80:*", "keep one of the two"},
		{"a.example:8*", `"8*" is not a port`},
		{"::1", "written in brackets"},
		{"[::1", "not an IPv6 address in brackets"},
		{"[::1]8000", "where a port was expected"},
		{"[::1]:", "where a port was expected"},
		{"[127.0.0.1]", "not an IPv6 address"},
		{"[fe80::1%eth0]", "not an IPv6 address"},
		{"m\u00fcller.example", "xn--"},
		{"a.example b.example", `" " does not belong`},
		{" a.example", `" " does not belong`},
		{"https://" + strings.Repeat("a", 1000) + "/", "leave out the slash"},
	} {
		_, err := ParseOrigins([]string{"a.example", tc.entry})
		switch {
		case err == nil:
			t.Errorf("%q is accepted", tc.entry)
		case !strings.HasPrefix(err.Error(), "entry 2 of Origins, "+quote(tc.entry)) || !strings.Contains(err.Error(), tc.want):
			t.Errorf("%q: %q, want an error for entry 2 with %q", tc.entry, err, tc.want)
		}
	}
}

func TestOriginRefusalsSayWhatToChange(t *testing.T) {
	for _, tc := range []struct{ host, origin, want string }{
		{"a.example", "https://b.example", `origin "https://b.example" is not allowed; list it among the origins that the server allows (AcceptOptions.Origins, --origin of ringdown serve)`},
		{"a.example", "https://a.example", `origin "https://a.example" is not allowed: the request came over http, perhaps through a proxy that ends TLS; list it among the origins that the server allows (AcceptOptions.Origins, --origin of ringdown serve)`},
		{"a.example", "null", `list "null" among the origins that the server allows (`},
		{"a.example", "b.example", `Origin is "b.example": an origin is written scheme://host`},
		{"a.example", "https://" + strings.Repeat("b", 500), `bbb"... is not allowed`},
	} {
		refusal := Origins{}.Check(fromPage("http", tc.host, tc.origin))
		if refusal == nil || !strings.Contains(refusal.Reason, tc.want) {
			t.Errorf("page of %q: %v, want %q", tc.origin, refusal, tc.want)
		}
	}
}

func TestCheckOfAnOriginDoesNotAllocate(t *testing.T) {
	origins, err := ParseOrigins([]string{"https://other.example", "*.example.org", "localhost:*"})
	if err != nil {
		t.Fatal(err)
	}
	for _, origin := range []string{"http://server.example", "https://other.example", "http://localhost:5173"} {
		r := fromPage("http", "server.example", origin)
		if n := testing.AllocsPerRun(100, func() { origins.Check(r) }); n != 0 {
			t.Errorf("checking %q allocates %v times", origin, n)
		}
	}
}

func FuzzOrigin(f *testing.F) {
	for _, seed := range [][3]string{
		{"https://a.example:8443", "a.example", "https://a.example"},
		{"*.example.com", "[::1]:80", "http://[::1]"},
		{"localhost:*", "localhost", "http://localhost:5173"},
		{"null", "", "null"},
		{"*", "*", "*"},
		{"file://", "a:0", "file://"},
		{"[::1]", "[", "http://]["},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, entry, host, page string) {
		origins, err := ParseOrigins([]string{entry})
		if err == nil && origins.Check(fromPage("http", host, entry)) != nil && strings.Contains(entry, "://") &&
			!strings.Contains(entry, "*") {
			t.Fatalf("the listed origin %q is refused", entry)
		}
		r := fromPage("http", host, "")
		r.Header["Origin"] = []string{page}
		refusal := origins.Check(r)
		if refusal != nil {
			checkFit(t, page, refusal)
			return
		}
		if page == "null" {
			return
		}
		o, err := parseOrigin(page)
		if err != nil {
			t.Fatalf("%q is accepted, though %v", page, err)
		}
		own, err := requestOrigin(r, r.TLS != nil)
		if (err != nil || own != o) && !origins.lists(o) {
			t.Fatalf("%q is accepted at %q with Origins %q", page, host, entry)
		}
	})
}
