package console

import (
	"net/netip"
	"testing"
	"time"
)

func TestFailuresAreForgivenOneByOne(t *testing.T) {
	var f failures
	now, ann := time.Now(), netip.MustParseAddr("192.0.2.1")
	tries := func() (n int) {
		for f.may(ann, now) {
			f.note(ann, now)
			n++
		}
		return n
	}
	for _, c := range []struct {
		after time.Duration
		tries int
	}{{0, failuresAtOnce}, {0, 0}, {failurePause, 1}, {failurePause / 2, 0}, {failurePause / 2, 1}, {time.Hour, failuresAtOnce}} {
		now = now.Add(c.after)
		if got := tries(); got != c.tries {
			t.Errorf("after %v more an address may try %d times, want %d", c.after, got, c.tries)
		}
	}
	if !f.may(netip.MustParseAddr("192.0.2.2"), now) || f.may(netip.MustParseAddr("::ffff:192.0.2.1"), now) {
		t.Error("addresses are not told apart, or the same one written in another way is")
	}
}

func TestAnIPv6NetworkCountsAsOneAddress(t *testing.T) {
	var f failures
	now := time.Now()
	for range failuresAtOnce {
		f.note(netip.MustParseAddr("2001:db8::1"), now)
	}
	if f.may(netip.MustParseAddr("2001:db8::2"), now) || !f.may(netip.MustParseAddr("2001:db8:0:1::1"), now) {
		t.Error("the network is not that of the first 64 bits")
	}
}

func TestACrowdThatGuessesTakesNoMemory(t *testing.T) {
	var f failures
	now := time.Now()
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range 3 * maxFailing {
		f.note(address(i), now)
	}
	if len(f.until) > maxFailing+1 {
		t.Errorf("%d addresses are kept", len(f.until))
	}
	if f.may(address(5*maxFailing), now) {
		t.Error("a crowd that is too large to be told apart may go on guessing")
	}
	now = now.Add(time.Hour * 24)
	f.note(address(1), now)
	if f.note(address(2), now); len(f.until) > 2 || !f.may(address(5*maxFailing), now) {
		t.Errorf("%d addresses are kept when all are forgiven", len(f.until))
	}
}
