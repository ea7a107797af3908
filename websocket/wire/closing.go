// The closing handshake (RFC 6455 §7) as a state machine.

package wire

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// State is where a connection stands in the closing handshake.
type State uint8

// The states. A connection begins in StateOpen and moves only as the table in [Closing] says.
const (
	StateOpen          State = iota // neither side has sent a Close frame
	StateCloseSent                  // we have; the peer may still be sending messages
	StateCloseReceived              // the peer has; we owe the answer
	StateClosed                     // both have, or the line is gone: nothing may be sent
)

func (s State) String() string {
	return [...]string{"open", "close sent", "close received", "closed"}[s&3]
}

// Closing is the closing handshake of one connection. Its zero value is an open connection.
//
//	state            Send             Receive           Drop
//	open             close sent       close received    closed
//	close sent       —                closed            closed
//	close received   closed           —                 closed
//	closed           —                —                 closed
//
// A dash is refused: one side sends one Close frame, and nothing after it (RFC 6455 §5.5.1).
type Closing struct{ state State }

// State is the present state.
func (c *Closing) State() State { return c.state }

// MaySend reports whether data may still be sent: only while neither side has closed. After the peer's Close frame
// nobody reads on the other side.
func (c *Closing) MaySend() bool { return c.state == StateOpen }

// Send records that our Close frame goes out. It reports false, and changes nothing, if we have sent one or the line is
// gone; then none may be sent.
func (c *Closing) Send() bool {
	switch c.state {
	case StateOpen:
		c.state = StateCloseSent
	case StateCloseReceived:
		c.state = StateClosed
	default:
		return false
	}
	return true
}

// Receive records the peer's Close frame. It reports whether we owe the answer, a Close frame of our own.
func (c *Closing) Receive() (owed bool) {
	switch c.state {
	case StateOpen:
		c.state = StateCloseReceived
		return true
	case StateCloseSent:
		c.state = StateClosed
	}
	return false
}

// Drop records that the line is gone, whatever was said before.
func (c *Closing) Drop() { c.state = StateClosed }

// maxReason is the longest reason of a Close frame in bytes: a control payload less the two bytes of the code.
const maxReason = MaxControlPayload - 2

// AppendClose appends a Close frame as role sends it. With [StatusNoStatus] the frame carries neither code nor reason.
// A reason past 123 bytes is cut at the end of a character, and bytes in it that are not UTF-8 are replaced. A code
// that may not travel is an error, and dst is returned as it was.
func AppendClose(dst []byte, role Role, code StatusCode, reason string) ([]byte, error) {
	var payload [MaxControlPayload]byte
	n := 0
	if code != StatusNoStatus {
		if !code.Sendable() {
			return dst, fmt.Errorf("close code %d may not be sent: use 1000-1003, 1007-1014 or 3000-4999", int(code))
		}
		binary.BigEndian.PutUint16(payload[:], uint16(code))
		n = 2 + copy(payload[2:], CutReason(reason))
	} else if reason != "" {
		return dst, fmt.Errorf("close reason %q needs a code to go with it", reason)
	}
	return AppendControl(dst, role, Close, payload[:n]), nil
}

// CutReason makes any text fit to be the reason of a Close frame: valid UTF-8 of at most 123 bytes.
func CutReason(reason string) string {
	if !utf8.ValidString(reason) {
		reason = string([]rune(reason)) // each bad byte becomes U+FFFD
	}
	if len(reason) <= maxReason {
		return reason
	}
	end := maxReason
	for !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}

// parseClose reads the payload of a Close frame (RFC 6455 §5.5.1, §7.4).
func parseClose(payload []byte) (StatusCode, []byte, *Error) {
	if len(payload) == 0 {
		return StatusNoStatus, nil, nil
	}
	if len(payload) == 1 {
		return 0, nil, violation("close frame has a payload of 1 byte: a code takes 2")
	}
	code := StatusCode(binary.BigEndian.Uint16(payload))
	if !code.Sendable() {
		return 0, nil, violation("close code %d may not be sent", int(code))
	}
	reason := payload[2:]
	if !utf8.Valid(reason) {
		return 0, nil, &Error{Code: StatusInvalidPayload, Reason: "close reason is not UTF-8"}
	}
	return code, reason, nil
}
