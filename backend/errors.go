// Why a hook did not say yes.

package backend

import (
	"errors"
	"fmt"
)

// What errors of [Hooks] wrap, to be told apart with [errors.Is].
var (
	ErrDenied        = errors.New("denied")         // the service said no
	ErrUnavailable   = errors.New("unavailable")    // the service could not be asked, or not in time
	ErrInvalidAnswer = errors.New("invalid answer") // the service's answer cannot be understood
	// ErrNotAsked comes with ErrUnavailable: the request was not made, because the circuit breaker is open or too many are under way.
	ErrNotAsked = errors.New("not asked")
)

// Error is the error of every hook. An error that is none comes of the caller's context.
type Error struct {
	Hook Hook
	// Code and Reason are for the client. Those of a denial are the service's, or "not_allowed" and a sentence that says no more
	// than that; of a failed call "call_failed". Otherwise Code is "unavailable".
	Code   string
	Reason string

	kind   error
	detail string // for the operator: what happened, and what to change
	cause  error
}

// Error is the sentence for the operator's log: what happened and what to change.
func (e *Error) Error() string {
	if e.detail == "" {
		return fmt.Sprintf("backend: the %s hook: %v: %s (%s)", e.Hook, e.kind, e.Reason, e.Code)
	}
	return fmt.Sprintf("backend: the %s hook: %v: %s", e.Hook, e.kind, e.detail)
}

// Unwrap returns one of [ErrDenied], [ErrUnavailable] and [ErrInvalidAnswer], and what caused it, if anything.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// verbs say in a refusal what a hook decides about.
var verbs = map[Hook]string{
	Connect: "who may connect", Subscribe: "who may subscribe", Publish: "what may be published", Call: "calls", Disconnect: "disconnects",
}

func unavailable(hook Hook, cause error) *Error {
	return &Error{Hook: hook, Code: "unavailable", kind: ErrUnavailable, detail: cause.Error(), cause: cause,
		Reason: "the service that answers for " + verbs[hook] + " cannot be asked now; try again later"}
}

// tooManyCalls refuses a call of somebody who has so many under way.
func tooManyCalls(most int) *Error {
	return &Error{Hook: Call, Code: "unavailable", kind: ErrUnavailable, cause: ErrNotAsked,
		Reason: fmt.Sprintf("%d calls of yours are being answered, which is the limit; wait for an answer", most),
		detail: fmt.Sprintf("%d calls of one client are under way, which is the limit; make the service faster, or raise MaxCalls", most)}
}

func invalid(hook Hook, cause error) *Error {
	return &Error{Hook: hook, Code: "unavailable", kind: ErrInvalidAnswer, detail: cause.Error() + "; docs/hooks.md shows the answers", cause: cause,
		Reason: "the service that answers for " + verbs[hook] + " gave no valid answer; its operator finds the cause in the server's log"}
}
