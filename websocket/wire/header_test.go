// Headers and masks: what is written can be read, and nothing else can.

package wire_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/websocket/wire"
)

// lengths are the payload lengths on both sides of every edge of the length field.
var lengths = []uint64{0, 1, 124, 125, 126, 127, 128, 0xFF, 0x100, 0xFFFE, 0xFFFF, 0x10000, 0x10001, 1 << 31, 1 << 32, 1<<63 - 1}

func TestHeaderComesBackAsItWasWritten(t *testing.T) {
	for _, length := range lengths {
		for bits := range 1 << 5 {
			for op := wire.Opcode(0); op < 16; op++ {
				h := wire.Header{
					Fin: bits&1 != 0, RSV1: bits&2 != 0, RSV2: bits&4 != 0, RSV3: bits&8 != 0,
					Opcode: op, Masked: bits&16 != 0, Length: length,
				}
				if h.Masked {
					h.Key = 0xA1B2C3D4
				}
				b := wire.AppendHeader([]byte("before"), h)[len("before"):]
				if len(b) != h.Size() || len(b) > wire.MaxHeaderSize {
					t.Fatalf("%+v: %d bytes written, Size says %d", h, len(b), h.Size())
				}
				for cut := range b {
					if _, n, err := wire.ParseHeader(b[:cut]); n != 0 || err != nil {
						t.Fatalf("% x cut after %d: size %d, error %v", b, cut, n, err)
					}
				}
				got, n, err := wire.ParseHeader(append(b, "payload"...))
				if err != nil || n != len(b) || got != h {
					t.Fatalf("% x: got %+v, size %d, error %v; want %+v", b, got, n, err, h)
				}
			}
		}
	}
}

// The bytes are those of RFC 6455 §5.2 and of its examples in §5.7, so that the round trip does not agree with itself only.
func TestHeaderBytes(t *testing.T) {
	tests := []struct {
		name string
		h    wire.Header
		want string
	}{
		{"single-frame unmasked text", wire.Header{Fin: true, Opcode: wire.Text, Length: 5}, "81 05"},
		{"single-frame masked text", wire.Header{Fin: true, Opcode: wire.Text, Masked: true, Key: 0x3d21fa37, Length: 5}, "81 85 37 fa 21 3d"},
		{"first fragment", wire.Header{Opcode: wire.Text, Length: 3}, "01 03"},
		{"last fragment", wire.Header{Fin: true, Length: 2}, "80 02"},
		{"ping", wire.Header{Fin: true, Opcode: wire.Ping, Length: 5}, "89 05"},
		{"256 bytes", wire.Header{Fin: true, Opcode: wire.Binary, Length: 256}, "82 7e 01 00"},
		{"64 KiB", wire.Header{Fin: true, Opcode: wire.Binary, Length: 65536}, "82 7f 00 00 00 00 00 01 00 00"},
		{"reserved bits", wire.Header{RSV1: true, RSV2: true, RSV3: true, Opcode: 0xF}, "7f 00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := fmt.Sprintf("% x", wire.AppendHeader(nil, tt.h)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestParseHeaderRefusals(t *testing.T) {
	tests := []struct {
		name   string
		header []byte
		want   string
	}{
		{"top bit", []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, "top bit"},
		{"all bits", []byte{0x82, 127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, "top bit"},
		{"zero in 16 bits", []byte{0x82, 126, 0, 0}, "frame length 0 "},
		{"125 in 16 bits", []byte{0x82, 126, 0, 125}, "frame length 125 "},
		{"zero in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0}, "frame length 0 "},
		{"125 in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 125}, "frame length 125 "},
		{"65535 in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, "frame length 65535 "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, n, err := wire.ParseHeader(tt.header)
			violation, ok := err.(*wire.Error)
			if n != 0 || !ok || violation.Code != wire.StatusProtocolError || !strings.Contains(violation.Reason, tt.want) {
				t.Errorf("size %d, error %v; want 1002 with %q", n, err, tt.want)
			}
			if masked := append([]byte(nil), tt.header...); true {
				masked[1] |= 0x80 // the key need not have come for the length to be refused
				if _, _, err := wire.ParseHeader(masked); err == nil {
					t.Error("accepted once the mask bit is set")
				}
			}
		})
	}
}

func FuzzHeader(f *testing.F) {
	for _, length := range lengths {
		for _, masked := range []bool{false, true} {
			f.Add(wire.AppendHeader(nil, wire.Header{Fin: true, Opcode: wire.Binary, Masked: masked, Key: 0x01020304, Length: length}))
		}
	}
	f.Add([]byte{0x82, 126, 0, 125})
	f.Add([]byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := wire.ParseHeader(b)
		if n > len(b) || n > wire.MaxHeaderSize || n != 0 && err != nil || n == 1 {
			t.Fatalf("size %d of %d bytes, error %v", n, len(b), err)
		}
		if n == 0 {
			return
		}
		if h.Length > 1<<63-1 {
			t.Fatalf("length %d", h.Length)
		}
		if again := wire.AppendHeader(nil, h); !bytes.Equal(again, b[:n]) {
			t.Fatalf("% x was read as %+v, which is written % x", b[:n], h, again)
		}
	})
}

// naiveMask is RFC 6455 §5.3 word for word.
func naiveMask(b []byte, key [4]byte) {
	for i := range b {
		b[i] ^= key[i%4]
	}
}

func TestMaskEqualsTheNaiveLoop(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	back := make([]byte, 320)
	for i := range back {
		back[i] = byte(r.Uint32())
	}
	for length := range 301 {
		for offset := range 9 { // of the first byte in memory
			for turn := range 4 { // the key as earlier bytes of the frame have left it
				want := bytes.Clone(back)
				turned := [4]byte{key[turn], key[(turn+1)%4], key[(turn+2)%4], key[(turn+3)%4]}
				naiveMask(want[offset:offset+length], turned)

				got := bytes.Clone(back)
				next := wire.Mask(got[offset:offset+length], binary.LittleEndian.Uint32(turned[:]))
				if !bytes.Equal(got, want) {
					t.Fatalf("length %d, offset %d, key turned by %d: wrong", length, offset, turn)
				}
				end := (turn + length) % 4
				if want := binary.LittleEndian.Uint32([]byte{key[end], key[(end+1)%4], key[(end+2)%4], key[(end+3)%4]}); next != want {
					t.Fatalf("length %d, key turned by %d: next key %08x, want %08x", length, turn, next, want)
				}
			}
		}
	}
}

func TestMaskInPiecesIsMaskInOne(t *testing.T) {
	whole := []byte(strings.Repeat("any cut of it ", 12))
	want := bytes.Clone(whole)
	wire.Mask(want, 0xDEADBEEF)
	for first := range whole {
		for second := first; second <= len(whole); second += 7 {
			got := bytes.Clone(whole)
			key := wire.Mask(got[:first], 0xDEADBEEF)
			key = wire.Mask(got[first:second], key)
			wire.Mask(got[second:], key)
			if !bytes.Equal(got, want) {
				t.Fatalf("cut at %d and %d: wrong", first, second)
			}
		}
	}
}

func TestMaskKeysDiffer(t *testing.T) {
	seen := make(map[uint32]bool)
	for range 1000 {
		seen[wire.NewMaskKey()] = true
	}
	if len(seen) < 990 {
		t.Errorf("%d different keys of 1000", len(seen))
	}
}

func TestAppendFrameLeavesThePayloadAlone(t *testing.T) {
	payload := []byte("Hello")
	frame := wire.AppendFrame([]byte("x"), wire.Header{Fin: true, Opcode: wire.Text, Masked: true, Key: 0x3d21fa37, Length: 99}, payload)
	// RFC 6455 §5.7
	if got, want := fmt.Sprintf("% x", frame), "78 81 85 37 fa 21 3d 7f 9f 4d 51 58"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if string(payload) != "Hello" {
		t.Errorf("payload is now %q", payload)
	}
}

func TestAppendControlCutsItsPayload(t *testing.T) {
	for _, role := range []wire.Role{wire.Server, wire.Client} {
		for _, size := range []int{0, 1, 125, 126, 1000} {
			frame := wire.AppendControl(nil, role, wire.Ping, make([]byte, size))
			h, n, err := wire.ParseHeader(frame)
			if err != nil || !h.Fin || h.Opcode != wire.Ping || h.Masked != (role == wire.Client) ||
				int(h.Length) != min(size, 125) || len(frame) != n+int(h.Length) {
				t.Errorf("%s, %d bytes: header %+v, frame of %d bytes, error %v", role, size, h, len(frame), err)
			}
		}
	}
}
