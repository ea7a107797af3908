package deflate_test

// A regression: what becomes of a message must not depend on whose message a pooled decompressor had before.

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ringdown/ringdown/websocket/internal/deflate"
)

// emptyDistances is a dynamic block whose literals are 'a', the end, and the length 3, and which has no distance code. It
// uses one all the same: 200 times "a", then length 3 with the distance bits given, then the end.
func emptyDistances(distance, n uint) []byte {
	var out []byte
	var acc, held uint
	put := func(v, n uint) {
		for i := range n {
			acc |= (v >> i & 1) << held
			if held++; held == 8 {
				out, acc, held = append(out, byte(acc)), 0, 0
			}
		}
	}
	put(0b10<<1, 3)
	put(1, 5)  // 258 literal codes
	put(0, 5)  // 1 distance code
	put(14, 4) // 18 code length codes
	lens := map[int]uint{18: 2, 0: 2, 1: 2, 2: 2}
	for _, s := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1} {
		put(lens[s], 3)
	}
	code := map[int]uint{0: 0b00, 1: 0b10, 2: 0b01, 18: 0b11} // reversed
	zeros := func(n uint) { put(code[18], 2); put(n-11, 7) }
	zeros(97)
	put(code[1], 2)
	zeros(138)
	zeros(20)
	put(code[2], 2) // the end: 10
	put(code[2], 2) // length 3: 11
	put(code[0], 2) // the one distance code: not used
	for range 200 {
		put(0, 1)
	}
	put(0b11, 2)
	put(distance, n)
	put(0b01, 2)
	put(0, 3)
	for held != 0 {
		put(0, 1)
	}
	return out
}

func TestNothingOfOtherMessagesIsLeft(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	bounds := deflate.Bounds{Size: 1 << 20}
	for bits := range uint(16) {
		corrupt := emptyDistances(bits, 4)
		outcomes := make(map[string]int)
		for i := range 60 {
			out, err := deflate.NewInflator(false, 15).Append(nil, corrupt, bounds)
			outcomes[fmt.Sprint(len(out), " bytes, ", err)]++
			other := make([]byte, 100+i*50)
			for k := range other {
				other[k] = byte('a' + r.IntN(1+i%26))
			}
			if _, err := deflate.NewInflator(false, 15).Append(nil, deflate.Compress(nil, other, 5, 15), bounds); err != nil {
				t.Fatal(err)
			}
		}
		if len(outcomes) > 1 {
			t.Errorf("distance bits %04b: one message has %d outcomes: %v", bits, len(outcomes), outcomes)
		}
	}
}
