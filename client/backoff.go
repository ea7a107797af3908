// When to try again, and when not to.

package client

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// backoff is the time between attempts: exponential, with full jitter, so that the clients of a server that was away do not
// come back all at once.
type backoff struct {
	shortest, longest time.Duration
	failures          int
}

// steady is how long a connection must have been open for its end to count as a first failure.
const steady = 10 * time.Second

// after tells how long the last connection was open.
func (b *backoff) after(open time.Duration) {
	if open >= steady {
		b.failures = 0
	}
}

// next is how long to wait after another failure, and at least as long as the server has asked for.
func (b *backoff) next(asked time.Duration) time.Duration {
	ceiling := b.longest
	if b.failures < 32 && b.shortest<<b.failures < b.longest && b.shortest<<b.failures > 0 {
		ceiling = b.shortest << b.failures
	}
	b.failures++
	if asked > 0 {
		return asked + rand.N(b.shortest) // many may have been told the same
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
	Message    string        // what it said, at most 2 KiB
	RetryAfter time.Duration // 0 if it did not say
	cause      error
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
	said, _ := io.ReadAll(io.LimitReader(response.Body, longestSentence))
	sentence := strings.TrimSpace(string(said))
	if sentence == "" {
		sentence = handshake.Reason
	}
	return &RefusedError{Status: handshake.Status, Message: sentence, RetryAfter: retryAfter(response.Header.Get("Retry-After"), time.Now()), cause: err}
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
		switch e.Status {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
			return false
		}
		return !welcome && e.Status < 500
	}
	return websocket.CloseStatus(err) == websocket.StatusPolicyViolation || !welcome && errors.Is(err, errNotRingdown)
}

// blames tells whether the connection ended because of what this side has sent, which is then not to be sent again.
func blames(err error) bool {
	switch websocket.CloseStatus(err) {
	case websocket.StatusProtocolError, websocket.StatusUnsupportedData, websocket.StatusInvalidPayload,
		websocket.StatusPolicyViolation, websocket.StatusMessageTooBig:
		return true
	}
	return false
}

// socketURL takes http for ws and https for wss, as people copy addresses from their browser.
func socketURL(url string) string {
	for web, socket := range map[string]string{"http://": "ws://", "https://": "wss://"} {
		if rest, ok := strings.CutPrefix(url, web); ok {
			return socket + rest
		}
	}
	return url
}
