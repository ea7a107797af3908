// Who a client is: tokens, turned into what the hub knows of a session.

package server

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/server/proxy"
)

// identities tells who clients are. All of it may be used from any goroutine.
type identities struct {
	dev         bool // clients may name themselves
	tokens      atomic.Pointer[tokens]
	revocations auth.Revocations // whatever becomes of the keys
}

// tokens is what the configuration says of tokens.
type tokens struct {
	verifier *auth.Verifier // nil where there are no keys
	sources  auth.Sources
	known    bool // a token is asked of everybody
}

// setTokens takes what the configuration says of tokens in the place of what it said before. Revocations stay, and so do keys that a
// key server has given; it is waited for where there are none yet, for tokens are refused without.
func (s *Server) setTokens(c *config.Auth) (err error) {
	next := &tokens{known: !c.Anonymous, sources: auth.Sources{Cookie: c.Cookie, Query: c.Query, NoQuery: c.Query == ""}}
	before := s.identities.tokens.Load()
	if len(c.Keys) > 0 {
		options := authOptions(c, s)
		if before != nil {
			options.Previous = before.verifier
		}
		if next.verifier, err = auth.New(options); err != nil {
			return err
		}
		if without, _ := sourcesWithout(next.verifier); before != nil && without > 0 {
			next.verifier.Reload(context.Background()) // for auth.DefaultTimeout at most; the log has what went wrong
		}
	}
	s.identities.tokens.Store(next)
	if before != nil && before.verifier != nil {
		before.verifier.Close()
	}
	return nil
}

// sourcesWithout counts the sources of keys that have none.
func sourcesWithout(v *auth.Verifier) (without, all int) {
	states := v.Keys()
	for _, state := range states {
		if state.Keys == 0 {
			without++
		}
	}
	return without, len(states)
}

func authOptions(c *config.Auth, s *Server) auth.Options {
	o := auth.Options{Issuer: c.Issuer, Audience: c.Audience, Leeway: c.Leeway, MaxTTL: c.MaxTTL,
		Revocations: &s.identities.revocations, OnRevoke: s.revoked, Log: s.log}
	if c.Leeway == 0 {
		o.Leeway = -1
	}
	for _, k := range c.Keys {
		o.Keys = append(o.Keys, auth.Key{ID: k.ID, Secret: auth.Secret(k.Secret), SecretFile: k.SecretFile, File: k.File, URL: k.URL})
	}
	return o
}

func (i *identities) close() {
	if t := i.tokens.Load(); t != nil && t.verifier != nil {
		t.verifier.Close()
	}
}

// identify tells who sends a request: whoever its token says. In dev mode clients may name themselves, by ?user=.
func (i *identities) identify(r *http.Request) (hub.Identity, error) {
	t := i.tokens.Load()
	token, err := tokenOf(r, t.sources)
	if err != nil {
		return hub.Identity{}, err
	}
	var who hub.Identity
	switch {
	case token != "" && t.verifier != nil:
		who, err = i.authenticate(r.Context(), token)
	case token != "" && !i.dev:
		err = hub.Errorf(hub.Unauthorized, "this server takes no tokens; give it keys (auth.keys), or send none")
	case t.known && t.verifier != nil:
		err = hub.Errorf(hub.Unauthorized, "a token is needed here: as Authorization: Bearer, as ?token=, among the subprotocols of a WebSocket, or in the auth of Socket.IO")
	case i.dev:
		who, err = named(r)
	}
	who.Address = proxy.From(r).Address
	return who, err
}

// tokenKey is the key of a token in a request's context.
type tokenKey struct{}

// bearing is a context whose request has a token that is no part of it, and which is looked at instead of those that are.
func bearing(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey{}, token)
}

// tokenOf is a request's token, or "".
func tokenOf(r *http.Request, sources auth.Sources) (token string, err error) {
	if token, ok := r.Context().Value(tokenKey{}).(string); ok && token == "" {
		return "", hub.Errorf(hub.Unauthorized, "the token that came is empty; send one, or leave it out to be anonymous")
	} else if ok {
		return token, nil
	}
	if token, _, err = auth.FromRequest(r, sources); err != nil {
		return "", refusalOf(err)
	}
	return token, nil
}

// named is a client by the name it gives itself.
func named(r *http.Request) (hub.Identity, error) {
	user := r.URL.Query().Get("user")
	if err := hub.CheckChannel(user); err != nil && user != "" { // what suits a channel suits a user
		return hub.Identity{}, hub.Errorf(hub.BadRequest, "the user is %.40q; name it with 1 to %d bytes of printable UTF-8", user, hub.MaxChannelName)
	}
	return hub.Identity{User: strings.Clone(user)}, nil // the rest of the request need not be kept
}

// authenticate tells who a token is from.
func (i *identities) authenticate(ctx context.Context, token string) (hub.Identity, error) {
	t := i.tokens.Load()
	if t.verifier == nil {
		return hub.Identity{}, hub.Errorf(hub.Unauthorized, "this server takes no tokens; give it keys (auth.keys)")
	}
	claims, err := t.verifier.Verify(ctx, token)
	if err != nil && i.tokens.Load() != t { // its place was taken meanwhile
		return i.authenticate(ctx, token)
	}
	if err != nil {
		return hub.Identity{}, refusalOf(err)
	}
	who := hub.Identity{User: claims.User, Info: claims.Info, Expires: t.verifier.Ends(claims),
		Token: claims.ID, Subject: claims.User, Login: claims.Session, Issued: claims.IssuedAt}
	if claims.Grants != nil {
		who.Grants = grants{claims}
	}
	return who, nil
}

// refusalOf is a token's refusal by the hub's table.
func refusalOf(err error) error {
	code := hub.Unauthorized
	switch auth.ReasonOf(err) {
	case "":
		return err
	case auth.ErrExpired:
		code = hub.TokenExpired
	case auth.ErrRevoked:
		code = hub.TokenRevoked
	case auth.ErrUnavailable:
		code = hub.Unavailable
	}
	return hub.Errorf(code, "%w", err)
}

// grants are what a token lets its client do.
type grants struct{ *auth.Claims }

var rights = map[hub.Right]auth.Rights{
	hub.ToSubscribe:   auth.Subscribe,
	hub.ToPublish:     auth.Publish,
	hub.ToSeePresence: auth.Presence,
	hub.ToReadHistory: auth.History,
	hub.ToCall:        auth.Call,
}

// May implements [hub.Grants]. The right to subscribe covers what came before.
func (g grants) May(right hub.Right, channel string) bool {
	return g.Claims.May(rights[right], channel) || right == hub.ToReadHistory && g.Claims.May(auth.Subscribe, channel)
}
