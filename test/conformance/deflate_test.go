// The tester's own codec, held against the standard library's.

package conformance

import (
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"testing"
)

const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

func TestTheCodecAgreesWithTheStandardLibrary(t *testing.T) {
	messages := [][]byte{nil, []byte("x"), []byte(words(1000)), noise(3000), []byte(words(40_000)), []byte(strings.Repeat("a", 70_000)), []byte(words(500))}
	for bits := 8; bits <= 15; bits++ {
		for _, takeover := range []bool{false, true} {
			for how := fixed; how <= blocks; how++ {
				d := deflater{window: 1 << bits, takeover: takeover}
				f := inflater{window: 1 << bits, takeover: takeover}
				for i, m := range messages {
					dict := bytes.Clone(d.past)
					packed := d.message(m, how)
					got, err := f.message(packed)
					if err != nil || !bytes.Equal(got, m) {
						t.Fatalf("%d bits, takeover %v, packing %d, message %d: %v", bits, takeover, how, i, err)
					}
					if how == final { // the standard library stops behind a final block
						continue
					}
					got, err = io.ReadAll(flate.NewReaderDict(strings.NewReader(string(packed)+tail), dict))
					if err != nil || !bytes.Equal(got, m) {
						t.Fatalf("%d bits, takeover %v, packing %d, message %d: the standard library says %v", bits, takeover, how, i, err)
					}
				}
			}
		}
	}
}

func TestTheWindowIsUsedToItsEdge(t *testing.T) {
	d := deflater{window: 256, takeover: true}
	first, second := noise(256), noise(257)
	d.message(first, fixed)
	if n := len(d.message(first, fixed)); n > 20 {
		t.Errorf("a repeated message as long as the window takes %d bytes", n)
	}
	d.message(second, fixed)
	if n := len(d.message(second, fixed)); n < 250 {
		t.Errorf("a repeated message longer than the window takes %d bytes: it refers beyond", n)
	}
}

func TestAReferenceBeyondTheWindowIsNoticed(t *testing.T) {
	d := deflater{window: 1 << 15}
	packed := d.message(append(noise(5000), noise(5000)...), fixed)
	if _, err := (&inflater{window: 1 << 15}).message(packed); err != nil {
		t.Errorf("within the window: %v", err)
	}
	if _, err := (&inflater{window: 4096}).message(packed); err == nil {
		t.Error("5000 bytes back with a window of 4096: no error")
	}
}
