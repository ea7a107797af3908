// The frame header (RFC 6455 §5.2): reading it, and writing frames.

package wire

import "encoding/binary"

// Sizes of RFC 6455 §5.2 and §5.5, in bytes.
const (
	MaxHeaderSize     = 14  // two bytes, a 64-bit length and a masking key
	MaxControlPayload = 125 // §5.5: a control frame uses the short length form only
)

// The bits of a header's first two bytes.
const (
	finBit    = 0x80
	rsv1Bit   = 0x40
	rsv2Bit   = 0x20
	rsv3Bit   = 0x10
	opBits    = 0x0F
	maskBit   = 0x80
	lenBits   = 0x7F
	length16  = 126 // a 16-bit length follows
	length64  = 127 // a 64-bit length follows
	maxLength = 1<<63 - 1
)

// Header is what stands before a frame's payload.
type Header struct {
	Fin    bool
	RSV1   bool // the message is compressed (RFC 7692 §6)
	RSV2   bool
	RSV3   bool
	Opcode Opcode
	Masked bool
	Key    uint32 // the masking key as its four bytes read little-endian; see [Mask]
	Length uint64 // bytes of payload
}

// ParseHeader reads the header at the start of b and returns its size. A size of 0 without an error means that b ends
// before the header does. The only errors are those of the length field (RFC 6455 §5.2): its top bit, and a form longer
// than the value needs; what a header means in its place is for a [Decoder] to judge.
func ParseHeader(b []byte) (Header, int, error) {
	if len(b) < 2 {
		return Header{}, 0, nil
	}
	h := headerBits(b[0], b[1])
	n := 2
	switch h.Length {
	case length16:
		if len(b) < 4 {
			return Header{}, 0, nil
		}
		h.Length = uint64(binary.BigEndian.Uint16(b[2:]))
		if h.Length < length16 {
			return Header{}, 0, errLongForm(h.Length)
		}
		n = 4
	case length64:
		if len(b) < 10 {
			return Header{}, 0, nil
		}
		h.Length = binary.BigEndian.Uint64(b[2:])
		if h.Length > maxLength {
			return Header{}, 0, errTopBit
		}
		if h.Length <= 0xFFFF {
			return Header{}, 0, errLongForm(h.Length)
		}
		n = 10
	}
	if h.Masked {
		if len(b) < n+4 {
			return Header{}, 0, nil
		}
		h.Key = binary.LittleEndian.Uint32(b[n:])
		n += 4
	}
	return h, n, nil
}

var errTopBit = violation("frame length has its top bit set")

func errLongForm(length uint64) *Error {
	return violation("frame length %d is not written in its shortest form", length)
}

// headerBits takes a header's first two bytes apart. Length is still the 7-bit field: a length, or the form of one.
func headerBits(first, second byte) Header {
	return Header{
		Fin:    first&finBit != 0,
		RSV1:   first&rsv1Bit != 0,
		RSV2:   first&rsv2Bit != 0,
		RSV3:   first&rsv3Bit != 0,
		Opcode: Opcode(first & opBits),
		Masked: second&maskBit != 0,
		Length: uint64(second & lenBits),
	}
}

// Size is the number of bytes that AppendHeader writes for h.
func (h Header) Size() int {
	n := 2
	switch {
	case h.Length > 0xFFFF:
		n = 10
	case h.Length >= length16:
		n = 4
	}
	if h.Masked {
		n += 4
	}
	return n
}

// AppendHeader appends h to dst, its length in the shortest form as RFC 6455 §5.2 demands.
func AppendHeader(dst []byte, h Header) []byte {
	first, second := byte(h.Opcode), byte(0)
	if h.Fin {
		first |= finBit
	}
	if h.RSV1 {
		first |= rsv1Bit
	}
	if h.RSV2 {
		first |= rsv2Bit
	}
	if h.RSV3 {
		first |= rsv3Bit
	}
	if h.Masked {
		second = maskBit
	}
	switch {
	case h.Length < length16:
		dst = append(dst, first, second|byte(h.Length))
	case h.Length <= 0xFFFF:
		dst = append(dst, first, second|length16)
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.Length))
	default:
		dst = append(dst, first, second|length64)
		dst = binary.BigEndian.AppendUint64(dst, h.Length)
	}
	if h.Masked {
		dst = binary.LittleEndian.AppendUint32(dst, h.Key)
	}
	return dst
}

// AppendFrame appends a whole frame to dst: h, with its Length set to the payload's, and the payload, masked with h.Key
// if h.Masked. The payload itself is only read.
func AppendFrame(dst []byte, h Header, payload []byte) []byte {
	h.Length = uint64(len(payload))
	dst = AppendHeader(dst, h)
	start := len(dst)
	dst = append(dst, payload...)
	if h.Masked {
		Mask(dst[start:], h.Key)
	}
	return dst
}

// AppendControl appends a Ping or Pong frame as role sends it. A payload past [MaxControlPayload] is cut.
func AppendControl(dst []byte, role Role, op Opcode, payload []byte) []byte {
	h := Header{Fin: true, Opcode: op}
	if role == Client {
		h.Masked, h.Key = true, NewMaskKey()
	}
	return AppendFrame(dst, h, payload[:min(len(payload), MaxControlPayload)])
}
