package handshake

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// numbered returns n different tokens as a list of one line.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "p%d,", i)
	}
	return b.String()
}

func TestParseSubprotocols(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lines []string
		want  []string
		err   string // in the error, if one is expected
	}{
		{"absent", nil, nil, ""},
		{"one", []string{"chat"}, []string{"chat"}, ""},
		{"several in order", []string{"superchat, chat,\tmqtt"}, []string{"superchat", "chat", "mqtt"}, ""},
		{"several lines", []string{"a, b", "c"}, []string{"a", "b", "c"}, ""},
		{"names with dots", []string{"v12.stomp, v1.json.ringdown"}, []string{"v12.stomp", "v1.json.ringdown"}, ""},
		{"names that differ in case", []string{"chat, Chat"}, []string{"chat", "Chat"}, ""},
		{"empty elements", []string{",a,, b,"}, []string{"a", "b"}, ""},
		{"as many as allowed", []string{numbered(32)}, strings.Split(strings.TrimSuffix(numbered(32), ","), ","), ""},
		{"empty", []string{""}, nil, "is empty"},
		{"commas only", []string{",", " , "}, nil, "is empty"},
		{"repeated (§4.1 item 10)", []string{"chat, mqtt, chat"}, nil, `"chat" is offered twice`},
		{"repeated on another line", []string{"chat", "chat"}, nil, `"chat" is offered twice`},
		{"a separator", []string{"a/b"}, nil, `"a/b" is not a token`},
		{"a space", []string{"a b"}, nil, `"a b" is not a token`},
		{"quotes", []string{`"a"`}, nil, "is not a token"},
		{"a control character", []string{"a\x01"}, nil, `"a\x01" is not a token`},
		{"a character outside ASCII", []string{"caf\u00e9"}, nil, `"caf\u00e9" is not a token`},
		{"too many", []string{numbered(33)}, nil, "more than 32"},
		{"too long", []string{strings.Repeat("a", maxListBytes+1)}, nil, "8193 bytes long"},
		{"too long with commas alone", []string{strings.Repeat(",", maxListBytes+1)}, nil, "8193 bytes long"},
	} {
		got, err := ParseSubprotocols(http.Header{fieldProtocol: tc.lines})
		switch {
		case tc.err == "" && (err != nil || !slices.Equal(got, tc.want)):
			t.Errorf("%s: got %q, %v, want %q", tc.name, got, err, tc.want)
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err) || got != nil):
			t.Errorf("%s: got %q, %v, want an error with %q", tc.name, got, err, tc.err)
		}
	}
}

func TestChooseSubprotocolFollowsTheServersPreference(t *testing.T) {
	for _, tc := range []struct {
		server, client []string
		want           string
	}{
		{[]string{"a", "b"}, []string{"b", "a"}, "a"},
		{[]string{"a", "b"}, []string{"c", "b"}, "b"},
		{[]string{"a"}, []string{"A"}, ""},
		{[]string{"a"}, []string{"b"}, ""},
		{nil, []string{"a"}, ""},
		{[]string{"a"}, nil, ""},
	} {
		if got := ChooseSubprotocol(tc.server, tc.client); got != tc.want {
			t.Errorf("ChooseSubprotocol(%q, %q) = %q, want %q", tc.server, tc.client, got, tc.want)
		}
	}
}

func FuzzSubprotocols(f *testing.F) {
	for _, seed := range []string{"", "chat", "chat, superchat", "a,,b", "a\nb", "a, a", "a b", ",", "\xff", numbered(33)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		list, err := ParseSubprotocols(http.Header{fieldProtocol: strings.Split(field, "\n")})
		if err != nil {
			if list != nil || len(err.Error()) > 600 {
				t.Fatalf("list %q beside the error %q", list, err)
			}
			return
		}
		line, err := joinSubprotocols(list)
		if len(line) > maxListBytes || err != nil && len(field) > maxListBytes-maxSubprotocols {
			return // rendered with spaces that the client had left out
		}
		again, err2 := ParseSubprotocols(http.Header{fieldProtocol: {line}})
		if len(list) == 0 || err != nil || err2 != nil || !slices.Equal(list, again) {
			t.Fatalf("%q reads as %q, renders as %q (%v) and then reads as %q (%v)", field, list, line, err, again, err2)
		}
	})
}
