package memory

import (
	"fmt"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// A map gives no memory back, and its keys are no longer charged: it must be made anew when few of them are left.
func TestForgottenKeysGiveTheirMemoryBack(t *testing.T) {
	k, now := &keys{}, time.Now()
	for i := range 10_000 {
		k.add(fmt.Sprint(i), hub.Published{}, now.Add(time.Hour))
	}
	for k.len() > 3 {
		k.forgetOldest()
		if k.peak > smallMap && k.peak > 4*k.len()+4 {
			t.Fatalf("a map that has held %d keys holds %d", k.peak, k.len())
		}
	}
	for _, key := range []string{"9997", "9998", "9999"} {
		if _, ok := k.find(key, now); !ok {
			t.Errorf("%s is forgotten", key)
		}
	}
}
