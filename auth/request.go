// Where a request carries its token.

package auth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Sources says where tokens are looked for. The zero value is: the Authorization header, ?token=, and the list of WebSocket
// subprotocols.
type Sources struct {
	Cookie        string // name of a cookie; "" means none. Browsers send cookies with requests of other sites' pages, too
	Query         string // name of a parameter of the URL; "" means DefaultQuery
	NoHeader      bool   // does not look at Authorization
	NoQuery       bool   // does not look at the URL
	NoSubprotocol bool   // does not look at Sec-WebSocket-Protocol
}

// DefaultQuery is the parameter of a URL that holds a token.
const DefaultQuery = "token"

// Source is where a token was.
type Source string

// The sources. A gateway that takes tokens from a message calls that FromMessage.
const (
	FromNowhere     Source = ""
	FromHeader      Source = "header"
	FromCookie      Source = "cookie"
	FromQuery       Source = "query"
	FromSubprotocol Source = "subprotocol"
	FromMessage     Source = "message"
)

// The ways to write a token into Sec-WebSocket-Protocol, for browsers, whose WebSockets cannot set headers: one entry
// "ringdown.token.<token>", or an entry "bearer" with the token following it. The client must offer a subprotocol beside, for
// browsers end connections whose server chose none of those that were offered; of the second form that is "bearer" itself.
const (
	TokenProtocol  = "ringdown.token."
	BearerProtocol = "bearer"
)

// FromRequest finds the token of a request. "" without an error means that there is none. The same token may be in
// several places, and the first of header, cookie, query and subprotocol is named; two different ones are refused with
// [ErrAmbiguous]. Whether the token is any good is for [Verifier.Verify] to say. The request's body is not read.
func FromRequest(r *http.Request, o Sources) (token string, where Source, err error) {
	found := func(candidate string, source Source) {
		if err != nil {
			return
		}
		if candidate == "" {
			err = refuse(ErrMalformed, "the request has an empty token in its %s; send one, or leave it out to be anonymous", source)
		} else if where == FromNowhere {
			token, where = candidate, source
		} else if candidate != token {
			err = refuse(ErrAmbiguous, "the request has different tokens in its %s and its %s; send one", where, source)
		}
	}
	if !o.NoHeader {
		for _, value := range r.Header.Values("Authorization") {
			scheme, credentials, _ := strings.Cut(value, " ")
			if strings.EqualFold(scheme, "Bearer") { // others are the business of others
				found(strings.TrimSpace(credentials), FromHeader)
			}
		}
	}
	if o.Cookie != "" {
		for _, cookie := range r.CookiesNamed(o.Cookie) {
			if cookie.Value != "" { // which is how some log out
				found(cookie.Value, FromCookie)
			}
		}
	}
	if !o.NoQuery && r.URL != nil {
		for _, value := range r.URL.Query()[o.query()] {
			found(value, FromQuery)
		}
	}
	if !o.NoSubprotocol {
		_, tokens := Subprotocols(r.Header)
		for _, value := range tokens {
			found(value, FromSubprotocol)
		}
	}
	if err != nil {
		return "", FromNowhere, err
	}
	return token, where, nil
}

func (o Sources) query() string {
	if o.Query == "" {
		return DefaultQuery
	}
	return o.Query
}

// Subprotocols splits the subprotocols that a client offers into those that a server may choose from and the tokens among them.
// A server that chose a token would send it back, and into logs.
func Subprotocols(h http.Header) (offered, tokens []string) {
	var list []string
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for entry := range strings.SplitSeq(line, ",") {
			list = append(list, strings.TrimSpace(entry))
		}
	}
	for i := 0; i < len(list); i++ {
		if token, ok := strings.CutPrefix(list[i], TokenProtocol); ok {
			tokens = append(tokens, token)
			continue
		}
		offered = append(offered, list[i])
		if strings.EqualFold(list[i], BearerProtocol) && i+1 < len(list) {
			i++
			tokens = append(tokens, strings.TrimPrefix(list[i], TokenProtocol))
		}
	}
	return slices.DeleteFunc(offered, func(s string) bool { return s == "" }), tokens
}

// Redacted is the URL as it may be logged: without the token, and without a password.
func (o Sources) Redacted(u *url.URL) string {
	copied := *u
	if copied.User != nil {
		copied.User = url.User(copied.User.Username())
	}
	pairs := strings.Split(copied.RawQuery, "&")
	for i, pair := range pairs {
		name, _, has := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); has && (err != nil || strings.EqualFold(plain, o.query())) {
			pairs[i] = name + "=(token)"
		}
	}
	copied.RawQuery = strings.Join(pairs, "&")
	return copied.String()
}
