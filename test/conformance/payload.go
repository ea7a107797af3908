// What messages are made of.

package conformance

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// words is n bytes of text that looks like what programs send: it compresses to about a third.
func words(n int) string {
	const most = 16 << 20
	whole := allWords()
	if n <= len(whole) {
		return whole[:n]
	}
	return strings.Repeat(whole, min(n, most)/len(whole)+1)[:n]
}

var allWords = sync.OnceValue(func() string {
	r := rand.New(rand.NewPCG(11, 12))
	var b strings.Builder
	for b.Len() < 1<<18 {
		fmt.Fprintf(&b, `{"id":%d,"user":"u%d","at":"%x","ok":%v},`, r.IntN(1000), r.IntN(20), r.Uint32(), r.IntN(2) == 0)
	}
	return b.String()
})

// noise is n bytes that do not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewPCG(13, uint64(n))
	for i := range b {
		if i%8 == 0 {
			v := r.Uint64()
			for j := range min(8, n-i) {
				b[i+j] = byte(v >> (8 * j))
			}
		}
	}
	return b
}
