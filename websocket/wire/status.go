// Close codes (RFC 6455 §7.4) and the error that carries one.

package wire

import (
	"fmt"
	"strconv"
)

// StatusCode is the code of a Close frame (RFC 6455 §7.4, and the registry that it set up).
type StatusCode int

// The registered close codes. [StatusNoStatus], [StatusAbnormalClosure] and [StatusTLSHandshake] never travel: they
// tell the program what happened when no Close frame did (RFC 6455 §7.4.1).
const (
	StatusNormalClosure      StatusCode = 1000
	StatusGoingAway          StatusCode = 1001
	StatusProtocolError      StatusCode = 1002
	StatusUnsupportedData    StatusCode = 1003
	StatusNoStatus           StatusCode = 1005
	StatusAbnormalClosure    StatusCode = 1006
	StatusInvalidPayload     StatusCode = 1007
	StatusPolicyViolation    StatusCode = 1008
	StatusMessageTooBig      StatusCode = 1009
	StatusMandatoryExtension StatusCode = 1010
	StatusInternalError      StatusCode = 1011
	StatusServiceRestart     StatusCode = 1012
	StatusTryAgainLater      StatusCode = 1013
	StatusBadGateway         StatusCode = 1014
	StatusTLSHandshake       StatusCode = 1015
)

var statusNames = map[StatusCode]string{
	StatusNormalClosure:      "normal closure",
	StatusGoingAway:          "going away",
	StatusProtocolError:      "protocol error",
	StatusUnsupportedData:    "unsupported data",
	StatusNoStatus:           "no status",
	StatusAbnormalClosure:    "abnormal closure",
	StatusInvalidPayload:     "invalid payload",
	StatusPolicyViolation:    "policy violation",
	StatusMessageTooBig:      "message too big",
	StatusMandatoryExtension: "mandatory extension",
	StatusInternalError:      "internal error",
	StatusServiceRestart:     "service restart",
	StatusTryAgainLater:      "try again later",
	StatusBadGateway:         "bad gateway",
	StatusTLSHandshake:       "TLS handshake",
}

// String is the number with its registered name: "1001 going away".
func (c StatusCode) String() string {
	number := strconv.Itoa(int(c))
	if name, ok := statusNames[c]; ok {
		return number + " " + name
	}
	return number
}

// Sendable reports whether c may stand in a Close frame: the registered codes that are not reserved for local use, and
// the ranges for libraries (3000–3999) and for applications (4000–4999) (RFC 6455 §7.4.2).
func (c StatusCode) Sendable() bool {
	switch {
	case c >= StatusNormalClosure && c <= StatusUnsupportedData:
		return true
	case c >= StatusInvalidPayload && c <= StatusBadGateway:
		return true
	}
	return c >= 3000 && c <= 4999
}

// Error is a violation of the protocol or of a limit by the peer. The connection cannot go on: the side that met it
// sends a Close frame with Code and drops the line (RFC 6455 §7.1.7).
type Error struct {
	Code   StatusCode // the close code that RFC 6455 §7.4.1 names for it
	Reason string     // what was refused; fit to be sent as the reason of the Close frame
}

func (e *Error) Error() string { return e.Reason + " (close code " + strconv.Itoa(int(e.Code)) + ")" }

func violation(format string, args ...any) *Error {
	return &Error{Code: StatusProtocolError, Reason: fmt.Sprintf(format, args...)}
}
