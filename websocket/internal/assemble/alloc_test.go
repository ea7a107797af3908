//go:build !race

package assemble_test

// Allocations, which the race detector distorts: it makes pools forget.

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/wire"
)

// something is text that compresses like most: to a third.
func something() string {
	r := rand.New(rand.NewPCG(7, 8))
	var text strings.Builder
	for text.Len() < 3000 {
		fmt.Fprintf(&text, `{"id":%d,"user":"u%d","body":"%x"}`, r.IntN(1000), r.IntN(20), r.Uint32())
	}
	return text.String()
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	plain := strings.Repeat("a message of some length; ", 100)
	packed := string(deflate.Compress(nil, []byte(something()), 1, 15))
	tests := []struct {
		name  string
		input []byte
		cut   int
	}{
		{"whole frames", slices.Concat(frame(wire.Text, plain), frame(wire.Ping, "p"), frame(wire.Binary, plain)), 0},
		{"a frame in two reads", frame(wire.Text, plain), 1000},
		{"fragments", slices.Concat(frame(wire.Text, plain, "more"), frame(wire.Continuation, plain, "more"), frame(wire.Continuation, "")), 0},
		{"a large message", slices.Concat(frame(wire.Binary, strings.Repeat("x", 200_000), "more"), frame(wire.Continuation, "x")), 70_000},
		{"compressed", frame(wire.Text, packed, "packed"), 0},
		{"compressed in two reads", frame(wire.Text, packed, "packed"), len(packed) / 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAssembler(limits(1<<20), true)
			round := func() {
				for _, in := range [][]byte{tt.input[:tt.cut], tt.input[tt.cut:]} {
					for len(in) > 0 {
						n, _, err := a.Next(in)
						if err != nil {
							t.Fatal(err)
						}
						in = in[n:]
					}
				}
			}
			for range 20 { // fills the pools and the window
				round()
			}
			if got := testing.AllocsPerRun(200, round); got >= 1 { // a garbage collection may empty a pool
				t.Errorf("%v allocations", got)
			}
		})
	}
}
