package loop_test

import (
	"testing"

	"github.com/ringdown/ringdown/websocket/loop"
)

func TestWhatWaitsForSlowPeersIsCountedUntilTheyReadOrGo(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		s, c, p := slow(t, d, loop.Options{Outbox: loop.Outbox{Bytes: 64 << 20}}, new(tally))
		if n := s.Stats().Waiting; n != 0 {
			t.Errorf("%d bytes wait for a peer that nothing was written to", n)
		}
		written := stuff(t, s, c)
		c.Write(1, make([]byte, 100_000))
		until(t, "it is counted", func() bool { return s.Stats().Waiting >= 100_000 })
		if counted, waiting := s.Stats().Waiting, int64(c.Waiting()); counted > waiting {
			t.Errorf("%d bytes are counted after %d messages, and %d wait", counted, written, waiting)
		}
		c.CloseNow()
		until(t, "it is not counted any more", func() bool { return s.Stats().Waiting == 0 })
		_ = p
	})
}
