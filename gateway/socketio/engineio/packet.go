// Packets on the wire: a digit and what follows, alone in a WebSocket message or joined by separators in a polling payload.

package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"
)

// The types of packets. Binary messages have no digit: over a WebSocket they are binary frames, in a polling payload they begin with
// typeBinary and are in base64.
const (
	typeOpen    = '0'
	typeClose   = '1'
	typePing    = '2'
	typePong    = '3'
	typeMessage = '4'
	typeUpgrade = '5'
	typeNoop    = '6'
	typeBinary  = 'b'
)

// separator stands between the packets of a polling payload.
const separator = 0x1e

// errParse is what every error of a packet that cannot be understood, or that a client may not send, wraps.
var errParse = errors.New("engineio: parse error")

// parseText parses a packet that came as text. The data is part of b.
func parseText(b []byte) (kind byte, data []byte, err error) {
	if len(b) == 0 {
		return 0, nil, fmt.Errorf("%w: an empty packet", errParse)
	}
	if b[0] < typeOpen || b[0] > typeNoop {
		return 0, nil, fmt.Errorf("%w: unknown packet type %q", errParse, b[0])
	}
	return b[0], b[1:], nil
}

// nextPacket takes the first packet from a polling payload that is valid UTF-8. A binary one is decoded into buf, which is returned,
// grown if need be. more says whether there is another in rest: a payload that ends with a separator has an empty packet at its end.
func nextPacket(payload, buf []byte) (kind byte, data, rest, grown []byte, more bool, err error) {
	packet := payload
	if end := bytes.IndexByte(payload, separator); end >= 0 {
		packet, rest, more = payload[:end], payload[end+1:], true
	}
	if len(packet) == 0 || packet[0] != typeBinary {
		kind, data, err = parseText(packet)
		return kind, data, rest, buf, more, err
	}
	if bytes.ContainsAny(packet, "\r\n") { // which the decoder would skip
		return 0, nil, nil, buf, false, fmt.Errorf("%w: broken base64: a line break", errParse)
	}
	buf, err = base64.StdEncoding.AppendDecode(buf[:0], packet[1:])
	if err != nil {
		return 0, nil, nil, buf, false, fmt.Errorf("%w: broken base64: %v", errParse, err)
	}
	return typeBinary, buf, rest, buf, more, nil
}

// checkText refuses a polling payload that is not UTF-8. A WebSocket has checked its messages already.
func checkText(payload []byte) error {
	if !utf8.Valid(payload) {
		return fmt.Errorf("%w: a payload that is not UTF-8", errParse)
	}
	return nil
}

// outgoing is a packet that waits for a GET: a message that many sessions share, or bytes of the session's own.
type outgoing struct {
	shared *Message
	bytes  []byte // with the digit, or the payload of a binary message
	binary bool
}

// cost is what a packet counts of the bound on what may wait: no less than it would in the outbox of a WebSocket, so that what waits can
// always be handed over.
func (o *outgoing) cost() int {
	if o.shared != nil {
		return o.shared.Len() + o.shared.packets()*perPacket
	}
	return len(o.bytes) + perPacket
}

// perPacket is what a packet is charged beside its bytes: its place in the queue, and the header of its frame.
const perPacket = 80

// append adds the packet to a polling payload.
func (o *outgoing) append(payload []byte) []byte {
	if len(payload) > 0 {
		payload = append(payload, separator)
	}
	switch {
	case o.shared != nil:
		return append(payload, o.shared.polling()...)
	case o.binary:
		return appendBinary(payload, o.bytes)
	}
	return append(payload, o.bytes...)
}

func appendBinary(payload, b []byte) []byte {
	return base64.StdEncoding.AppendEncode(append(payload, typeBinary), b)
}
