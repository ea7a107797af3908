package deflate_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/websocket/internal/deflate"
)

func TestSizeBound(t *testing.T) {
	m := text(rand.New(rand.NewPCG(1, 1)), 100_000)
	compressed := deflate.Compress(nil, m, 1, 15)
	for _, limit := range []int64{0, 1, 100, 32767, 32768, 32769, 99_999, 100_000, 100_001, math.MaxInt64, -1} {
		b := deflate.Bounds{Size: limit}
		f := deflate.NewInflator(false, 15)
		whole, err := f.Append(nil, compressed, b)
		arriving, readErr := io.ReadAll(f.Reader(bytes.NewReader(compressed), b))
		if limit < 0 || limit >= int64(len(m)) {
			if err != nil || readErr != nil || !bytes.Equal(whole, m) || !bytes.Equal(arriving, m) {
				t.Errorf("limit %d: %v, %v", limit, err, readErr)
			}
			continue
		}
		for _, err := range []error{err, readErr} {
			var big *deflate.TooBigError
			if !errors.As(err, &big) || big.Limit != limit || !strings.Contains(err.Error(), fmt.Sprint(limit)) {
				t.Errorf("limit %d: %v", limit, err)
			}
		}
		if len(whole) != 0 || int64(len(arriving)) > limit {
			t.Errorf("limit %d: %d and %d bytes came out", limit, len(whole), len(arriving))
		}
	}
}

func TestRatioBound(t *testing.T) {
	tests := []struct {
		zeros, ratio int
		broken       bool
	}{
		{64 << 10, 1, false}, // small messages may compress as well as they like
		{64<<10 + 1, 1, true},
		{64<<10 + 1, 100, true},
		{1 << 20, 100, true},
		{1 << 20, 1032, false}, // as far as DEFLATE goes
		{1 << 20, 0, false},
		{1 << 20, -1, false},
		{1 << 20, math.MaxInt, false},
	}
	for _, tt := range tests {
		compressed := deflate.Compress(nil, make([]byte, tt.zeros), 9, 15)
		b := deflate.Bounds{Size: -1, Ratio: tt.ratio}
		f := deflate.NewInflator(false, 15)
		_, err := f.Append(nil, compressed, b)
		_, readErr := io.Copy(io.Discard, f.Reader(bytes.NewReader(compressed), b))
		for _, err := range []error{err, readErr} {
			var ratio *deflate.RatioError
			if errors.As(err, &ratio) != tt.broken || (!tt.broken && err != nil) {
				t.Errorf("%d zeros in %d bytes, ratio %d: %v", tt.zeros, len(compressed), tt.ratio, err)
			}
			if ratio != nil && (ratio.Limit != tt.ratio || ratio.In != int64(len(compressed)) || ratio.Out <= 64<<10) {
				t.Errorf("%d zeros in %d bytes: the error says %+v", tt.zeros, len(compressed), ratio)
			}
		}
	}
}

// A bomb of 16 MiB is dropped near the limit: neither its size nor much more than the limit is ever allocated.
func TestBombAllocatesLittleMoreThanItsBound(t *testing.T) {
	const size = 16 << 20
	compressed := deflate.Compress(nil, make([]byte, size), 9, 15)
	if ratio := size / len(compressed); ratio < 900 {
		t.Fatalf("the bomb is only 1 to %d", ratio)
	}
	const limit = 1 << 20
	f := deflate.NewInflator(false, 15)
	for _, b := range []deflate.Bounds{{Size: limit}, {Size: -1, Ratio: limit / len(compressed)}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := f.Append(nil, compressed, b); err == nil {
			t.Fatalf("%+v: no error", b)
		}
		runtime.ReadMemStats(&after)
		// The steps of a doubling buffer sum up to twice its last size; the rest is for a decompressor.
		if got := after.TotalAlloc - before.TotalAlloc; got > 2*limit+128<<10 {
			t.Errorf("%+v: %d bytes allocated, want at most twice the bound", b, got)
		}
	}
}

func TestBufferThatFitsIsKept(t *testing.T) {
	m := text(rand.New(rand.NewPCG(1, 1)), 3000)
	compressed := deflate.Compress(nil, m, 1, 15)
	buf := make([]byte, 0, len(m))
	got, err := deflate.NewInflator(false, 15).Append(buf, compressed, unbounded)
	if err != nil || !bytes.Equal(got, m) {
		t.Fatal(err)
	}
	if &got[0] != &buf[:1][0] {
		t.Error("a buffer of the message's size was replaced")
	}
}

func TestCorruptMessagesAreRefused(t *testing.T) {
	tests := []struct{ name, hex string }{
		{"nothing", ""},
		{"reserved block type", "06"},
		{"stored block with a wrong inverse", "00 05 00 00 00 48"},
		{"truncated stored block", "00 50 00 af ff 48 65"},
		{"truncated code", "f2 48 cd"},
		{"truncated dynamic header", "04"},
		{"reference before the start", "f2 00 11 00 00"},
		{"garbage after a final block", "f3 48 cd c9 c9 07 00 ff ff ff"},
		{"endless final blocks", strings.Repeat("03 00 ", 10_000)},
	}
	for _, tt := range tests {
		f := deflate.NewInflator(false, 15)
		data := unhex(t, tt.hex)
		_, err := f.Append(nil, data, unbounded)
		_, readErr := io.ReadAll(f.Reader(bytes.NewReader(data), unbounded))
		for _, err := range []error{err, readErr} {
			var corrupt *deflate.CorruptError
			if !errors.As(err, &corrupt) || corrupt.Unwrap() == nil || corrupt.Error() == "" {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
}

// However a message is cut, it is never taken for a whole one with other content.
func TestTruncatedMessageIsNeverWhole(t *testing.T) {
	m := text(rand.New(rand.NewPCG(1, 1)), 3000)
	compressed := deflate.Compress(nil, m, 1, 15)
	f := deflate.NewInflator(false, 15)
	for n := range len(compressed) - 1 {
		if got, err := f.Append(nil, compressed[:n], unbounded); err == nil && !bytes.Equal(got, m) {
			t.Errorf("%d of %d bytes inflate to %d", n, len(compressed), len(got))
		}
	}
}

// What one connection received must not be reachable from another through a pooled decompressor.
func TestDecompressorForgetsTheLastConnection(t *testing.T) {
	secret := deflate.NewInflator(true, 15)
	if _, err := secret.Append(nil, unhex(t, "f2 48 cd c9 c9 07 00"), unbounded); err != nil {
		t.Fatal(err)
	}
	for _, takeover := range []bool{false, true} {
		if got, err := deflate.NewInflator(takeover, 15).Append(nil, unhex(t, "f2 00 11 00 00"), unbounded); err == nil {
			t.Errorf("takeover %v: got %q of another connection", takeover, got)
		}
	}
}
