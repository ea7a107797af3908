// Masking (RFC 6455 §5.3): a payload XORed with four bytes, repeated.

package wire

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// NewMaskKey returns a masking key for one frame. It comes from the runtime's ChaCha8 generator, seeded by the operating
// system: the application that supplies the payload cannot predict it, which is what RFC 6455 §10.3 asks.
func NewMaskKey() uint32 { return rand.Uint32() }

// Mask XORs b with key in place, which both masks and unmasks. It returns the key turned to where b ended, to go on with
// the bytes that follow in the same frame.
func Mask(b []byte, key uint32) uint32 {
	turned := bits.RotateLeft32(key, -8*(len(b)&3))
	wide := uint64(key)<<32 | uint64(key)
	for len(b) >= 64 { // eight words a turn: the loop's own cost vanishes behind the memory's
		p := (*[64]byte)(b)
		le.PutUint64(p[0:], le.Uint64(p[0:])^wide)
		le.PutUint64(p[8:], le.Uint64(p[8:])^wide)
		le.PutUint64(p[16:], le.Uint64(p[16:])^wide)
		le.PutUint64(p[24:], le.Uint64(p[24:])^wide)
		le.PutUint64(p[32:], le.Uint64(p[32:])^wide)
		le.PutUint64(p[40:], le.Uint64(p[40:])^wide)
		le.PutUint64(p[48:], le.Uint64(p[48:])^wide)
		le.PutUint64(p[56:], le.Uint64(p[56:])^wide)
		b = b[64:]
	}
	for len(b) >= 8 {
		le.PutUint64(b, le.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(wide >> (8 * i))
	}
	return turned
}

var le = binary.LittleEndian
