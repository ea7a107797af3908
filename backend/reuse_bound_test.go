// How much of answers is kept.

package backend

import (
	"testing"
	"time"
)

func TestAnswersThatAreKeptAreBounded(t *testing.T) {
	u := reuse{lifetime: time.Hour}
	_, epoch, _ := u.find(question{})
	const many, size = 400, 50_000 // bytes; 16 MiB at most are kept
	for n := range many {
		u.keep(question{byte(n), byte(n >> 8)}, ConnectDecision{}, size, time.Now(), epoch)
		if kept := (len(u.young) + len(u.old)) * (size + reuseOverhead); kept > 2*reuseBytes {
			t.Fatalf("%d bytes are kept", kept)
		}
	}
	if _, _, ok := u.find(question{byte((many - 1) % 256), (many - 1) >> 8}); !ok {
		t.Error("the last answer is forgotten")
	}
	if _, _, ok := u.find(question{}); ok {
		t.Error("the first of too many answers is kept")
	}
	u.keep(question{1, 2, 3}, ConnectDecision{}, reuseBytes, time.Now(), epoch)
	if _, _, ok := u.find(question{1, 2, 3}); ok {
		t.Error("an answer larger than all that may be kept is kept")
	}
}
