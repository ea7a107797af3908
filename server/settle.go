// Giving memory back after a storm of connections.

package server

import (
	"runtime/debug"
	"time"
)

// A handshake leaves behind several times what an idle connection holds: requests, buffers, stacks. The garbage collector comes for it
// when the heap has doubled, or after two minutes, and then keeps the pages for a while. A node that was stormed therefore looks
// much larger than it is. So once a storm is over, it collects and gives back at once: one collection for at least a thousand
// connections that came or went.
const (
	settlePace = 5 * time.Second
	storm      = 1000 // sessions that have come or gone since memory was given back last
)

// settle runs until stop is closed.
func settle(stop <-chan struct{}, sessions func() int) {
	ticker := time.NewTicker(settlePace)
	defer ticker.Stop()
	var s settling
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			if s.over(sessions()) {
				debug.FreeOSMemory()
			}
		}
	}
}

// settling knows whether a storm is over.
type settling struct{ settled, last int }

// over is asked at each tick, with how many sessions there are now. The storm is over when fewer than a twentieth came or went since
// the last tick.
func (s *settling) over(now int) bool {
	calm := distance(now, s.last) <= max(now, s.last)/20
	s.last = now
	if !calm || distance(now, s.settled) < max(storm, s.settled/4) {
		return false
	}
	s.settled = now
	return true
}

func distance(a, b int) int { return max(a-b, b-a) }
