package deflate

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestWindowKeepsTheLastBytesWithinItsMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, limit := range []int{256, 512, sendWindow, 4096, 32768} {
		w := window{limit: limit}
		var all []byte
		noise := make([]byte, 1<<17)
		rand.NewChaCha8([32]byte{byte(limit >> 8)}).Read(noise)
		for range 1000 {
			p := noise[r.IntN(len(noise)-2*limit):]
			p = p[:r.IntN(1+r.IntN(2*limit))]
			w.add(p)
			all = append(all, p...)
			all = all[max(0, len(all)-limit):]
			if !bytes.Equal(w.bytes(), all) {
				t.Fatalf("limit %d: the window holds something else than the last %d bytes", limit, len(all))
			}
			if cap(w.buf) > limit+limit/8 {
				t.Fatalf("limit %d: it takes %d bytes", limit, cap(w.buf))
			}
		}
	}
}

func TestIdleMemoryOfAConnection(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789"), 10_000)
	tests := []struct {
		takeover   bool
		bits, most int // bytes
	}{
		{false, 15, 0}, {false, 8, 0}, {true, 8, 288}, {true, 12, 4608}, {true, 15, 36 << 10},
	}
	for _, tt := range tests {
		d, f := NewDeflator(tt.takeover, tt.bits, 1), NewInflator(tt.takeover, tt.bits)
		for range 3 {
			if _, err := f.Append(nil, d.Append(nil, long), Bounds{Size: -1}); err != nil {
				t.Fatal(err)
			}
		}
		if got := cap(d.win.buf); got > min(tt.most, 2304) {
			t.Errorf("takeover %v, bits %d: a Deflator keeps %d bytes", tt.takeover, tt.bits, got)
		}
		if got := cap(f.win.buf); got > tt.most {
			t.Errorf("takeover %v, bits %d: an Inflator keeps %d bytes", tt.takeover, tt.bits, got)
		}
	}
}

func TestStreamLeavesNothingBehindWithoutTakeover(t *testing.T) {
	d := NewDeflator(false, 15, 1)
	s := d.Begin(func([]byte) error { return nil })
	if _, err := s.Write(make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if d.win.buf != nil {
		t.Errorf("%d bytes stay", cap(d.win.buf))
	}
}
