// A frame as those see it who watch a connection.

package wire

// Frame is a frame that passes on a connection, as a tap sees it.
type Frame struct {
	Sent   bool // by this side; otherwise it came from the peer
	Opcode Opcode
	Fin    bool // the last frame of its message
	RSV1   bool // the message that begins with it is compressed (RFC 7692 §6)
	Masked bool
	Wire   int64 // bytes on the line, beneath TLS: header and payload
	// Size is how many bytes the payload has, unmasked and inflated. A compressed message can be read as a whole only: the frame that
	// ends it has the size of all of it, and those before it have -1, for it is not known. It is not known either of compressed
	// messages that this side reads or writes as a stream.
	Size int64
	// Payload is the first bytes of what Size counts; of a Close frame, the code in two bytes and the reason. It is lent.
	Payload []byte
}

// Begun tells what of a frame has come that is not whole yet: a part of its header, which is lent, or all of the header, with so many bytes of
// payload still to come. over says that there are no more frames: a Close frame has come, or a violation.
func (d *Decoder) Begun() (header []byte, left uint64, over bool) {
	if !d.inFrame {
		return d.cutHeader[:d.cutLen], 0, d.closed || d.err != nil
	}
	return nil, d.left, false
}
