package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func parse(t testing.TB, list ...string) *Trusted {
	t.Helper()
	trusted, err := Parse(list...)
	if err != nil {
		t.Fatal(err)
	}
	return trusted
}

// request is one of example.org from a peer, with header fields as name, value, name, value.
func request(peer string, fields ...string) *http.Request {
	r := httptest.NewRequest("GET", "http://example.org/", nil)
	r.RemoteAddr = peer
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

const near = "10.0.0.1:1234" // a trusted proxy

func TestTheClientIsTheFirstThatIsNotTrusted(t *testing.T) {
	trusted := parse(t, "10.0.0.0/8", "2001:db8:1::/48")
	for _, c := range []struct {
		name   string
		peer   string
		fields []string
		want   string // address scheme host
	}{
		{"no proxy", "192.0.2.1:99", nil, "192.0.2.1 http example.org"},
		{"a proxy that says nothing", near, nil, "10.0.0.1 http example.org"},
		{"one proxy", near, []string{"X-Forwarded-For", "192.0.2.1"}, "192.0.2.1 http example.org"},
		{"two proxies", near, []string{"X-Forwarded-For", "192.0.2.1, 10.0.0.2"}, "192.0.2.1 http example.org"},
		{"two proxies, two fields", near, []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-For", "10.0.0.2"}, "192.0.2.1 http example.org"},
		{"only proxies", near, []string{"X-Forwarded-For", "10.0.0.3, 10.0.0.2"}, "10.0.0.3 http example.org"},
		{"IPv6", near, []string{"X-Forwarded-For", "2001:db8:2::7, 2001:db8:1::1"}, "2001:db8:2::7 http example.org"},
		{"IPv6 in brackets with port", near, []string{"X-Forwarded-For", "[2001:db8:2::7]:80"}, "2001:db8:2::7 http example.org"},
		{"IPv4 with port", near, []string{"X-Forwarded-For", "192.0.2.1:5000"}, "192.0.2.1 http example.org"},
		{"IPv4 as IPv6", "[::ffff:10.0.0.1]:7", []string{"X-Forwarded-For", "::ffff:192.0.2.1"}, "192.0.2.1 http example.org"},
		{"scheme and host", near, []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-Proto", "HTTPS", "X-Forwarded-Host", "chat.example:8443"},
			"192.0.2.1 https chat.example:8443"},
		{"hidden", near, []string{"X-Forwarded-For", "unknown"}, "unknown http example.org"},

		{"forged: by a client without a proxy", "192.0.2.1:99", []string{"X-Forwarded-For", "127.0.0.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example"},
			"192.0.2.1 http example.org"},
		{"forged: before the proxy adds", near, []string{"X-Forwarded-For", "127.0.0.1, 192.0.2.1"}, "192.0.2.1 http example.org"},
		{"forged: a trusted address before", near, []string{"X-Forwarded-For", "8.8.8.8, 10.9.9.9, 192.0.2.1"}, "192.0.2.1 http example.org"},
		{"forged: two fields", near, []string{"X-Forwarded-For", "10.9.9.9", "X-Forwarded-For", "192.0.2.1"}, "192.0.2.1 http example.org"},
		{"forged: the other field", near, []string{"Forwarded", "for=127.0.0.1", "X-Forwarded-For", "192.0.2.1"}, "192.0.2.1 http example.org"},
		{"forged: only the other field", near, []string{"Forwarded", "for=127.0.0.1;host=evil.example"}, "10.0.0.1 http example.org"},
		{"nonsense next to us", near, []string{"X-Forwarded-For", "192.0.2.1, nonsense"}, "10.0.0.1 http example.org"},
		{"nonsense behind a proxy", near, []string{"X-Forwarded-For", "nonsense, 10.0.0.2"}, "10.0.0.2 http example.org"},
		{"a zone", near, []string{"X-Forwarded-For", "fe80::1%eth0"}, "10.0.0.1 http example.org"},
		{"no address", near, []string{"X-Forwarded-For", "0.0.0.0"}, "10.0.0.1 http example.org"},
		{"an empty item", near, []string{"X-Forwarded-For", "192.0.2.1,"}, "10.0.0.1 http example.org"},
		{"a scheme that is none", near, []string{"X-Forwarded-Proto", "javascript"}, "10.0.0.1 http example.org"},
		{"hosts that are none", near, []string{"X-Forwarded-Host", "evil.example/path"}, "10.0.0.1 http example.org"},
		{"very many", near, []string{"X-Forwarded-For", "192.0.2.1" + strings.Repeat(", 10.0.0.2", 10_000)}, "10.0.0.2 http example.org"},
	} {
		if got := trusted.Client(request(c.peer, c.fields...)); describe(got) != c.want {
			t.Errorf("%s: %s, want %s", c.name, describe(got), c.want)
		}
	}
}

func describe(c Client) string { return c.String() + " " + c.Scheme + " " + c.Host }

func TestForwardedIsReadFromTheRight(t *testing.T) {
	trusted := parse(t, "10.0.0.0/8")
	trusted.Forwarded = true
	for field, want := range map[string]string{
		"":              "10.0.0.1 http example.org",
		"for=192.0.2.1": "192.0.2.1 http example.org",
		`for=192.0.2.1;proto=https;by=10.0.0.1;host="chat.example:8443"`: "192.0.2.1 https chat.example:8443",
		`For="[2001:db8::1]:4711" ; PROTO=https`:                         "2001:db8::1 https example.org",
		"for=192.0.2.1;proto=https, for=10.0.0.2;proto=http":             "192.0.2.1 https example.org",
		"for=192.0.2.1,for=10.0.0.2;host=inner.example":                  "192.0.2.1 http inner.example",
		`for=192.0.2.1;ext="a,b;c\"d", for=10.0.0.2;ext="x\\"`:           "192.0.2.1 http example.org",
		"for=unknown":  "unknown http example.org",
		"for=_hidden":  "unknown http example.org",
		`for="_gaz:80`: "10.0.0.1 http example.org",

		// what a client could have written stands to the left
		"for=127.0.0.1, for=192.0.2.1":               "192.0.2.1 http example.org",
		`for="127.0.0.1, for=192.0.2.1`:              "192.0.2.1 http example.org",
		`for=8.8.8.8;x="\, for=192.0.2.1`:            "192.0.2.1 http example.org",
		`for=8.8.8.8;x=", for=10.0.0.2`:              "10.0.0.2 http example.org",
		`",", for=192.0.2.1`:                         "192.0.2.1 http example.org",
		"for=8.8.8.8;host=evil.example, for=9.9.9.9": "9.9.9.9 http example.org",

		// what is no Forwarded is not guessed at
		"192.0.2.1":                   "10.0.0.1 http example.org",
		"for=":                        "10.0.0.1 http example.org",
		"for = 192.0.2.1":             "10.0.0.1 http example.org",
		"for=192.0.2.1;for=192.0.2.2": "10.0.0.1 http example.org",
		"proto=https":                 "10.0.0.1 http example.org",
		"for=2001:db8::1":             "10.0.0.1 http example.org",
		`for="192.0.2.1"x`:            "10.0.0.1 http example.org",
		"for=192.0.2.1;proto=gopher":  "10.0.0.1 http example.org",
		`for=192.0.2.1;host="a.b/c"`:  "10.0.0.1 http example.org",
		`for="[192.0.2.1]"`:           "10.0.0.1 http example.org",
		`for="2001:db8::1:80:"`:       "10.0.0.1 http example.org",
		"for=192.0.2.1;;proto=https":  "10.0.0.1 http example.org",
		`for="192.0.2.1:99999999"`:    "10.0.0.1 http example.org",
	} {
		r := request(near, "X-Forwarded-For", "127.0.0.1")
		if field != "" {
			r.Header.Set("Forwarded", field)
		}
		if got := describe(trusted.Client(r)); got != want {
			t.Errorf("%s: %s, want %s", field, got, want)
		}
	}
}

func TestHandlersSeeTheClient(t *testing.T) {
	var seen Client
	var remote, host string
	h := parse(t, "10.0.0.0/8").Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen, remote, host = From(r), r.RemoteAddr, r.Host
	}))
	r := request(near, "X-Forwarded-For", "2001:db8::1", "X-Forwarded-Host", "chat.example")
	r.TLS = new(tls.ConnectionState)
	h.ServeHTTP(httptest.NewRecorder(), r)
	if describe(seen) != "2001:db8::1 https chat.example" || remote != "[2001:db8::1]:0" || host != "chat.example" {
		t.Errorf("%s, %s, %s", describe(seen), remote, host)
	}
	h.ServeHTTP(httptest.NewRecorder(), request("192.0.2.7:99", "X-Forwarded-For", "2001:db8::1"))
	if describe(seen) != "192.0.2.7 http example.org" || remote != "192.0.2.7:99" {
		t.Errorf("%s, %s", describe(seen), remote)
	}
	if got := From(request(near, "X-Forwarded-For", "2001:db8::1")); describe(got) != "10.0.0.1 http example.org" {
		t.Errorf("without the handler nobody is believed: %s", describe(got))
	}
}

func TestWhoMayOpenTheUnixSocketIsBelievedIfSaid(t *testing.T) {
	r := request("@", "X-Forwarded-For", "192.0.2.1")
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.UnixAddr{Name: "/run/x", Net: "unix"})))
	if got := parse(t, "unix").Client(r); got.Address != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("trusted: %s", got)
	}
	for _, trusted := range []*Trusted{nil, {}, parse(t, "0.0.0.0/0", "::/0")} {
		if got := trusted.Client(r); got.Address.IsValid() {
			t.Errorf("not trusted: %s", got)
		}
	}
}

func TestTrustedProxiesThatAreNoneAreRefused(t *testing.T) {
	for item, want := range map[string]string{
		"10.0.0.0/33":         "is no network",
		"proxy.example":       "is no network",
		"10.0.0.1/8":          "did you mean 10.0.0.0/8",
		"::ffff:10.0.0.0/104": "write it as IPv4",
		"fe80::1%eth0":        "is no network",
		"":                    "is no network",
	} {
		if _, err := Parse("192.0.2.0/24", item); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", item, err, want)
		}
	}
	if !parse(t, "::ffff:10.0.0.1").Contains(netip.MustParseAddr("10.0.0.1")) {
		t.Error("an address in the other notation is not known again")
	}
}

// Whatever a client sends, what the trusted proxy adds decides.
func FuzzClientsCannotChooseTheirAddress(f *testing.F) {
	for _, seed := range []string{"", "127.0.0.1", `for="`, `for="\`, "for=10.0.0.2,", `",`, `\"`, ", ,", "10.0.0.2, 10.0.0.3", `"\\"`} {
		f.Add(seed)
	}
	want := netip.MustParseAddr("192.0.2.1")
	f.Fuzz(func(t *testing.T, sent string) {
		trusted := parse(t, "10.0.0.0/8")
		if got := trusted.Client(request(near, "X-Forwarded-For", sent+", 192.0.2.1")); got.Address != want {
			t.Errorf("X-Forwarded-For: %s", got)
		}
		if got := trusted.Client(request("192.0.2.1:80", "X-Forwarded-For", sent, "X-Forwarded-Host", sent, "Forwarded", sent)); got != (Client{want, "http", "example.org", false}) {
			t.Errorf("without a proxy: %s", describe(got))
		}
		trusted.Forwarded = true
		for _, added := range []string{"for=192.0.2.1", `for="192.0.2.1:80";x="\",\\"`} {
			got := trusted.Client(request(near, "Forwarded", sent+", "+added))
			if got.Address != want || got.Host != "example.org" || got.Scheme != "http" {
				t.Errorf("Forwarded, with %s added: %s", added, describe(got))
			}
		}
		trusted.Client(request(near, "Forwarded", sent)) // may be anything, but comes back
	})
}
