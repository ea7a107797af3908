package deflate_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ringdown/ringdown/websocket/internal/deflate"
)

var unbounded = deflate.Bounds{Size: -1}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// text is n bytes of something like JSON: repetitive near and far.
func text(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"user":"u%d","body":"%x","ok":%v}`, r.IntN(1000), r.IntN(20), r.Uint64(), r.IntN(2) == 0)
	}
	return b.Bytes()[:n]
}

// noise doesn't compress.
func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// conversation is a sequence of messages of all kinds and of sizes around every edge.
func conversation(r *rand.Rand) [][]byte {
	var list [][]byte
	for range 12 {
		list = append(list, text(r, r.IntN(2000)), text(r, r.IntN(200)))
	}
	list = append(list, nil, []byte("x"), noise(r, 700), text(r, 40_000), text(r, 300), noise(r, 70_000), text(r, 90_000),
		nil, bytes.Repeat([]byte("ab"), 20_000), list[0], list[1])
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// The examples of RFC 7692 §7.2.3.
func TestInflatesTheExamplesOfTheRFC(t *testing.T) {
	tests := []struct {
		name       string
		takeover   bool
		compressed []string
		want       []string
	}{
		{"one block (7.2.3.1)", false, []string{"f2 48 cd c9 c9 07 00"}, []string{"Hello"}},
		{"shared window (7.2.3.2)", true, []string{"f2 48 cd c9 c9 07 00", "f2 00 11 00 00"}, []string{"Hello", "Hello"}},
		{"window not shared (7.2.3.2)", true, []string{"f2 48 cd c9 c9 07 00", "f2 48 cd c9 c9 07 00"}, []string{"Hello", "Hello"}},
		{"stored block (7.2.3.3)", false, []string{"00 05 00 fa ff 48 65 6c 6c 6f 00"}, []string{"Hello"}},
		{"final block (7.2.3.4)", false, []string{"f3 48 cd c9 c9 07 00 00"}, []string{"Hello"}},
		{"two blocks (7.2.3.5)", false, []string{"f2 48 05 00 00 00 ff ff ca c9 c9 07 00"}, []string{"Hello"}},
		{"empty message (7.2.3.6)", false, []string{"00"}, []string{""}},

		// Beyond the examples: what follows from a final block.
		{"shared window after a final block", true, []string{"f3 48 cd c9 c9 07 00 00", "f2 00 11 00 00"}, []string{"Hello", "Hello"}},
		{"back-reference across a final block", false, []string{"f3 48 cd c9 c9 07 00  f2 00 11 00 00"}, []string{"HelloHello"}},
		{"back-reference across two messages", true, []string{"f2 48 cd c9 c9 07 00", "f3 00 11 00  f2 00 11 00 00"}, []string{"Hello", "HelloHello"}},
		{"final block without the empty one", false, []string{"f3 48 cd c9 c9 07 00"}, []string{"Hello"}},
		{"final empty stored block", false, []string{"f2 48 05 00 00 00 ff ff ca c9 c9 07 00 00 00 ff ff 01"}, []string{"Hello"}},
		{"three streams", true, []string{"f3 48 cd c9 c9 07 00  03 00  f3 48 cd c9 c9 07 00 00", "f2 00 11 00 00"}, []string{"HelloHello", "Hello"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			whole, arriving := deflate.NewInflator(tt.takeover, 15), deflate.NewInflator(tt.takeover, 15)
			for i, s := range tt.compressed {
				got, err := whole.Append(nil, unhex(t, s), unbounded)
				if err != nil || string(got) != tt.want[i] {
					t.Errorf("message %d at once: got %q, %v; want %q", i, got, err, tt.want[i])
				}
				got, err = io.ReadAll(arriving.Reader(iotest.OneByteReader(bytes.NewReader(unhex(t, s))), unbounded))
				if err != nil || string(got) != tt.want[i] {
					t.Errorf("message %d byte by byte: got %q, %v; want %q", i, got, err, tt.want[i])
				}
			}
		})
	}
}

func TestEmptyMessageIsOneZeroByte(t *testing.T) {
	d := deflate.NewDeflator(true, 15, 1)
	for range 2 {
		if got := d.Append(nil, nil); !bytes.Equal(got, []byte{0}) {
			t.Errorf("got % x, want 00", got)
		}
	}
}

// Every window and both takeover modes, over long conversations sent and received in all ways: whole, streamed, and
// compressed once for many.
func TestConversationsSurviveEveryWindow(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		for _, takeover := range []bool{false, true} {
			t.Run(fmt.Sprintf("bits=%d,takeover=%v", bits, takeover), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(bits), 1))
				d := deflate.NewDeflator(takeover, bits, 1)
				whole, arriving := deflate.NewInflator(takeover, bits), deflate.NewInflator(takeover, bits)
				judge := &referee{}
				for i, m := range conversation(r) {
					compressed := send(t, r, d, m, bits)
					prefix := []byte("prefix")
					got, err := whole.Append(prefix, compressed, unbounded)
					if err != nil || !bytes.Equal(got[len(prefix):], m) {
						t.Fatalf("message %d of %d bytes, whole: %v", i, len(m), err)
					}
					got, err = io.ReadAll(iotest.HalfReader(arriving.Reader(iotest.HalfReader(bytes.NewReader(compressed)), unbounded)))
					if err != nil || !bytes.Equal(got, m) {
						t.Fatalf("message %d of %d bytes, arriving: %v", i, len(m), err)
					}
					if !takeover {
						judge.out = nil
					}
					if got := judge.message(t, compressed); !bytes.Equal(got, m) {
						t.Fatalf("message %d of %d bytes: the referee inflates something else", i, len(m))
					}
				}
				if judge.farthest > 1<<bits {
					t.Errorf("a back-reference reaches %d bytes back, beyond the window of %d", judge.farthest, 1<<bits)
				}
				if judge.farthest == 0 {
					t.Error("no back-reference at all")
				}
			})
		}
	}
}

// send compresses m in one of the three ways.
func send(t *testing.T, r *rand.Rand, d *deflate.Deflator, m []byte, bits int) []byte {
	t.Helper()
	switch r.IntN(3) {
	case 0:
		return d.Append(nil, m)
	case 1:
		d.Remember(m)
		return deflate.Compress(nil, m, 1, bits)
	}
	var out []byte
	s := d.Begin(func(p []byte) error { out = append(out, p...); return nil })
	for rest := m; len(rest) > 0; {
		n := min(len(rest), 1+r.IntN(1+r.IntN(100_000)))
		if _, err := s.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		if rest = rest[n:]; r.IntN(10) == 0 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryLevelRoundTrips(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for level := -3; level <= 11; level++ {
		d, f := deflate.NewDeflator(true, 15, level), deflate.NewInflator(true, 15)
		for range 4 {
			m := text(r, 5000)
			got, err := f.Append(nil, d.Append(nil, m), unbounded)
			if err != nil || !bytes.Equal(got, m) {
				t.Fatalf("level %d: %v", level, err)
			}
		}
	}
}

func TestTakeoverPaysOff(t *testing.T) {
	m := text(rand.New(rand.NewPCG(3, 4)), 1000)
	alone := deflate.Compress(nil, m, 1, 15)
	for _, bits := range []int{10, 11, 12, 15} {
		d := deflate.NewDeflator(true, bits, 1)
		d.Append(nil, m)
		if again := d.Append(nil, m); len(again) > len(alone)/4 {
			t.Errorf("bits %d: repeated with takeover it takes %d bytes, alone %d", bits, len(again), len(alone))
		}
		d = deflate.NewDeflator(true, bits, 1)
		d.Remember(m)
		if again := d.Append(nil, m); len(again) > len(alone)/4 {
			t.Errorf("bits %d: after Remember it takes %d bytes, alone %d", bits, len(again), len(alone))
		}
	}
}

func TestCompressedMessageIsTheSameForLargerWindows(t *testing.T) {
	m := text(rand.New(rand.NewPCG(5, 6)), 512)
	want := deflate.Compress(nil, m, 1, 9)
	for bits := 10; bits <= 15; bits++ {
		if got := deflate.Compress(nil, m, 1, bits); !bytes.Equal(got, want) {
			t.Errorf("bits %d: % x, want % x", bits, got, want)
		}
	}
}

func TestStreamReportsTheErrorOfItsReceiver(t *testing.T) {
	broken := errors.New("broken pipe")
	calls := 0
	s := deflate.NewDeflator(false, 15, 1).Begin(func([]byte) error { calls++; return broken })
	if _, err := s.Write(make([]byte, 100)); err != nil {
		t.Errorf("a small write is only kept, but: %v", err)
	}
	if n, err := s.Write(make([]byte, 100_000)); err != broken || n >= 100_000 {
		t.Errorf("large write: %d, %v", n, err)
	}
	if _, err := s.Write([]byte("x")); err != broken {
		t.Errorf("write after the error: %v", err)
	}
	if err := s.Flush(); err != broken {
		t.Errorf("flush after the error: %v", err)
	}
	if err := s.Close(); err != broken || calls != 1 {
		t.Errorf("close: %v, %d calls, want the error and 1", err, calls)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := s.Write([]byte("x")); err == nil {
		t.Error("write after close: no error")
	}
}

func TestReaderPassesOnTheErrorOfItsSource(t *testing.T) {
	lost := errors.New("connection lost")
	compressed := deflate.Compress(nil, text(rand.New(rand.NewPCG(1, 1)), 10_000), 1, 15)
	for _, n := range []int{0, 1, 100, len(compressed)} {
		src := io.MultiReader(bytes.NewReader(compressed[:n]), iotest.ErrReader(lost))
		r := deflate.NewInflator(false, 15).Reader(src, unbounded)
		if _, err := io.ReadAll(r); err != lost {
			t.Errorf("after %d bytes: %v", n, err)
		}
		if _, err := r.Read(make([]byte, 1)); err != lost {
			t.Errorf("after %d bytes, again: %v", n, err)
		}
	}
	// A final block isn't yet the end: it takes the source to say so.
	src := io.MultiReader(bytes.NewReader(unhex(t, "f3 48 cd c9 c9 07 00")), iotest.ErrReader(lost))
	if _, err := io.ReadAll(deflate.NewInflator(false, 15).Reader(src, unbounded)); err != lost {
		t.Errorf("after a final block: %v", err)
	}
}

func TestReaderEndsWhenClosed(t *testing.T) {
	compressed := deflate.Compress(nil, make([]byte, 1000), 1, 15)
	r := deflate.NewInflator(false, 15).Reader(bytes.NewReader(compressed), unbounded)
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Read(make([]byte, 10)); err == nil || err == io.EOF {
		t.Errorf("read after close: %v", err)
	}

	r = deflate.NewInflator(false, 15).Reader(bytes.NewReader(compressed), unbounded)
	if _, err := io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if _, err := r.Read(make([]byte, 10)); err != io.EOF {
		t.Errorf("read after the end and close: %v, want EOF", err)
	}
}
