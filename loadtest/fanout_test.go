package loadtest

import (
	"encoding/json"
	"testing"
)

func TestPublicationsAreNumberedJSON(t *testing.T) {
	for _, size := range []int{smallestPublication, 128, 4000} {
		p, other := newPaper(size), newPaper(size)
		for want, sheet := range map[int][]byte{-1: p.hello(), 0: p.number(0), 7: p.number(7), 1_234_567_890: p.number(1_234_567_890)} {
			if n, ours := p.read(sheet); n != want || !ours {
				t.Errorf("publication %d of %d bytes is read as %d, %v", want, size, n, ours)
			}
			if len(sheet) != size || !json.Valid(sheet) {
				t.Errorf("%d bytes, want %d, and JSON: %s", len(sheet), size, sheet)
			}
			if _, ours := other.read(sheet); ours {
				t.Errorf("a publication of another run passes for one of ours: %s", sheet)
			}
		}
		if _, ours := p.read([]byte("hello")); ours {
			t.Error("a stranger's message passes for one of ours")
		}
	}
}
