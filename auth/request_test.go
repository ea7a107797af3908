package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestTokensAreFoundInTheirPlaces(t *testing.T) {
	all := Sources{Cookie: "session"}
	for _, test := range []struct {
		name    string
		sources Sources
		query   string
		header  http.Header
		token   string
		where   Source
		reason  Reason
	}{
		{name: "nowhere"},
		{name: "header", header: http.Header{"Authorization": {"Bearer a.b.c"}}, token: "a.b.c", where: FromHeader},
		{name: "header in another case", header: http.Header{"Authorization": {"bearer  a.b.c "}}, token: "a.b.c", where: FromHeader},
		{name: "a password for a proxy", header: http.Header{"Authorization": {"Basic YTpi"}}},
		{name: "an empty header", header: http.Header{"Authorization": {"Bearer "}}, reason: ErrMalformed},
		{name: "header, switched off", sources: Sources{NoHeader: true}, header: http.Header{"Authorization": {"Bearer a.b.c"}}},
		{name: "cookie", sources: all, header: http.Header{"Cookie": {"x=y; session=a.b.c"}}, token: "a.b.c", where: FromCookie},
		{name: "cookie nobody asked for", header: http.Header{"Cookie": {"session=a.b.c"}}},
		{name: "an empty cookie", sources: all, header: http.Header{"Cookie": {"session="}}},
		{name: "query", query: "token=a.b.c", token: "a.b.c", where: FromQuery},
		{name: "query of another name", sources: Sources{Query: "jwt"}, query: "jwt=a.b.c&token=x", token: "a.b.c", where: FromQuery},
		{name: "an empty query", query: "token=", reason: ErrMalformed},
		{name: "query, switched off", sources: Sources{NoQuery: true}, query: "token=a.b.c"},
		{name: "subprotocol", header: http.Header{"Sec-Websocket-Protocol": {"v1, ringdown.token.a.b.c"}}, token: "a.b.c", where: FromSubprotocol},
		{name: "subprotocol pair", header: http.Header{"Sec-Websocket-Protocol": {"v1, bearer", "a.b.c"}}, token: "a.b.c", where: FromSubprotocol},
		{name: "a pair cut short", header: http.Header{"Sec-Websocket-Protocol": {"bearer"}}},
		{name: "subprotocol, switched off", sources: Sources{NoSubprotocol: true}, header: http.Header{"Sec-Websocket-Protocol": {"ringdown.token.a.b.c"}}},
		{name: "an empty subprotocol", header: http.Header{"Sec-Websocket-Protocol": {"ringdown.token."}}, reason: ErrMalformed},
		{name: "the same twice", query: "token=a.b.c", header: http.Header{"Authorization": {"Bearer a.b.c"}}, token: "a.b.c", where: FromHeader},
		{name: "header and query", query: "token=x.y.z", header: http.Header{"Authorization": {"Bearer a.b.c"}}, reason: ErrAmbiguous},
		{name: "two headers", header: http.Header{"Authorization": {"Bearer a.b.c", "Bearer x.y.z"}}, reason: ErrAmbiguous},
		{name: "two parameters", query: "token=a.b.c&token=x.y.z", reason: ErrAmbiguous},
		{name: "two cookies", sources: all, header: http.Header{"Cookie": {"session=a.b.c; session=x.y.z"}}, reason: ErrAmbiguous},
		{name: "cookie and subprotocol", sources: all, header: http.Header{"Cookie": {"session=a.b.c"}, "Sec-Websocket-Protocol": {"bearer, x.y.z"}}, reason: ErrAmbiguous},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &http.Request{URL: &url.URL{RawQuery: test.query}, Header: test.header}
			token, where, err := FromRequest(r, test.sources)
			if token != test.token || where != test.where || ReasonOf(err) != test.reason || (err != nil) != (test.reason != "") {
				t.Errorf("%q from %q, %v", token, where, err)
			}
			if err != nil && (strings.Contains(err.Error(), "a.b.c") || strings.Contains(err.Error(), "x.y.z")) {
				t.Errorf("%v shows the token", err)
			}
		})
	}
}

func TestATokenIsNoSubprotocolToChoose(t *testing.T) {
	h := http.Header{"Sec-Websocket-Protocol": {"v1, ringdown.token.a.b.c,,bearer, x.y.z, v2"}}
	offered, tokens := Subprotocols(h)
	if !slices.Equal(offered, []string{"v1", "bearer", "v2"}) || !slices.Equal(tokens, []string{"a.b.c", "x.y.z"}) {
		t.Errorf("%q, %q", offered, tokens)
	}
}

func TestURLsAreLoggedWithoutTheirToken(t *testing.T) {
	for in, want := range map[string]string{
		"/connect":                         "/connect",
		"/c?a=1&token=a.b.c&b=2":           "/c?a=1&token=(token)&b=2",
		"/c?%74oken=a.b.c":                 "/c?%74oken=(token)",
		"/c?TOKEN=a.b.c&%zz=a.b.c":         "/c?TOKEN=(token)&%zz=(token)",
		"https://me:a.b.c@host/?token=a.b": "https://me@host/?token=(token)",
	} {
		u := must[*url.URL](t)(url.Parse(in))
		if got := (Sources{}).Redacted(u); got != want {
			t.Errorf("%s became %s", in, got)
		}
	}
}

func FuzzFromRequest(f *testing.F) {
	f.Add("Bearer a.b.c", "session=a.b.c", "token=a.b.c", "v1, bearer, a.b.c, ringdown.token.a.b.c")
	f.Add("Bearer", "session=\"a\"", "token=%zz;token=1", ",,bearer,,ringdown.token.")
	f.Fuzz(func(t *testing.T, authorization, cookie, query, protocols string) {
		r := &http.Request{URL: &url.URL{RawQuery: query}, Header: http.Header{
			"Authorization": {authorization}, "Cookie": {cookie}, "Sec-Websocket-Protocol": {protocols}}}
		token, where, err := FromRequest(r, Sources{Cookie: "session"})
		if (token == "") != (where == FromNowhere) || err != nil && token != "" {
			t.Errorf("%q from %q, %v", token, where, err)
		}
		if err != nil && !errors.Is(err, ErrAmbiguous) && !errors.Is(err, ErrMalformed) {
			t.Errorf("%v", err)
		}
		Sources{}.Redacted(r.URL)
	})
}
