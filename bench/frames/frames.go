// Package frames makes and reads the WebSocket bytes of the benchmarks (RFC 6455 section 5.2).
//
// It is deliberately not the codec of any library that is measured: the load generator prepares every frame with it
// before the clock starts, and the floor server answers with frames from it.
package frames

import "encoding/binary"

// Opcodes of the frames that the benchmarks send and expect.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xA
)

const (
	finBit  = 0x80
	rsv1Bit = 0x40
	maskBit = 0x80
)

// Header is the part of a frame before its payload.
type Header struct {
	Fin    bool
	RSV1   bool // the message is compressed (RFC 7692 section 6)
	Opcode byte
	Length int
}

// Client appends a whole masked frame, as a client must send it, to dst.
func Client(dst []byte, h Header, key [4]byte, payload []byte) []byte {
	h.Length = len(payload)
	start := len(dst)
	dst = appendHeader(dst, h)
	dst[start+1] |= maskBit
	dst = append(dst, key[:]...)
	for i, b := range payload {
		dst = append(dst, b^key[i%4])
	}
	return dst
}

// Server appends a whole unmasked frame, as a server must send it, to dst.
func Server(dst []byte, h Header, payload []byte) []byte {
	h.Length = len(payload)
	return append(appendHeader(dst, h), payload...)
}

func appendHeader(dst []byte, h Header) []byte {
	first := h.Opcode
	if h.Fin {
		first |= finBit
	}
	if h.RSV1 {
		first |= rsv1Bit
	}
	switch {
	case h.Length <= 125:
		return append(dst, first, byte(h.Length))
	case h.Length <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(h.Length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, first, 127), uint64(h.Length))
	}
}

// ParseServer reads the header of an unmasked frame at the start of b and returns it with its size in bytes, which is
// zero when b does not hold all of it yet.
func ParseServer(b []byte) (h Header, size int) {
	if len(b) < 2 {
		return h, 0
	}
	h = Header{Fin: b[0]&finBit != 0, RSV1: b[0]&rsv1Bit != 0, Opcode: b[0] & 0x0f, Length: int(b[1] &^ maskBit)}
	switch h.Length {
	case 126:
		if len(b) < 4 {
			return h, 0
		}
		h.Length = int(binary.BigEndian.Uint16(b[2:]))
		return h, 4
	case 127:
		if len(b) < 10 {
			return h, 0
		}
		h.Length = int(binary.BigEndian.Uint64(b[2:]))
		return h, 10
	}
	return h, 2
}
