// Claims: what a token says, as far as it concerns us.

package auth

import (
	"encoding/json"
	"math"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"
)

// Claims is what a token says. Those that [Verifier.Verify] returns are the caller's.
type Claims struct {
	User    string // "sub": whose token it is; 1 to 255 bytes of printable UTF-8
	Session string // "sid": the login that the token belongs to, by which it can be revoked; or ""
	ID      string // "jti": the token's own id, by which it can be revoked; or ""

	Issuer   string   // "iss"; or ""
	Audience []string // "aud", a string or a list; or nil

	Expires   time.Time // "exp"; zero means never, which only Options.AllowForever takes
	NotBefore time.Time // "nbf"; or zero
	IssuedAt  time.Time // "iat"; or zero

	Info json.RawMessage // "info": what others may know of the user, a JSON value; or nil

	// Grants is the claim "channels". nil means that the token has none and leaves it to the rules of the server what its user
	// may do; an empty list grants nothing.
	Grants []Grant
}

// May reports whether the token's own grants hold all those rights in the channel, be it in several grants. It is false if
// there are none.
func (c *Claims) May(rights Rights, channel string) bool {
	for _, g := range c.Grants {
		if rights&g.Rights != 0 && g.covers(channel) {
			rights &^= g.Rights
		}
	}
	return rights == 0 && c.Grants != nil
}

const maxName = 255 // bytes of a user, session, token id or key id

// latestTime is the last second of the year 9999. What is later cannot be formatted by others, and is a mistake: milliseconds,
// mostly.
const latestTime = 253402300799

// parseClaims reads the payload of a token whatever it allows: only types and forms are checked.
func parseClaims(payload []byte) (*Claims, error) {
	fields, err := object(payload)
	if err != nil {
		return nil, refuse(ErrMalformed, "the token's payload %v", err)
	}
	c := &Claims{}
	for _, field := range []struct {
		name string
		into *string
	}{{"sub", &c.User}, {"sid", &c.Session}, {"jti", &c.ID}, {"iss", &c.Issuer}} {
		if *field.into, err = text(fields, field.name); err != nil {
			return nil, refuse(ErrMalformed, "the token's payload %v", err)
		}
	}
	for _, field := range []struct {
		name string
		into *time.Time
	}{{"exp", &c.Expires}, {"nbf", &c.NotBefore}, {"iat", &c.IssuedAt}} {
		if *field.into, err = numericDate(fields, field.name); err != nil {
			return nil, err
		}
	}
	if c.Audience, err = audience(fields["aud"]); err != nil {
		return nil, err
	}
	for _, name := range []struct{ claim, value string }{{"sid", c.Session}, {"jti", c.ID}} {
		if !isName(name.value) && name.value != "" {
			return nil, refuse(ErrMalformed, "the token's %q is not 1 to %d bytes of printable UTF-8; shorten it", name.claim, maxName)
		}
	}
	if !isName(c.User) {
		return nil, refuse(ErrSubject, `the token's "sub" is not a user's name of 1 to %d bytes of printable UTF-8; give it one`, maxName)
	}
	c.Info = fields["info"]
	if raw, ok := fields["channels"]; ok {
		if c.Grants, err = parseGrants(raw); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// isName tells what may go into a log and a metric as the name of somebody. U+FFFD is what a broken escape was turned into, so
// it stands for many.
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// numericDate reads a time as RFC 7519, section 2, has it: seconds since 1970, perhaps with a fraction.
func numericDate(fields map[string]json.RawMessage, name string) (time.Time, error) {
	raw, ok := fields[name]
	if !ok {
		return time.Time{}, nil
	}
	var seconds *float64
	if json.Unmarshal(raw, &seconds) != nil || seconds == nil || *seconds < 0 || *seconds > latestTime {
		return time.Time{}, refuse(ErrMalformed, "the token's %q is not a time in seconds since 1970; write it as a number, not in milliseconds", name)
	}
	whole, fraction := math.Modf(*seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}

// audience reads "aud", which is a string or a list of them (RFC 7519, section 4.1.3).
func audience(raw json.RawMessage) ([]string, error) {
	if raw == nil {
		return nil, nil
	}
	var one string
	if raw[0] == '"' && json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var list []string
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, refuse(ErrMalformed, `the token's "aud" is neither a string nor a list of strings`)
	}
	return list, nil
}

// payload is the JSON of the claims, as a token carries it.
func (c *Claims) payload() ([]byte, error) {
	fields := map[string]any{}
	for name, value := range map[string]string{"sub": c.User, "sid": c.Session, "jti": c.ID, "iss": c.Issuer} {
		if value != "" {
			fields[name] = value
		}
	}
	for name, value := range map[string]time.Time{"exp": c.Expires, "nbf": c.NotBefore, "iat": c.IssuedAt} {
		if !value.IsZero() {
			fields[name] = value.Unix()
		}
	}
	if len(c.Audience) == 1 {
		fields["aud"] = c.Audience[0]
	} else if len(c.Audience) > 1 {
		fields["aud"] = c.Audience
	}
	if c.Info != nil {
		fields["info"] = c.Info
	}
	if c.Grants != nil {
		channels := map[string][]string{}
		for _, g := range c.Grants {
			channels[g.Pattern] = slices.Concat([]string{}, channels[g.Pattern], g.Rights.names())
		}
		fields["channels"] = channels
	}
	return json.Marshal(fields)
}
