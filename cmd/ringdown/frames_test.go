package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/websocket/wire"
)

// conversation is one direction of a connection, through a proxy: HTTP first, frames then.
func conversation() (bytes []byte, frames []string) {
	b := []byte("HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
	b = wire.AppendFrame(b, wire.Header{Opcode: wire.Text, RSV1: true}, []byte("half"))
	b = wire.AppendControl(b, wire.Client, wire.Ping, []byte("ping"))
	b = wire.AppendFrame(b, wire.Header{Fin: true, Opcode: wire.Continuation}, make([]byte, 70_000))
	b = wire.AppendFrame(b, wire.Header{Fin: true, Opcode: wire.Binary, Masked: true, Key: 7}, make([]byte, 300))
	b = wire.AppendFrame(b, wire.Header{Fin: true, Opcode: wire.Close}, nil)
	return b, []string{
		"text RSV1 (compressed), 4 bytes",
		"ping FIN masked, 4 bytes",
		"continuation FIN, 70000 bytes",
		"binary FIN masked, 300 bytes",
		"close FIN, 0 bytes",
	}
}

func TestFrameScannerSeesTheSameFramesHoweverTheyAreCut(t *testing.T) {
	all, want := conversation()
	for _, size := range []int{1, 2, 3, 7, 14, 100, 4096, len(all)} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			var got []string
			s := frameScanner{opening: "HTTP/1.1 101", show: func(h wire.Header) { got = append(got, describe(h)) }}
			for piece := range slices.Chunk(all, size) {
				s.scan(piece)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func FuzzFrameScanner(f *testing.F) {
	all, _ := conversation()
	f.Add(all[:200], uint8(3))
	f.Add([]byte("HTTP/1.1 101\r\n\r\n\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff"), uint8(1))
	f.Add([]byte("HTTP/1.1 101\r\n\r\n\x81\x7e\x00\x01x"), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		scan := func(size int) (seen []string) {
			s := frameScanner{opening: "HTTP/1.1 101", show: func(h wire.Header) { seen = append(seen, describe(h)) }}
			for piece := range slices.Chunk(b, size) {
				s.scan(piece)
			}
			return seen
		}
		if whole, cut := scan(max(len(b), 1)), scan(int(size)+1); !slices.Equal(whole, cut) {
			t.Errorf("whole: %q, cut: %q", whole, cut)
		}
	})
}
