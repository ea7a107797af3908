// When to try again, and when not to.

package client

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// Backoff is the time between attempts: exponential, with full jitter, so that the clients of a server that was away do not
// come back all at once. One goroutine at a time may use it.
type Backoff struct {
	Min, Max time.Duration // see Options.MinBackoff; 0 means the defaults
	failures int
}

// steady is how long a connection must have been open for its end to count as a first failure.
const steady = 10 * time.Second

// Opened tells how long the last connection was open. It does not count as a failure if that was long.
func (b *Backoff) Opened(open time.Duration) {
	if open >= steady {
		b.failures = 0
	}
}

// Reset forgets failures: there is new reason to hope.
func (b *Backoff) Reset() { b.failures = 0 }

// Next is how long to wait after another failure, and at least as long as the server has asked for, if that is not 0.
func (b *Backoff) Next(asked time.Duration) time.Duration {
	shortest, ceiling := cmp.Or(b.Min, DefaultMinBackoff), cmp.Or(b.Max, DefaultMaxBackoff)
	if grown := shortest << min(b.failures, 32); grown > 0 && grown < ceiling {
		ceiling = grown
	}
	b.failures++
	if asked > 0 {
		return asked + rand.N(shortest) // many may have been told the same
	}
	return rand.N(ceiling)
}

// DisconnectError is the end of a connection that the server has announced.
type DisconnectError struct {
	Code       string // see docs/errors.md
	Message    string
	Reconnect  bool          // whether it makes sense to come back
	RetryAfter time.Duration // how long to wait before; 0 if the server did not say
}

func (e *DisconnectError) Error() string {
	return fmt.Sprintf("client: disconnected by the server: %s (%s)", e.Message, e.Code)
}

// RefusedError is an answer of the server, or of something before it, that is no connection.
type RefusedError struct {
	Status     int           // of HTTP
	Code       string        // see docs/errors.md; "" if it did not say
	Message    string        // what it said
	RetryAfter time.Duration // 0 if it did not say
	cause      error
	spoken     bool // in the server's form, of an answer to an HTTP request
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("client: refused with status %d: %s", e.Status, e.Message)
}

func (e *RefusedError) Unwrap() error { return e.cause }

// longestSentence is how much is kept of what is said with a refusal, in bytes.
const longestSentence = 2 << 10

// refused is the error of an opening handshake that failed.
func refused(response *http.Response, err error) error {
	handshake, ok := errors.AsType[*websocket.HandshakeError](err)
	if !ok || response == nil || handshake.Status == 0 {
		return fmt.Errorf("client: connecting: %w", err)
	}
	e := Refusal(response)
	if e.cause = err; e.Message == "" {
		e.Message = handshake.Reason
	}
	return e
}

// Refusal is what an HTTP response says that is not what was asked for. It reads the body, and leaves closing it to the caller.
func Refusal(response *http.Response) *RefusedError {
	body, _ := io.ReadAll(io.LimitReader(response.Body, longestSentence))
	e := &RefusedError{Status: response.StatusCode, Message: strings.TrimSpace(string(body)),
		RetryAfter: retryAfter(response.Header.Get("Retry-After"), time.Now())}
	var problem struct{ Code, Detail string }
	if json.Unmarshal(body, &problem) == nil && problem.Detail != "" { // RFC 9457
		e.Code, e.Message = problem.Code, problem.Detail
	}
	return e
}

// Temporary tells whether to try again makes sense with nothing changed.
func (e *RefusedError) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return e.Status >= 500
}

// retryAfter reads the field of that name (RFC 9110 §10.2.3): seconds, or a date.
func retryAfter(field string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(field, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(field); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// comeBack is when the server wants the client back; 0 if it did not say.
func comeBack(err error) time.Duration {
	if e, ok := errors.AsType[*DisconnectError](err); ok {
		return e.RetryAfter
	}
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.RetryAfter
	}
	return 0
}

// final tells whether it makes no sense to try again. A refusal that a client meets on its first attempt is a mistake in its
// configuration; one that it meets later may come from a proxy in the middle of a deployment, and is waited out.
func final(err error, welcome bool) bool {
	if e, ok := errors.AsType[*DisconnectError](err); ok {
		return !e.Reconnect
	}
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return !welcome && !e.Temporary()
	}
	return websocket.CloseStatus(err) == websocket.StatusPolicyViolation || codeOf(err) == "token_revoked" ||
		!welcome && errors.Is(err, errNotRingdown)
}

// unpreparedError is an attempt that failed before it reached for the server: Options.Prepare or Token had an error.
type unpreparedError struct{ cause error }

func (e *unpreparedError) Error() string { return e.cause.Error() }
func (e *unpreparedError) Unwrap() error { return e.cause }

// attemptError is an attempt that failed over several transports.
type attemptError struct{ errs []error } // the last one first, which decides what is made of it

func (e *attemptError) Error() string {
	text := "client: no transport works"
	for _, err := range slices.Backward(e.errs) {
		text += "; " + strings.TrimPrefix(err.Error(), "client: ")
	}
	return text
}

func (e *attemptError) Unwrap() []error { return e.errs }

// blames tells whether the connection ended because of what this side has sent, which is then not to be sent again.
func blames(err error) bool {
	switch websocket.CloseStatus(err) {
	case websocket.StatusProtocolError, websocket.StatusUnsupportedData, websocket.StatusInvalidPayload,
		websocket.StatusPolicyViolation, websocket.StatusMessageTooBig:
		return true
	}
	return false
}
