// Opcodes: what a frame carries (RFC 6455 §5.2).

package wire

import "strconv"

// Opcode says what a frame carries (RFC 6455 §5.2).
type Opcode uint8

// The opcodes of RFC 6455 §5.2. All others are reserved, and a Decoder refuses them.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// Control reports whether o is a control opcode (RFC 6455 §5.5): a short frame, never fragmented, that may stand
// between the fragments of a message.
func (o Opcode) Control() bool { return o&0x8 != 0 }

// Known reports whether RFC 6455 defines o.
func (o Opcode) Known() bool { return o <= Binary || o >= Close && o <= Pong }

func (o Opcode) String() string {
	switch o {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return "opcode " + strconv.Itoa(int(o))
}

// Role is the side of the connection on which the protocol is spoken. It decides who masks (RFC 6455 §5.1): a client
// masks all that it sends, a server nothing.
type Role uint8

// The two roles.
const (
	Server Role = iota
	Client
)

func (r Role) String() string {
	if r == Client {
		return "client"
	}
	return "server"
}
