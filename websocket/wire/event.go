// What a Decoder tells of the bytes it was given.

package wire

// Kind says what an [Event] is.
type Kind uint8

// The kinds of event.
const (
	None     Kind = iota // nothing to tell yet: the input was used up, or it was an empty fragment
	Data                 // a piece of a data message
	PingIn               // a ping: answer with a pong of the same payload (RFC 6455 §5.5.2)
	PongIn               // a pong
	ClosedIn             // the peer's Close frame; whatever follows it is ignored
)

func (k Kind) String() string {
	return [...]string{"none", "data", "ping", "pong", "close", "", "", ""}[k&7]
}

// Event is what a [Decoder] made of some bytes.
type Event struct {
	Kind       Kind
	Opcode     Opcode     // of Data: Text or Binary, on every piece of the message
	First      bool       // of Data: the message's first piece
	Last       bool       // of Data: the message's last piece; First and Last together are a whole message
	Compressed bool       // of Data: the payload is DEFLATE, as RFC 7692 has it
	Code       StatusCode // of ClosedIn: the peer's code, or StatusNoStatus
	// Payload is the bytes of Data, PingIn and PongIn, and the reason of ClosedIn. It points into the input of the call
	// that returned it (or, for a control frame that came in pieces, into the Decoder) and is good until the next call
	// of Next or until the caller overwrites that input, whichever comes first.
	Payload []byte
}
