package console_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/server/console"
)

func TestSecretsInMessagesAreHidden(t *testing.T) {
	for _, c := range []struct{ proves, text, want string }{
		{"a token", `{"type":"authenticate","token":"hunter2"}`, `{"type":"authenticate","token":"…"}`},
		{"with spaces", `{ "Password" : "hunter2" , "a" : 1 }`, `{ "Password" : "…" , "a" : 1 }`},
		{"with line breaks", "{\n\t\"secret\":\n\t\"hunter2\"\n}", "{\n\t\"secret\":\n\t\"…\"\n}"},
		{"by the end of the name", `{"accessToken":"h","client_secret":"h","x-api-key":"h","apiKeys":"h","dbPassword":"h"}`, `{"accessToken":"…","client_secret":"…","x-api-key":"…","apiKeys":"…","dbPassword":"…"}`},
		{"a number", `{"password":1234,"a":1}`, `{"password":…,"a":1}`},
		{"an object", `{"credentials":{"user":"u","x":["}"]},"a":1}`, `{"credentials":…,"a":1}`},
		{"a list", `{"tokens":["a","]"],"a":1}`, `{"tokens":…,"a":1}`},
		{"quotes within", `{"token":"hun\"ter2","a":1}`, `{"token":"…","a":1}`},
		{"a backslash at the end", `{"token":"hunter2\\","a":1}`, `{"token":"…","a":1}`},
		{"deep", `[[{"a":{"token":"hunter2"}}]]`, `[[{"a":{"token":"…"}}]]`},
		{"JSON within JSON", `{"data":"{\"token\":\"hunter2\",\"a\":1}","b":2}`, `{"data":"{\"token\":\"…\",\"a\":1}","b":2}`},
		{"JSON within JSON, with quotes", `{"data":"{\"token\":\"hun\\\"ter2\",\"a\":1}"}`, `{"data":"{\"token\":\"…\",\"a\":1}"}`},
		{"JSON within JSON within JSON", `{"d":"{\"d\":\"{\\\"token\\\": \\\"hunter2\\\"}\"}"}`, `{"d":"{\"d\":\"{\\\"token\\\": \\\"…\\\"}\"}"}`},
		{"pretty JSON within JSON", `{"d":"{\n  \"token\":\n  \"hunter2\"\n}"}`, `{"d":"{\n  \"token\":\n  \"…\"\n}"}`},
		{"an escaped name", `{"\u0074oken":"hunter2"}`, `{"\u0074oken":"…"}`},
		{"cut in the value", `{"token":"hunt`, `{"token":"…`},
		{"cut in an object", `{"credentials":{"user":"u`, `{"credentials":…`},
		{"Socket.IO's authenticate", `421["authenticate","hunter2"]`, `421["authenticate","…"]`},
		{"Socket.IO's connect", `40/admin,{"token":"hunter2"}`, `40/admin,{"token":"…"}`},
		{"in an event stream", "event: x\ndata: {\"token\":\ndata: \"hunter2\"}\n\n", "event: x\ndata: {\"token\":\ndata: \"…\"}\n\n"},
		{"a parameter", `see https://x.example/?a=1&token=hunter2&b=2`, `see https://x.example/?a=1&token=…&b=2`},
		{"a header", "Authorization: Basic aHVudGVyMg==\r\nA: b", "Authorization: …\r\nA: b"},
		{"a bearer token", `curl -H "x: Bearer abcdefgh.ijk"`, `curl -H "x: Bearer …"`},
		{"a JWT", `{"data":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"}`, `{"data":"…"}`},
		{"a password in a URL", `redis://user:hunter2@db:6379`, `redis://user:…@db:6379`},
		{"in bytes", "\x00\x01{\"token\":\"hunter2\"}\xff", "\x00\x01{\"token\":\"…\"}\xff"},

		{"nothing", `{"type":"publish","channel":"news","data":{"text":"hello"},"key":"k"}`, ``},
		{"a token that is none", `{"token":null,"password":"","secret":false}`, ``},
		{"the word alone", `{"text":"my password is good","kind":"token","list":["token","a"]}`, ``},
		{"a name that only begins so", `{"token_count":12,"passwordless":true}`, ``},
		{"authenticate with names", `{"type":"authenticate","id":1}`, ``},
	} {
		want := c.want
		if want == "" {
			want = c.text
		}
		got, redacted := console.RedactedPart(nil, []byte(c.text))
		if string(got) != want || redacted != (want != c.text) {
			t.Errorf("%s: %s is shown as %s, want %s", c.proves, c.text, got, want)
		}
	}
}

// A secret is hidden whatever stands around it, however the message is cut, and however deep it is quoted.
func FuzzSecretsInMessages(f *testing.F) {
	f.Add("a", "hello", uint8(0), uint16(3))
	f.Add(`"\`, `{"`, uint8(3), uint16(40))
	f.Fuzz(func(t *testing.T, name, other string, depth uint8, cut uint16) {
		const secret = "hunter2-hunter2"
		if strings.Contains(name+other, "hunter") {
			return // proves nothing
		}
		value := map[string]any{name + "x": other, name + "Token": secret, "z" + other: []any{other, map[string]any{"password": other + secret}}}
		text, err := json.Marshal(value)
		for range depth % 3 {
			if text, err = json.Marshal(map[string]string{"data": string(text), "other": other}); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil || len(name) > 100 || strings.ContainsRune(name, '�') {
			return // proves nothing
		}
		if got, _ := console.RedactedPart(nil, text); strings.Contains(string(got), secret) && len(name) < 20 {
			t.Errorf("%s is shown as %s", text, got)
		}
		at := int(cut) % (len(text) + 1)
		first, _ := console.RedactedPart(nil, text[:at])
		second, _ := console.RedactedPart(text[:at], text[at:])
		if strings.Contains(string(first)+string(second), secret) && len(name) < 20 {
			t.Errorf("%s, cut at %d, is shown as %s and %s", text, at, first, second)
		}
		console.RedactedPart(nil, []byte(name+other)) // must not panic
	})
}
