//go:build !race

package line

// Allocations, which the race detector distorts: it makes pools forget.

import (
	"context"
	"io"
	"testing"
)

func TestSteadyStateAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	for _, kind := range []string{"tcp", "unix"} {
		for _, ctx := range []context.Context{background, ctx} {
			near, far := kinds[kind](t)
			l := new(Line)
			l.Init(near)
			message, answer := []byte("message"), make([]byte, 7)
			got := testing.AllocsPerRun(200, func() {
				far.Write(message)
				b, err := l.Read(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := l.Write(ctx, b); err != nil {
					t.Fatal(err)
				}
				io.ReadFull(far, answer)
			})
			if got >= 1 { // a garbage collection may empty a pool
				t.Errorf("%s: %v allocations", kind, got)
			}
		}
	}
}
