// How a request is refused, and why a session ended.

package engineio

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// Reason is why a session ended, in the words that applications of the field match on.
type Reason string

// The reasons.
const (
	TransportClose Reason = "transport close"      // the client has closed it, or its WebSocket
	TransportError Reason = "transport error"      // the line broke, or the client broke the rules of its transport
	PingTimeout    Reason = "ping timeout"         // the client did not answer a ping in time
	ParseError     Reason = "parse error"          // the client sent what is no packet
	ForcedClose    Reason = "forced close"         // this side has closed it
	ServerShutdown Reason = "server shutting down" // likewise, with all others
)

// ErrClosed refuses what is sent to a session that has ended.
var ErrClosed = errors.New("engineio: the session has ended")

// The codes of the protocol's errors.
const (
	codeUnknownTransport = iota
	codeUnknownSession
	codeBadMethod
	codeBadRequest
	codeForbidden
	codeUnsupportedVersion
)

// refusal is how a request is refused.
type refusal struct {
	status  int
	code    int
	message string
	after   int // for Retry-After, in seconds; 0 is none
}

var (
	refuseTransport = &refusal{status: http.StatusBadRequest, code: codeUnknownTransport, message: "Transport unknown"}
	refuseSession   = &refusal{status: http.StatusBadRequest, code: codeUnknownSession, message: "Session ID unknown"}
	refuseMethod    = &refusal{status: http.StatusBadRequest, code: codeBadMethod, message: "Bad handshake method"}
	refuseRequest   = &refusal{status: http.StatusBadRequest, code: codeBadRequest, message: "Bad request"}
	refuseVersion   = &refusal{status: http.StatusBadRequest, code: codeUnsupportedVersion, message: "Unsupported protocol version"}
	refuseSize      = &refusal{status: http.StatusRequestEntityTooLarge, code: codeBadRequest, message: "Payload too large"}
	refuseHeader    = &refusal{status: http.StatusRequestHeaderFieldsTooLarge, code: codeBadRequest,
		message: "the address and the header have more than 8 KiB; send fewer cookies"}
	refuseFull = &refusal{status: http.StatusServiceUnavailable, code: codeForbidden, after: 5,
		message: "the server has no room for another session; try again later"}
	refuseStopping = &refusal{status: http.StatusServiceUnavailable, code: codeForbidden, after: 1,
		message: "the server is shutting down; try again"}
)

// forbidden is the refusal of a handshake that the program does not allow. err may know a status by a method Status() int.
func forbidden(err error) *refusal {
	r := &refusal{status: http.StatusForbidden, code: codeForbidden, message: err.Error()}
	if knows, ok := errors.AsType[interface {
		error
		Status() int
	}](err); ok && knows.Status() >= 400 && knows.Status() <= 599 {
		r.status = knows.Status()
	}
	if r.message == "" {
		r.message = "Forbidden"
	}
	return r
}

// write answers a request with the refusal.
func (f *refusal) write(w http.ResponseWriter) {
	body, _ := json.Marshal(struct { // cannot fail: an integer and a string
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{f.code, f.message})
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if f.after > 0 {
		header.Set("Retry-After", strconv.Itoa(f.after))
	}
	w.WriteHeader(f.status)
	w.Write(body)
}
