package doctor

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAURLOfAPathLeadsToItsNode(t *testing.T) {
	for _, c := range []struct{ raw, base, address, channel string }{
		{"http://a.example", "http://a.example", "a.example:80", ""},
		{"https://a.example/", "https://a.example", "a.example:443", ""},
		{"ws://a.example:8000/connect", "http://a.example:8000", "a.example:8000", ""},
		{"wss://[2001:db8::1]/rt/connect/", "https://[2001:db8::1]/rt", "[2001:db8::1]:443", ""},
		{"http://a.example/channels/news", "http://a.example", "a.example:80", "news"},
		{"http://a.example/rt/channels/a%2Fb", "http://a.example/rt", "a.example:80", "a/b"},
		{"http://a.example/channels", "http://a.example", "a.example:80", ""},
	} {
		got, err := parseTarget(c.raw)
		if err != nil {
			t.Errorf("%s: %v", c.raw, err)
			continue
		}
		if got.String() != c.base || got.address() != c.address || got.channel != c.channel {
			t.Errorf("%s: %s, %s, %q", c.raw, got, got.address(), got.channel)
		}
	}
	got, _ := parseTarget("http://a.example/rt")
	if u := got.at(url.Values{"wait": {"1s"}}, "channels", "a/b c").String(); u != "http://a.example/rt/channels/a%2Fb%20c?wait=1s" {
		t.Error(u)
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"http://a.example/channels/news", "wss://[::1]:1/x/connect", "ws://a/channels/%2f", "https://a:b@c/?d#e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		target, err := parseTarget(raw)
		if err != nil {
			return
		}
		again, err := parseTarget(target.String())
		if err != nil || again.address() != target.address() {
			t.Errorf("%q leads to %q, which is %v, %v", raw, target, again, err)
		}
	})
}

func FuzzQuoted(f *testing.F) {
	f.Add("a\r\nb\x00\xff" + strings.Repeat("ä", longestSentence))
	f.Fuzz(func(t *testing.T, text string) {
		got := quoted(text)
		if len(got) > longestSentence+len("…") || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n") {
			t.Errorf("%q became %q", text, got)
		}
	})
}

func TestNoPieceOfATokenIsLeftWhereverItWasCut(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJlIG9mIHRoZSBpc3N1ZXI"
	for text, want := range map[string]string{
		"bad token " + token + "!":               "bad token (token)!",
		"bad token " + token[:40] + "…":          "bad token (token)…",
		"its signature is " + token[44:]:         "its signature is (token)",
		token[:25] + " and then " + token[25:60]: "(token) and then (token)",
		token + token:                            "(token)(token)",
		"it begins with " + token[:8]:            "it begins with " + token[:8],
		"bob may not":                            "bob may not",
	} {
		if got := without(text, token); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	if got := without("nothing to hide", ""); got != "nothing to hide" {
		t.Errorf("without a token: %q", got)
	}
	if got := without("secret: a.b", "a.b"); got != "secret: (token)" {
		t.Errorf("with a short token: %q", got)
	}
}
