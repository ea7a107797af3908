package handshake

import (
	"net/http"
	"strings"
	"testing"
)

func TestHasToken(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lines []string
		want  bool
	}{
		{"absent", nil, false},
		{"alone", []string{"upgrade"}, true},
		{"in any case", []string{"uPGRADE"}, true},
		{"behind another", []string{"keep-alive, Upgrade"}, true},
		{"before another", []string{"Upgrade,keep-alive"}, true},
		{"on a second line", []string{"keep-alive", "Upgrade"}, true},
		{"among empty elements and tabs", []string{",, \tUpgrade\t ,"}, true},
		{"part of a longer token", []string{"Upgrades"}, false},
		{"with a parameter", []string{"Upgrade;q=1"}, false},
		{"two words of one element", []string{"keep-alive Upgrade"}, false},
		{"an empty line", []string{""}, false},
		{"quoted", []string{`"Upgrade"`}, false},
		{"other white space than RFC 9110's", []string{"\vUpgrade"}, false},
	} {
		if got := HasToken(http.Header{"Connection": tc.lines}, "connection", "upgrade"); got != tc.want {
			t.Errorf("%s: HasToken(%q) = %v", tc.name, tc.lines, got)
		}
	}
}

func TestHasTokenFoldsASCIIOnly(t *testing.T) {
	h := http.Header{"Upgrade": {"web\u017focket", "\u017fpdy/\u212a"}} // long s, Kelvin sign
	for _, token := range []string{"websocket", "spdy/k"} {
		if HasToken(h, "Upgrade", token) {
			t.Errorf("HasToken finds %q in %q", token, h["Upgrade"])
		}
	}
	if HasToken(http.Header{"Upgrade": {"@"}}, "Upgrade", "`") {
		t.Error("HasToken takes @ for the lower case of `")
	}
}

func TestHasTokenDoesNotAllocate(t *testing.T) {
	h := http.Header{"Connection": {strings.Repeat("keep-alive, ", 500), "Upgrade"}}
	if n := testing.AllocsPerRun(10, func() { HasToken(h, "Connection", "upgrade") }); n != 0 {
		t.Errorf("HasToken allocates %v times", n)
	}
}

func TestTokenCharactersAreThoseOfTheRFC(t *testing.T) {
	const separators = "()<>@,;:\\\"/[]?={} \t"
	for c := range 256 {
		want := c > 0x20 && c < 0x7f && !strings.ContainsRune(separators, rune(c))
		if got := isToken(string([]byte{byte(c)})); got != want {
			t.Errorf("isToken(%#x) = %v", c, got)
		}
	}
	if isToken("") {
		t.Error("the empty string passes for a token")
	}
}

func TestQuoteEscapesAndCuts(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"a", `"a"`},
		{"a\r\n\x00\u00e9", `"a\r\n\x00\u00e9"`},
		{strings.Repeat("x", 64), `"` + strings.Repeat("x", 64) + `"`},
		{strings.Repeat("x", 65), `"` + strings.Repeat("x", 64) + `"...`},
	} {
		if got := quote(tc.in); got != tc.want {
			t.Errorf("quote(%q) = %s, want %s", tc.in, got, tc.want)
		}
	}
}
