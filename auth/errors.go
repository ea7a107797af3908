// Why a token is refused: a reason for programs, a sentence for people.

package auth

import "fmt"

// Reason is why a token was refused. It is an error to be compared with by [errors.Is], and its text, which does not change, is
// fit for a metric's label.
type Reason string

// The reasons.
const (
	ErrMalformed   Reason = "malformed"        // it is no JWT, or one with duplicate names, deep nesting or claims of a wrong type
	ErrTooLarge    Reason = "too_large"        // it is longer than Options.MaxToken
	ErrAmbiguous   Reason = "ambiguous"        // the request carries two different tokens
	ErrAlgorithm   Reason = "algorithm"        // "none", an algorithm that is not supported, or not the one its key is for
	ErrUnknownKey  Reason = "unknown_key"      // there is no key with its key id
	ErrUnavailable Reason = "keys_unavailable" // the keys could not be loaded; the token may be good, and the client may try again
	ErrSignature   Reason = "signature"        // no key of ours has signed it, or it was changed since
	ErrExpired     Reason = "expired"          // its time is over
	ErrNotYet      Reason = "not_yet"          // its time has not come: "nbf" or "iat" is in the future
	ErrLifetime    Reason = "lifetime"         // it lives longer than Options.MaxTTL, or does not say how long
	ErrIssuer      Reason = "issuer"           // another has issued it
	ErrAudience    Reason = "audience"         // it is meant for another
	ErrSubject     Reason = "subject"          // it names no user, or none that could be one
	ErrGrants      Reason = "grants"           // its "channels" name an unknown right or a broken pattern
	ErrRevoked     Reason = "revoked"          // it, its session or its user's tokens were revoked
)

// Reasons lists all of them, in the order of their checks.
func Reasons() []Reason {
	return []Reason{ErrAmbiguous, ErrTooLarge, ErrMalformed, ErrAlgorithm, ErrUnknownKey, ErrUnavailable, ErrSignature, ErrExpired,
		ErrNotYet, ErrLifetime, ErrIssuer, ErrAudience, ErrSubject, ErrGrants, ErrRevoked}
}

func (r Reason) Error() string { return "token refused: " + string(r) }

// Error is a token's refusal.
type Error struct {
	Reason  Reason
	Message string // what was refused, why, and what to change; never a part of the token's text; safe to show to its sender
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Reason }

func refuse(reason Reason, format string, values ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, values...)}
}
