package deflate_test

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/ringdown/ringdown/websocket/internal/deflate"
)

// Garbage neither panics nor hangs nor breaks the bounds, and the two ways to inflate agree about it.
func FuzzInflate(f *testing.F) {
	for _, s := range []string{
		"", "\x00", "\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf2\x00\x11\x00\x00", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
		"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "\x01", "\x03\x00\x03\x00",
		"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00", "\x04", "\x06",
	} {
		f.Add([]byte(s))
	}
	f.Add(deflate.Compress(nil, make([]byte, 1<<20), 9, 15))
	f.Add(deflate.Compress(nil, []byte(`{"a":[1,2,3,1,2,3,1,2,3],"b":"1,2,3,1,2,3,1,2,3"}`), 6, 15))
	f.Fuzz(func(t *testing.T, compressed []byte) {
		b := deflate.Bounds{Size: 100_000, Ratio: 500}
		whole, arriving := deflate.NewInflator(true, 12), deflate.NewInflator(true, 12)
		for range 2 {
			got, err := whole.Append(nil, compressed, b)
			if len(got) > 100_000 || cap(got) > 110_000 {
				t.Fatalf("%d bytes in a buffer of %d", len(got), cap(got))
			}
			again, readErr := io.ReadAll(arriving.Reader(iotest.OneByteReader(bytes.NewReader(compressed)), b))
			if len(again) > 100_000 {
				t.Fatalf("%d bytes arrive", len(again))
			}
			// The ratio is taken of what has arrived, so only the streamed message may break it early.
			if err == nil && readErr == nil && !bytes.Equal(got, again) {
				t.Fatalf("%d bytes at once, %d arriving", len(got), len(again))
			}
			if (err != nil) && readErr == nil {
				t.Fatalf("at once: %v; arriving: no error", err)
			}
			if err != nil || readErr != nil {
				return
			}
		}
	})
}

// What one side sends in any way the other gets, and so does a peer that shares no code with us.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("hello hello hello"), []byte("hello"), uint8(15), true, uint16(3))
	f.Add(bytes.Repeat([]byte("0123456789abcdef"), 100), []byte{}, uint8(8), true, uint16(1000))
	f.Add(bytes.Repeat([]byte{0}, 5000), bytes.Repeat([]byte("ab"), 300), uint8(9), false, uint16(0))
	f.Fuzz(func(t *testing.T, a, b []byte, bits uint8, takeover bool, cut uint16) {
		window := 8 + int(bits%8)
		d, in, judge := deflate.NewDeflator(takeover, window, 1), deflate.NewInflator(takeover, window), &referee{}
		receive := func(compressed, want []byte) {
			t.Helper()
			got, err := in.Append(nil, compressed, unbounded)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(want))
			}
			if !takeover {
				judge.out = nil
			}
			if !bytes.Equal(judge.message(t, compressed), want) {
				t.Fatal("the referee got something else")
			}
		}
		receive(d.Append(nil, a), a)
		d.Remember(b)
		receive(deflate.Compress(nil, b, 1, window), b)
		var streamed []byte
		s := d.Begin(func(p []byte) error { streamed = append(streamed, p...); return nil })
		_, _ = s.Write(a[:min(int(cut), len(a))])
		_ = s.Flush()
		_, _ = s.Write(a[min(int(cut), len(a)):])
		_ = s.Close()
		receive(streamed, a)
		receive(d.Append(nil, b), b)
		if judge.farthest > 1<<window {
			t.Fatalf("a reference of %d bytes in a window of %d", judge.farthest, 1<<window)
		}
	})
}

// No parameter list panics, and what is answered is understood.
func FuzzNegotiation(f *testing.F) {
	f.Add("server_max_window_bits=10; client_max_window_bits")
	f.Add("client_no_context_takeover; server_no_context_takeover")
	f.Add("x=;;=")
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := deflate.Answer(params(s), deflate.Takeover)
		if !ok {
			return
		}
		if p.ServerMaxWindowBits < 8 || p.ServerMaxWindowBits > 15 || p.ClientMaxWindowBits < 8 || p.ClientMaxWindowBits > 12 && !p.ClientNoContextTakeover {
			t.Fatalf("%+v", p)
		}
		if _, err := deflate.Accepted(params(p.String()[len("permessage-deflate"):]), deflate.Takeover); err != nil {
			t.Fatal(err)
		}
	})
}
