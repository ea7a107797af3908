package deflate_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/ringdown/ringdown/websocket/internal/deflate"
)

// chat is n bytes of JSON as a chat might send it.
func chat(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	lines := []string{"hello there", "how are you today?", "fine, thanks", "see you tomorrow then"}
	b := []byte("[")
	for len(b) < n {
		b = fmt.Appendf(b, `{"id":%d,"type":"message","channel":"lobby","user":{"name":"user-%d","online":%v},"text":%q},`,
			r.IntN(100_000), r.IntN(50), r.IntN(2) == 0, lines[r.IntN(len(lines))])
	}
	return b[:n]
}

var modes = []struct {
	takeover bool
	bits     int
}{{false, 15}, {true, 15}, {true, 12}, {true, 9}}

func BenchmarkDeflate1KiB(b *testing.B) {
	// Different ones, so that takeover finds what real messages share and not a copy.
	var messages [64][]byte
	for i := range messages {
		messages[i] = chat(uint64(i), 1024)
	}
	for _, mode := range modes {
		b.Run(fmt.Sprintf("takeover=%v,bits=%d", mode.takeover, mode.bits), func(b *testing.B) {
			d := deflate.NewDeflator(mode.takeover, mode.bits, 1)
			var out []byte
			sent, n := 0, 0
			b.SetBytes(1024)
			b.ReportAllocs()
			for b.Loop() {
				out = d.Append(out[:0], messages[n%len(messages)])
				sent += len(out)
				n++
			}
			b.ReportMetric(float64(sent)/float64(n), "sent-B/op")
		})
	}
}

func BenchmarkInflate1KiB(b *testing.B) {
	m := chat(1, 1024)
	compressed := deflate.Compress(nil, m, 1, 15)
	for _, mode := range modes {
		b.Run(fmt.Sprintf("takeover=%v,bits=%d", mode.takeover, mode.bits), func(b *testing.B) {
			f := deflate.NewInflator(mode.takeover, mode.bits)
			var out []byte
			b.SetBytes(int64(len(m)))
			b.ReportAllocs()
			for b.Loop() {
				out, _ = f.Append(out[:0], compressed, deflate.Bounds{Size: 1 << 20, Ratio: 100})
			}
		})
	}
}

func BenchmarkReader16KiB(b *testing.B) {
	m := chat(1, 16<<10)
	compressed := deflate.Compress(nil, m, 1, 15)
	f := deflate.NewInflator(false, 15)
	src := bytes.NewReader(compressed)
	buf := make([]byte, 4096)
	b.SetBytes(int64(len(m)))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(compressed)
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, f.Reader(src, unbounded), buf); err != nil {
			b.Fatal(err)
		}
	}
}
