// Watching what passes between a session and its client, for those who look after a node.

package hub

// Frame is something that passes between a node and a client, as it is on the wire.
type Frame struct {
	Sent bool // by the node; otherwise by the client
	// Opcode is that of a WebSocket's frame ("text", "binary", "continuation", "ping", "pong", "close"), or "event" for an event of an event stream,
	// and "poll" for the body of a request or an answer of a client that polls; these have Fin and neither RSV1 nor Masked.
	Opcode            string
	Fin, RSV1, Masked bool
	Wire              int64  // bytes on the line, with the header of a frame
	Size              int64  // bytes of the payload, unmasked and inflated; -1 if that is not known of a part of a compressed message
	Payload           []byte // the first of these; of a Close frame the code in two bytes and the reason
}

// Tapper is what a [Receiver] may be, too, whose connection can be watched.
type Tapper interface {
	// Tap has f called with whatever passes until stop is called. f is called one call at a time, by the goroutines that read and write, and must
	// neither wait nor use the session; the payload is lent. ok is false if there is no connection yet.
	Tap(f func(Frame)) (stop func(), ok bool)
}

// Tap has f called with whatever passes between the session and its client, as [Tapper] has it. ok is false if its connection cannot be watched,
// or not yet.
func (s *Session) Tap(f func(Frame)) (stop func(), ok bool) {
	if t, taps := s.receiver.(Tapper); taps {
		return t.Tap(f)
	}
	return nil, false
}
