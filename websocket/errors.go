// How a connection ends, for the program that reads from it.

package websocket

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/ringdown/ringdown/websocket/wire"
)

// StatusCode is the code of a Close frame (RFC 6455 §7.4).
type StatusCode = wire.StatusCode

// The registered close codes. 1005, 1006 and 1015 never travel: they say what happened when no Close frame did. Codes
// from 3000 are for libraries and from 4000 for applications.
const (
	StatusNormalClosure      = wire.StatusNormalClosure
	StatusGoingAway          = wire.StatusGoingAway
	StatusProtocolError      = wire.StatusProtocolError
	StatusUnsupportedData    = wire.StatusUnsupportedData
	StatusNoStatus           = wire.StatusNoStatus
	StatusAbnormalClosure    = wire.StatusAbnormalClosure
	StatusInvalidPayload     = wire.StatusInvalidPayload
	StatusPolicyViolation    = wire.StatusPolicyViolation
	StatusMessageTooBig      = wire.StatusMessageTooBig
	StatusMandatoryExtension = wire.StatusMandatoryExtension
	StatusInternalError      = wire.StatusInternalError
	StatusServiceRestart     = wire.StatusServiceRestart
	StatusTryAgainLater      = wire.StatusTryAgainLater
	StatusBadGateway         = wire.StatusBadGateway
	StatusTLSHandshake       = wire.StatusTLSHandshake
)

// CloseError is the end of a connection by the peer's Close frame.
type CloseError struct {
	Code   StatusCode // [StatusNoStatus] if the frame carried none
	Reason string     // the peer's words, valid UTF-8 of at most 123 bytes
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return "websocket: closed by the peer: " + e.Code.String()
	}
	return fmt.Sprintf("websocket: closed by the peer: %s: %q", e.Code, e.Reason)
}

// ProtocolError is a violation of the protocol or of a limit by the peer, which made this side close the connection with
// its Code.
type ProtocolError = wire.Error

// CloseStatus is the code of the peer's Close frame if err holds a [CloseError], else -1.
func CloseStatus(err error) StatusCode {
	if closed, ok := errors.AsType[*CloseError](err); ok {
		return closed.Code
	}
	return -1
}

// Errors that end a connection or refuse a call. The first two wrap [net.ErrClosed].
var (
	// ErrClosed is the end of a connection by Close or CloseNow on this side.
	ErrClosed = fmt.Errorf("websocket: closed by this side: %w", net.ErrClosed)
	// ErrClosing refuses a write after a Close frame was sent or received.
	ErrClosing = fmt.Errorf("websocket: nothing may be written after a Close frame: %w", net.ErrClosed)
	// ErrKeepAlive is the end of a connection whose peer did not answer a ping in time.
	ErrKeepAlive = errors.New("websocket: the peer did not answer a ping in time")
	// ErrWriteTimeout is the end of a connection whose peer took no bytes for the time of Limits.WriteTimeout.
	ErrWriteTimeout = errors.New("websocket: the peer took no bytes for too long while there were some to write")
)

// refusedError refuses a write on a connection that has ended. It is a net.ErrClosed, whatever the cause.
type refusedError struct{ cause error }

func (e *refusedError) Error() string {
	return "websocket: not written, the connection has ended: " + e.cause.Error()
}

func (e *refusedError) Unwrap() []error { return []error{e.cause, net.ErrClosed} }

// HandshakeError is an opening handshake that failed.
type HandshakeError struct {
	// Status is the HTTP status: the one that Accept answered with, or the one that Dial got. 0 if there was none.
	Status int
	// Reason says what was wrong, and what to change.
	Reason string
	// Response is what the server answered to Dial, its body cut at 4 KiB. nil from Accept.
	Response *http.Response
	cause    error
}

func (e *HandshakeError) Error() string {
	if e.Status == 0 {
		return "websocket: handshake: " + e.Reason
	}
	return fmt.Sprintf("websocket: handshake: %d %s: %s", e.Status, http.StatusText(e.Status), e.Reason)
}

func (e *HandshakeError) Unwrap() error { return e.cause }

// isQuiet reports whether err is an ending that nobody needs to hear of as an error.
func isQuiet(err error) bool {
	switch CloseStatus(err) {
	case StatusNormalClosure, StatusGoingAway, StatusNoStatus:
		return true
	}
	return errors.Is(err, ErrClosed)
}
