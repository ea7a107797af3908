package frames

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestServerFramesReadBackAsTheyWereWritten(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 0xffff, 0x10000} {
		payload := Payload(size)
		frame := Server(nil, Header{Fin: true, RSV1: size%2 == 0, Opcode: OpBinary}, payload)
		h, n := ParseServer(frame)
		want := Header{Fin: true, RSV1: size%2 == 0, Opcode: OpBinary, Length: size}
		if h != want || !bytes.Equal(frame[n:], payload) {
			t.Errorf("%d bytes: read %+v behind %d header bytes, want %+v", size, h, n, want)
		}
		for cut := range n {
			if _, got := ParseServer(frame[:cut]); got != 0 {
				t.Errorf("%d bytes: a header cut to %d bytes was taken for whole", size, cut)
			}
		}
	}
}

// The bytes of RFC 6455 section 5.7, "A single-frame masked text message".
func TestClientFrameIsTheOneOfTheRFC(t *testing.T) {
	got := Client(nil, Header{Fin: true, Opcode: OpText}, [4]byte{0x37, 0xfa, 0x21, 0x3d}, []byte("Hello"))
	want := []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}
	if !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

func TestDocumentsAreDifferentJSONOfTheSizeAskedFor(t *testing.T) {
	seen := map[string]bool{}
	for _, doc := range Documents(64, 1024) {
		if len(doc) != 1024 || !json.Valid(doc) || seen[string(doc)] {
			t.Fatalf("%d bytes, valid %v, seen before %v: %s", len(doc), json.Valid(doc), seen[string(doc)], doc)
		}
		seen[string(doc)] = true
	}
}
