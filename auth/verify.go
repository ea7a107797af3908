// Checking one token: its form, its signature, its claims.

package auth

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxTries is how many keys are tried for a token that does not say which one signed it.
const maxTries = 8

// Verify checks a token and returns what it says. Otherwise the error is an [*Error] with one of [Reasons]. If the token names a
// key that is not known, it may wait for a key server, for Options.Timeout at most and only until ctx ends.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	t, err := parse(token, v.options.MaxToken)
	if err != nil {
		return nil, err
	}
	if err := v.checkSignature(ctx, t); err != nil {
		return nil, err
	}
	claims, err := parseClaims(t.payload)
	if err != nil {
		return nil, err
	}
	if found := v.options.problems(claims, time.Now()); len(found) > 0 {
		return nil, found[0]
	}
	if err := v.options.Revocations.Check(claims); err != nil {
		return nil, err
	}
	return claims, nil
}

// Check asks again whether claims that were verified are still good: whether they have expired or were revoked. A server asks
// once more after it has entered a new session where OnRevoke finds it, so that no revocation falls in between.
func (v *Verifier) Check(c *Claims) error {
	if err := v.options.expired(c, time.Now()); err != nil {
		return err
	}
	return v.options.Revocations.Check(c)
}

// Ends is when a session with these claims must end: when they expire, and Options.Leeway. Zero means never.
func (v *Verifier) Ends(c *Claims) time.Time {
	if c.Expires.IsZero() {
		return time.Time{}
	}
	return c.Expires.Add(v.options.Leeway)
}

// parsed is a token taken apart, believed in nothing.
type parsed struct {
	algorithm, keyID string
	signed           string // header and payload as they were signed
	header, payload  []byte // JSON
	signature        []byte
}

// parse takes a token apart: RFC 7515, section 7.1.
func parse(token string, longest int) (*parsed, error) {
	if len(token) > longest {
		return nil, refuse(ErrTooLarge, "the token has %d bytes; at most %d are taken, so put less into it", len(token), longest)
	}
	if token == "" {
		return nil, refuse(ErrMalformed, "the token is empty; send one, or leave it out to be anonymous")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, refuse(ErrMalformed, "the token has %d parts between dots; a signed JWT has 3", len(parts))
	}
	var decoded [3][]byte
	for i, name := range []string{"header", "payload", "signature"} {
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(parts[i]); err != nil || strings.ContainsAny(parts[i], "\r\n") {
			return nil, refuse(ErrMalformed, "the token's %s is not unpadded base64url; was it cut or changed on its way?", name)
		}
	}
	t := &parsed{signed: token[:len(parts[0])+1+len(parts[1])], header: decoded[0], payload: decoded[1], signature: decoded[2]}
	return t, t.readHeader()
}

// readHeader takes "alg" and "kid" and nothing else. Headers that carry or point to keys (jwk, jku, x5c, x5u) are not looked at.
func (t *parsed) readHeader() error {
	fields, err := object(t.header)
	if err != nil {
		return refuse(ErrMalformed, "the token's header %v", err)
	}
	if t.algorithm, err = text(fields, "alg"); err != nil {
		return refuse(ErrMalformed, "the token's header %v", err)
	}
	if t.keyID, err = text(fields, "kid"); err != nil {
		return refuse(ErrMalformed, "the token's header %v", err)
	}
	if len(t.keyID) > maxName {
		return refuse(ErrMalformed, "the token's \"kid\" has %d bytes; at most %d are taken", len(t.keyID), maxName)
	}
	if _, critical := fields["crit"]; critical { // RFC 7515, section 4.1.11
		return refuse(ErrMalformed, `the token's header has "crit", and none of its extensions is understood here; sign it without`)
	}
	if !slices.Contains(Algorithms(), t.algorithm) {
		return refuse(ErrAlgorithm, "the token's algorithm is %.20q; sign it with one of %s", t.algorithm, strings.Join(Algorithms(), ", "))
	}
	return nil
}

// checkSignature finds the key that signed a token. Keys of its id come first, then keys without one; a token without key id is
// tried with all that have its algorithm.
func (v *Verifier) checkSignature(ctx context.Context, t *parsed) error {
	keys, named, available := v.candidates(t)
	if t.anySigned(keys) {
		return nil
	}
	if !named && (t.keyID != "" || len(keys) == 0) { // the issuer may have a new key
		var all sync.WaitGroup
		for _, s := range v.sources {
			if s.refreshes() {
				all.Go(func() { s.refreshForUnknown(ctx) })
			}
		}
		all.Wait()
		keys, named, available = v.candidates(t)
		if t.anySigned(keys) {
			return nil
		}
	}
	switch {
	case !named && !available:
		return refuse(ErrUnavailable, "the keys for tokens cannot be loaded now, so this token cannot be checked; try again")
	case named && len(keys) == 0:
		return refuse(ErrAlgorithm, "the token's algorithm is %s, but the key it names is for another; sign it with that", t.algorithm)
	case t.keyID == "" && len(keys) > maxTries:
		return refuse(ErrUnknownKey, `the token has no "kid", and %d keys could have signed it; say which with "kid"`, len(keys))
	case len(keys) > 0:
		return refuse(ErrSignature, "no key known here has signed the token as it is; sign it with one of them, or add its key to this server")
	case t.keyID != "":
		return refuse(ErrUnknownKey, `there is no key with the token's "kid" %.60q; sign it with a key that this server has, or add that one`, t.keyID)
	}
	return refuse(ErrAlgorithm, "the token's algorithm is %s, and this server has no key for it; sign it with one that it has", t.algorithm)
}

// candidates returns the keys that may have signed a token; whether a key, of whatever algorithm, has its id; and whether
// all sources have keys.
func (v *Verifier) candidates(t *parsed) (keys []key, named, available bool) {
	available = true
	now := time.Now()
	var unnamed []key
	for _, s := range v.sources {
		all, ok := s.snapshot(now)
		available = available && ok
		for _, k := range all {
			exact := t.keyID != "" && k.id == t.keyID
			named = named || exact
			if k.algorithm != t.algorithm {
				continue
			}
			if exact || t.keyID == "" {
				keys = append(keys, k)
			} else if k.id == "" {
				unnamed = append(unnamed, k)
			}
		}
	}
	return append(keys, unnamed...), named, available
}

// anySigned tries the first maxTries keys.
func (t *parsed) anySigned(keys []key) bool {
	for _, k := range keys[:min(len(keys), maxTries)] {
		if k.verify(t.signed, t.signature) {
			return true
		}
	}
	return false
}

// expired refuses what is over.
func (o *Options) expired(c *Claims, now time.Time) error {
	if !c.Expires.IsZero() && !now.Before(c.Expires.Add(o.Leeway)) {
		return refuse(ErrExpired, "the token expired at %s; get a new one", at(c.Expires))
	}
	return nil
}

// problems lists what is wrong with claims at a time, but for revocations.
func (o *Options) problems(c *Claims, now time.Time) []error {
	var found []error
	note := func(reason Reason, format string, values ...any) {
		found = append(found, refuse(reason, format, values...))
	}
	if err := o.expired(c, now); err != nil {
		found = append(found, err)
	}
	soon := now.Add(o.Leeway)
	if c.NotBefore.After(soon) {
		note(ErrNotYet, `the token is not to be used before %s, its "nbf"; wait, or set the clocks right: here it is %s`, at(c.NotBefore), at(now))
	}
	if c.IssuedAt.After(soon) {
		note(ErrNotYet, `the token was issued at %s, its "iat", in the future; set the clocks right: here it is %s`, at(c.IssuedAt), at(now))
	}
	if c.Expires.IsZero() && !o.AllowForever {
		note(ErrLifetime, `the token has no "exp", so it would never expire; give it one`)
	} else if o.MaxTTL > 0 && !c.Expires.IsZero() {
		if c.IssuedAt.IsZero() {
			note(ErrLifetime, `the token has no "iat", so how long it lives cannot be told; say when it was issued`)
		} else if ttl := c.Expires.Sub(c.IssuedAt); ttl > o.MaxTTL {
			note(ErrLifetime, "the token lives for %v; mint it for at most %v, or raise the server's limit", ttl, o.MaxTTL)
		}
	}
	if o.Issuer != "" && c.Issuer != o.Issuer {
		note(ErrIssuer, `the token's issuer, "iss", is %.100q; this server takes those of %.100q`, c.Issuer, o.Issuer)
	}
	if o.Audience != "" && !slices.Contains(c.Audience, o.Audience) {
		note(ErrAudience, `the token is not meant for this server; its "aud" must name %.100q`, o.Audience)
	}
	if o.Audience == "" && len(c.Audience) > 0 {
		note(ErrAudience, `the token is meant for another, %.100q; name this server's audience in its configuration, or leave out "aud"`, c.Audience[0])
	}
	return found
}

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }
