package limit

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func numbered(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(i)+10<<24)
	return netip.AddrFrom4(b)
}

func TestAFloodFromVeryManyAddressesStaysWithinABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const flood, remembered = 100_000, 1000
		limits := off()
		limits.Connections.NewPerAddress = Rate{1, 2}
		limits.Remembered = remembered
		n := start(t, limits)
		defer n.stop()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		refused := 0
		for i := range flood {
			release, err := n.Admit(numbered(i))
			if err != nil {
				refused++
				continue
			}
			release()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if size := n.addresses.size(); size > remembered+shards {
			t.Errorf("%d addresses are remembered", size)
		}
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 {
			t.Errorf("grew by %d bytes", grown)
		}
		if refused < flood*9/10 {
			t.Errorf("only %d were refused: those that share buckets are not held to them", refused)
		}
		time.Sleep(2 * idle) // it is over
		for i := range 10_000 {
			if release, err := n.Admit(numbered(2_000_000 + i*7)); err == nil {
				release()
			} else if i < remembered/2 {
				t.Fatalf("the %dth after the flood is refused: %v", i, err)
			}
		}
	})
}

func TestWhoHasGoneIsForgottenAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := off()
		limits.Connections.PerAddress = 5
		n := start(t, limits)
		defer n.stop()
		stays, err := n.Admit(numbered(0))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			release, err := n.Admit(numbered(1 + i))
			if err != nil {
				t.Fatal(err)
			}
			release()
		}
		time.Sleep(idle + time.Second)
		for i := range 1000 { // each that comes looks at a few of those that were
			release, err := n.Admit(numbered(5000 + i))
			if err != nil {
				t.Fatal(err)
			}
			release()
		}
		if size := n.addresses.size(); size > 1200 {
			t.Errorf("%d are remembered", size)
		}
		if held(n.addresses) != 1 {
			t.Error("who is there was forgotten")
		}
		stays()
		stays()
		if held(n.addresses) != 0 || n.Connections() != 0 {
			t.Error("a release too many, or too few")
		}
	})
}

func TestManyAtOnceAreCountedExactly(t *testing.T) {
	limits := off()
	limits.Connections.PerAddress, limits.Remembered = 8, 64
	n := start(t, limits)
	defer n.stop()
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 2000 {
				if release, err := n.Admit(numbered(i % 300 * (g%2 + 1))); err == nil {
					release()
				}
			}
		})
	}
	all.Wait()
	if held(n.addresses) != 0 || n.Connections() != 0 {
		t.Errorf("%d addresses are held, %d connections counted", held(n.addresses), n.Connections())
	}
	for i := range n.addresses.shared {
		if e := n.addresses.shared[i].Load(); e != nil && e.connections.Load() != 0 {
			t.Errorf("a shared bucket counts %d", e.connections.Load())
		}
	}
}

func TestTheNodesBucketLosesLittleInItsStripes(t *testing.T) {
	s := newStriped(Rate{PerSecond: 1, Burst: 10_000})
	now := time.Now()
	passed := 0
	for range 20_000 {
		if s.allow(now, 1) {
			passed++
		}
	}
	if passed > 10_000 || passed < 10_000-10_000/64 {
		t.Errorf("%d of a burst of 10000 passed", passed)
	}
}
