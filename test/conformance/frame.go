// Frames made by hand, right ones and wrong ones.

package conformance

import (
	"encoding/binary"
	"math/rand/v2"
)

// The opcodes of RFC 6455 §5.2.
const (
	opCont   = 0x0
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

// frame is a frame to send. Whether it is masked goes by the tester's side.
type frame struct {
	op       byte
	payload  []byte
	open     bool  // FIN is not set
	rsv      byte  // the reserved bits: 4 is RSV1, 2 RSV2, 1 RSV3
	announce int64 // the length that the header claims, if positive: the payload is only the beginning
	form     int   // bytes of the length field (2 or 8), if it is to be longer than it needs
	misMask  bool  // masked by a server, not masked by a client
}

func text(s string) frame         { return frame{op: opText, payload: []byte(s)} }
func bin(b []byte) frame          { return frame{op: opBinary, payload: b} }
func cont(s string) frame         { return frame{op: opCont, payload: []byte(s)} }
func ping(s string) frame         { return frame{op: opPing, payload: []byte(s)} }
func pong(s string) frame         { return frame{op: opPong, payload: []byte(s)} }
func raw(op byte, s string) frame { return frame{op: op, payload: []byte(s)} }

// closing is a Close frame; with the code 0, one without a payload.
func closing(code int, reason string) frame {
	if code == 0 {
		return frame{op: opClose}
	}
	return frame{op: opClose, payload: append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)}
}

func (f frame) more() frame            { f.open = true; return f }
func (f frame) bits(rsv byte) frame    { f.rsv = rsv; return f }
func (f frame) claims(n int64) frame   { f.announce = n; return f }
func (f frame) length(bytes int) frame { f.form = bytes; return f }
func (f frame) masksWrongly() frame    { f.misMask = true; return f }

// fragmented is f cut into a message of frames of at most size bytes.
func fragmented(f frame, size int) []frame {
	var frames []frame
	for rest := f.payload; ; {
		piece := f
		piece.payload = rest[:min(size, len(rest))]
		rest = rest[len(piece.payload):]
		piece.open = len(rest) > 0
		frames = append(frames, piece)
		if len(rest) == 0 {
			return frames
		}
		f.op, f.rsv = opCont, 0
	}
}

// encode appends f as a client (masked) or a server sends it.
func (f frame) encode(dst []byte, masked bool) []byte {
	first := f.op | f.rsv<<4
	if !f.open {
		first |= 0x80
	}
	if f.misMask {
		masked = !masked
	}
	second := byte(0)
	if masked {
		second = 0x80
	}
	length := uint64(len(f.payload))
	if f.announce != 0 {
		length = uint64(f.announce)
	}
	switch {
	case length <= 125 && f.form == 0:
		dst = append(dst, first, second|byte(length))
	case length <= 0xFFFF && f.form <= 2:
		dst = binary.BigEndian.AppendUint16(append(dst, first, second|126), uint16(length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, second|127), length)
	}
	if !masked {
		return append(dst, f.payload...)
	}
	key := [4]byte{byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32())}
	dst = append(append(dst, key[:]...), f.payload...)
	mask(dst[len(dst)-len(f.payload):], key)
	return dst
}

// mask masks p, or takes its mask off. The race detector does not look at each byte: p is its caller's.
//
//go:norace
func mask(p []byte, key [4]byte) {
	for i := range p {
		p[i] ^= key[i&3]
	}
}
