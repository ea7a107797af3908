// The one table of what can be refused, with what each code means on every transport.

package hub

import (
	"errors"
	"fmt"
	"net/http"
)

// Code names why something was refused. Its text is what clients see, over every protocol, and does not change.
type Code string

// The codes.
const (
	BadRequest           Code = "bad_request"
	UnknownType          Code = "unknown_type"
	BadChannel           Code = "bad_channel"
	BadPayload           Code = "bad_payload"
	BadCursor            Code = "bad_cursor"
	TooLarge             Code = "too_large"
	TooManySubscriptions Code = "too_many_subscriptions"
	TooManyCommands      Code = "too_many_commands"
	Unauthorized         Code = "unauthorized"
	TokenExpired         Code = "token_expired"
	TokenRevoked         Code = "token_revoked"
	NotAllowed           Code = "not_allowed"
	RateLimited          Code = "rate_limited"
	Disconnected         Code = "disconnected"
	NotFound             Code = "not_found"
	NotSubscribed        Code = "not_subscribed"
	AlreadySubscribed    Code = "already_subscribed"
	NoHistory            Code = "no_history"
	NoPresence           Code = "no_presence"
	UnknownMethod        Code = "unknown_method"
	CallFailed           Code = "call_failed"
	MethodNotAllowed     Code = "method_not_allowed"
	UnsupportedMedia     Code = "unsupported_media_type"
	ForeignOrigin        Code = "foreign_origin"
	SlowConsumer         Code = "slow_consumer"
	Full                 Code = "full"
	ShuttingDown         Code = "shutting_down"
	Unavailable          Code = "unavailable"
	Internal             Code = "internal"
)

// Refusal is a line of the table: what a code means, what to do about it, and how it looks over HTTP and in a Close frame.
type Refusal struct {
	Code   Code
	Means  string
	Cure   string
	Status int // over HTTP
	Close  int // the close code when it ends a WebSocket; 0 if it never does
}

// Refusals is the table, in the order in which it is documented.
func Refusals() []Refusal { return refusals }

var refusals = []Refusal{
	{BadRequest, "the request or command is malformed", "compare it with docs/protocol.md", http.StatusBadRequest, 1007},
	{UnknownType, "there is no command of this type", "use one of the types that the message lists", http.StatusBadRequest, 0},
	{BadChannel, "this cannot be the name of a channel", "use 1 to 255 bytes of printable UTF-8", http.StatusBadRequest, 0},
	{BadPayload, "the payload is not what it is said to be: JSON, UTF-8 or base64", "send it as what it is", http.StatusBadRequest, 1007},
	{BadCursor, "the cursor is not one of ours", "hand back a cursor as the server gave it, or none", http.StatusBadRequest, 0},
	{TooLarge, "the payload, or a field beside it, is larger than the channel's rule allows", "send less, or raise the limit", http.StatusRequestEntityTooLarge, 1009},
	{TooManySubscriptions, "the session is subscribed to as many channels as it may be", "unsubscribe from some, or raise the limit", http.StatusBadRequest, 0},
	{TooManyCommands, "one message holds more commands than are taken", "send them in several messages", http.StatusBadRequest, 0},
	{Unauthorized, "the token is missing, malformed, or not signed by a key that the server trusts", "see the sentence; get a token from the issuer", http.StatusUnauthorized, 4401},
	{TokenExpired, "the token has expired, before or while the connection was open", "come back with a new token, or renew it in time", http.StatusUnauthorized, 4402},
	{TokenRevoked, "the token, its user or the session was revoked", "log in again", http.StatusUnauthorized, 4403},
	{RateLimited, "the client sends more than it may", "send less, or raise the limit; the sentence says when to go on", http.StatusTooManyRequests, 4429},
	{Disconnected, "the server, or an operator, has ended the session", "see the reason", http.StatusForbidden, 4400},
	{NotAllowed, "the channel's rule, or the client's token, does not let it do that", "authenticate, or change the rule", http.StatusForbidden, 1008},
	{NotFound, "there is no such session or page", "compare the address with the documentation; a session may have ended", http.StatusNotFound, 0},
	{NotSubscribed, "the session is not subscribed to the channel", "subscribe first", http.StatusConflict, 0},
	{AlreadySubscribed, "the session is subscribed to the channel already", "unsubscribe first to begin from another cursor", http.StatusConflict, 0},
	{NoHistory, "the channel's rule keeps no history", "give the channel's rule a history", http.StatusNotFound, 0},
	{NoPresence, "the channel's rule has no presence", "switch presence on in the channel's rule", http.StatusNotFound, 0},
	{UnknownMethod, "nobody answers calls of this method", "correct the method, or give the server a handler for it", http.StatusNotFound, 0},
	{CallFailed, "the handler of the call refused it", "see its message", http.StatusUnprocessableEntity, 0},
	{MethodNotAllowed, "the HTTP method means nothing here", "use one of those in the Allow header", http.StatusMethodNotAllowed, 0},
	{UnsupportedMedia, "a payload of this Content-Type is not taken", "send application/json, text/plain or application/octet-stream", http.StatusUnsupportedMediaType, 0},
	{ForeignOrigin, "a page of this origin may not connect", "list the origin at the server", http.StatusForbidden, 0},
	{SlowConsumer, "the client reads more slowly than is published to it", "read faster, ask for less, or have the channel conflated", http.StatusServiceUnavailable, 1013},
	{Full, "the server holds as many sessions as it may", "try again later, or raise the limit", http.StatusServiceUnavailable, 1013},
	{ShuttingDown, "the server is shutting down or restarting", "come back in a few seconds", http.StatusServiceUnavailable, 1012},
	{Unavailable, "the broker cannot do it now", "try again; the operator finds the cause in the log", http.StatusServiceUnavailable, 0},
	{Internal, "something is wrong with the server", "the operator finds the cause in the log", http.StatusInternalServerError, 1011},
}

// Error is a refusal of one thing that a client or program asked for.
type Error struct {
	Code    Code
	Message string // what was refused, why, and what to change; safe to show to the client
	cause   error
}

// Errorf makes an Error; what it wraps with %w can be found by errors.Is and errors.As.
func Errorf(code Code, format string, values ...any) *Error {
	err := fmt.Errorf(format, values...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

func (e *Error) Error() string { return e.Message }

// Unwrap is what the error was made of, or nil.
func (e *Error) Unwrap() error { return e.cause }

// RefusalOf is the line of the table for an error, and the sentence that a client may see: an error that is no [*Error] is
// [Internal], and its text is kept for the log. A code that is not in the table, which a program or a backend may have made up, is
// told as it is and otherwise like [NotAllowed].
func RefusalOf(err error) (r Refusal, sentence string) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Code: Internal, Message: "the server could not do it; its log says why"}
	}
	r = refusals[placeOf(e.Code)]
	r.Code = e.Code
	return r, e.Message
}

// Explain is what a log says of a refusal: its code, its cause in words, for an operator also that of an error whose text clients do
// not see, and what to do about it.
func Explain(err error) []any {
	r, _ := RefusalOf(err)
	return []any{"code", string(r.Code), "cause", err.Error(), "cure", r.Cure}
}
