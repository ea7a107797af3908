// What can be wrong with a packet.

package packet

import "fmt"

// Violation is one way in which a peer may break the protocol.
type Violation string

// The violations.
const (
	Empty            Violation = "the packet is empty"
	UnknownType      Violation = "there is no such type of packet"
	BadCount         Violation = "the number of attachments is missing or not a number followed by \"-\""
	TooManyAttached  Violation = "the packet has more attachments than are taken"
	LongNamespace    Violation = "the namespace is longer than namespaces may be"
	BadNamespace     Violation = "the namespace is not valid UTF-8"
	BadID            Violation = "the acknowledgement id is larger than ids may be"
	BadJSON          Violation = "the payload is not JSON"
	TooDeep          Violation = "the payload is nested more deeply than is taken"
	NoEventName      Violation = "an event is no array whose first element is its name"
	ReservedName     Violation = "the event's name is reserved"
	BadAck           Violation = "an acknowledgement is no array"
	BadConnect       Violation = "the payload of CONNECT is no object"
	BadConnectError  Violation = "the payload of CONNECT_ERROR is neither an object nor a string"
	BadDisconnect    Violation = "DISCONNECT has a payload"
	BadPlaceholder   Violation = "a placeholder names none of the attachments, or one that another names"
	TextDuring       Violation = "text came while attachments were due"
	UnexpectedBinary Violation = "binary came while no attachment was due; if the client uses another parser (such as msgpack), give it the default one"
	LargeAttachments Violation = "the attachments of one packet are larger than is taken"
	NotUTF8          Violation = "the payload is not valid UTF-8"
)

// Error tells which violation it was, and what was refused.
type Error struct {
	Violation Violation
	Value     string // the beginning of it, or ""
}

func (e *Error) Error() string {
	if e.Value == "" {
		return string(e.Violation)
	}
	return fmt.Sprintf("%s: %.60q", string(e.Violation), e.Value)
}

func refuse(v Violation, value []byte) error {
	return &Error{v, string(value[:min(len(value), 64)])}
}
