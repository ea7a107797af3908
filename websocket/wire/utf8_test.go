// UTF-8 in pieces: the same verdict as utf8.Valid, and as early as it can be given.

package wire_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/ringdown/ringdown/websocket/wire"
)

// hopelessAt is the number of bytes of text after which it can no longer become valid, or -1, found by trying every
// completion. It is slow and obviously right.
func hopelessAt(text []byte) int {
	for n := 1; n <= len(text); n++ {
		if !completable(text[:n]) {
			return n
		}
	}
	return -1
}

// completable reports whether up to three more bytes can make prefix valid.
func completable(prefix []byte) bool {
	if utf8.Valid(prefix) {
		return true
	}
	// The second byte of a character is the only one whose range depends on the first: these are the edges of all ranges.
	for _, second := range []byte{0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF} {
		p := append(append([]byte(nil), prefix...), second)
		if utf8.Valid(p) || utf8.Valid(append(p, 0x80)) || utf8.Valid(append(p, 0x80, 0x80)) {
			return true
		}
	}
	return false
}

// failsAt feeds text in the pieces that cuts make and returns the number of bytes after which Write refused, or -1.
func failsAt(text []byte, cuts ...int) (at int, complete bool) {
	var v wire.UTF8
	from := 0
	for _, to := range append(cuts, len(text)) {
		if !v.Write(text[from:to]) {
			return to, false
		}
		from = to
	}
	return -1, v.Complete()
}

// byteByByte are the cuts behind every byte of n.
func byteByByte(n int) []int {
	cuts := make([]int, n)
	for i := range cuts {
		cuts[i] = i
	}
	return cuts
}

func TestUTF8FailsAtTheFirstHopelessByte(t *testing.T) {
	tests := []struct {
		name string
		text string
		want int // bytes fed when it must fail; -1 for valid so far
	}{
		{"nothing", "", -1},
		{"ASCII", "ab\x00\x7f", -1},
		{"lone continuation", "a\x80", 2},
		{"lone continuation BF", "\xbf", 1},
		{"C0 starts nothing", "\xc0", 1},
		{"C1 starts nothing", "\xc1", 1},
		{"C2 80 is the first of two bytes", "\xc2\x80", -1},
		{"DF BF is the last of two bytes", "\xdf\xbf", -1},
		{"C2 7F", "\xc2\x7f", 2},
		{"C2 C0", "\xc2\xc0", 2},
		{"E0 9F is overlong", "\xe0\x9f", 2},
		{"E0 80 is overlong", "\xe0\x80\x80", 2},
		{"E0 A0 80 is the first of three bytes", "\xe0\xa0\x80", -1},
		{"E1 80 then ASCII", "\xe1\x80a", 3},
		{"ED 9F BF is the last before the surrogates", "\xed\x9f\xbf", -1},
		{"ED A0 is a surrogate", "\xed\xa0\x80", 2},
		{"ED BF is a surrogate", "\xed\xbf\xbf", 2},
		{"EE 80 80 is the first behind the surrogates", "\xee\x80\x80", -1},
		{"EF BF BD is U+FFFD itself", "\xef\xbf\xbd", -1},
		{"EF BF BF is the last of three bytes", "\xef\xbf\xbf", -1},
		{"F0 8F is overlong", "\xf0\x8f\xbf\xbf", 2},
		{"F0 90 80 80 is the first of four bytes", "\xf0\x90\x80\x80", -1},
		{"F0 90 80 then ASCII", "\xf0\x90\x80a", 4},
		{"F4 8F BF BF is the last character", "\xf4\x8f\xbf\xbf", -1},
		{"F4 90 is past U+10FFFF", "\xf4\x90\x80\x80", 2},
		{"F5 starts nothing", "\xf5\x80\x80\x80", 1},
		{"F8 starts nothing", "\xf8\x88\x80\x80\x80", 1},
		{"FE starts nothing", "\xfe", 1},
		{"FF starts nothing", "\xff", 1},
		{"Greek, then a surrogate", "κόσμε\xed\xa0\x80edited", 12},
		{"Greek, then past the end", "κόσμε\xf4\x90\x80\x80edited", 12},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := []byte(tt.text)
			if want := hopelessAt(text); want != tt.want {
				t.Fatalf("the table says %d, trying every completion says %d", tt.want, want)
			}
			if got, _ := failsAt(text, byteByByte(len(text))...); got != tt.want {
				t.Errorf("byte by byte it fails after %d bytes, want %d", got, tt.want)
			}
			if tt.want < 0 {
				return
			}
			if got, _ := failsAt(text[:tt.want]); got < 0 {
				t.Errorf("in one piece that ends at the hopeless byte, it does not fail")
			}
			for cut := range tt.want {
				if got, _ := failsAt(text[:tt.want], cut); got != tt.want {
					t.Errorf("cut after %d it fails after %d bytes, want %d", cut, got, tt.want)
				}
			}
		})
	}
}

// Every byte, every pair, and every triple and quadruple of the bytes at the edges of UTF-8's ranges.
func TestUTF8AtEveryBoundary(t *testing.T) {
	edges := []byte{
		0x00, 0x41, 0x7F, 0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
		0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
	}
	check := func(text []byte) {
		want := hopelessAt(text)
		if got, complete := failsAt(text, byteByByte(len(text))...); got != want || want < 0 && complete != utf8.Valid(text) {
			t.Fatalf("% x byte by byte: fails after %d, complete %v; want %d, %v", text, got, complete, want, utf8.Valid(text))
		}
		for cut := range len(text) + 1 {
			got, complete := failsAt(text, cut)
			wantHere := want
			if want >= 0 { // noticed with the piece that the hopeless byte lies in
				if wantHere = len(text); want <= cut {
					wantHere = cut
				}
			}
			if got != wantHere || want < 0 && complete != utf8.Valid(text) {
				t.Fatalf("% x cut after %d: fails after %d, complete %v; want %d, %v", text, cut, got, complete, wantHere, utf8.Valid(text))
			}
		}
	}
	for a := range 256 {
		check([]byte{byte(a)})
		for b := range 256 {
			check([]byte{byte(a), byte(b)})
		}
	}
	for _, a := range edges {
		for _, b := range edges {
			for _, c := range edges {
				check([]byte{a, b, c})
				if a < 0xE0 { // nothing new behind a character of one or two bytes
					continue
				}
				for _, d := range edges {
					check([]byte{a, b, c, d})
				}
			}
		}
	}
}

func TestUTF8AgreesWithTheStandardLibraryHoweverCut(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		text := randomText(r)
		var cuts []int
		for at := 0; ; {
			if at += r.IntN(9); at > len(text) {
				break
			}
			cuts = append(cuts, at)
		}
		at, complete := failsAt(text, cuts...)
		if got, want := at < 0 && complete, utf8.Valid(text); got != want {
			t.Fatalf("%q cut at %v: valid %v, want %v", text, cuts, got, want)
		}
		if at < 0 && hopelessAt(text) >= 0 {
			t.Fatalf("%q cut at %v: hopeless and not refused", text, cuts)
		}
	}
}

// randomText is characters of all lengths, half of the time with one byte changed.
func randomText(r *rand.Rand) []byte {
	var text []byte
	for range r.IntN(20) {
		text = utf8.AppendRune(text, []rune{'a', 'é', '€', '😀', 0x7FF, 0x800, 0xFFFF, 0x10FFFF}[r.IntN(8)])
	}
	if len(text) > 0 && r.IntN(2) == 0 {
		text[r.IntN(len(text))] = byte(r.Uint32())
	}
	return text
}

func FuzzUTF8(f *testing.F) {
	f.Add([]byte("κόσμε"), uint16(3), uint16(4))
	f.Add([]byte("a\xf4\x90\x80\x80"), uint16(2), uint16(3))
	f.Add([]byte("\xed\xa0\x80"), uint16(1), uint16(1))
	f.Fuzz(func(t *testing.T, text []byte, a, b uint16) {
		first, second := int(a)%(len(text)+1), int(b)%(len(text)+1)
		want := utf8.Valid(text)
		for _, cuts := range [][]int{nil, {first}, {min(first, second), max(first, second)}, byteByByte(len(text))} {
			at, complete := failsAt(text, cuts...)
			if got := at < 0 && complete; got != want {
				t.Fatalf("%q cut at %v: valid %v, want %v", text, cuts, got, want)
			}
		}
		if at, _ := failsAt(text, byteByByte(len(text))...); at != hopelessAt(text) {
			t.Fatalf("%q: fails after %d, want %d", text, at, hopelessAt(text))
		}
	})
}

func ExampleUTF8() {
	var v wire.UTF8
	fmt.Println(v.Write([]byte("\xf0\x9f")), v.Complete()) // half an emoji
	fmt.Println(v.Write([]byte("\x98\x80")), v.Complete())
	fmt.Println(v.Write([]byte("\xf4\x90"))) // no character begins like that
	// Output:
	// true false
	// true true
	// false
}
