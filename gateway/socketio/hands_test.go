package socketio

import (
	"testing"
	"testing/synctest"
)

func TestSomeHandsStayUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h hands
		h.init()
		for range 3 {
			for range 3 * maxResting {
				h.work(new(Socket))
			}
			synctest.Wait()
			if n := len(h.free); n < maxResting/2 || n > maxResting {
				t.Errorf("%d stay", n)
			}
		}
		h.wait()
		h.work(new(Socket)) // what comes late is done, too
		h.wait()
		if n := len(h.free); n != 0 {
			t.Errorf("%d have stayed for ever", n)
		}
	})
}
