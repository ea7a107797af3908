// How a gateway that stops takes leave: over which time its clients are told, and when each is to come back.

package line

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket/loop"
)

// DefaultWindow is the time over which [Lines.Shutdown] spreads its goodbyes.
const DefaultWindow = 4 * time.Second

const (
	// pace is the longest time between two goodbyes: a node that has few clients need not take the whole window for them.
	pace = 10 * time.Millisecond
	// leastReturn is over how long a time clients come back at least, if the window allows it, so that they find the node again.
	leastReturn = 3 * time.Second
)

// farewell is how clients are told goodbye.
type farewell struct {
	spread time.Duration // over which they are told
	within time.Duration // after which they are back, counted from when each is told
}

// farewellOver is the farewell of so many clients within a window.
func farewellOver(window time.Duration, clients int) farewell {
	window = max(window, 0)
	f := farewell{spread: min(window, time.Duration(clients)*pace)}
	f.within = min(window, max(f.spread, leastReturn))
	return f
}

// Spread is the time over which so many clients are told goodbye within a window.
func Spread(window time.Duration, clients int) time.Duration {
	return farewellOver(window, clients).spread
}

// draw is a time below most, each as likely as the other; 0 if most is.
func draw(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}

// Shutdown is ShutdownOver with DefaultWindow.
func (ls *Lines) Shutdown(ctx context.Context) error { return ls.ShutdownOver(ctx, DefaultWindow) }

// ShutdownOver refuses new lines, closes those that are open with 1012, spread evenly over the window, so that their clients do not
// all come back in the same moment, and waits until all have gone. Few clients take less, 10 ms for each session of the hub. When
// ctx ends first, what is left is cut and the error is ctx's: give it longer than the window. Another call returns at once.
func (ls *Lines) ShutdownOver(ctx context.Context, window time.Duration) error {
	f := farewellOver(window, ls.hub.Sessions())
	if !ls.farewell.CompareAndSwap(nil, &f) {
		return nil
	}
	close(ls.leaving)
	defer ls.cancel()
	code, reason := Goodbye(hub.ErrShutdown)
	var told atomic.Int64
	err := ls.server.ShutdownPaced(ctx, loop.Drain{Code: code, Reason: reason, Window: f.spread,
		Close: func(c *loop.Conn) {
			told.Add(1)
			client := c.Data.(Client)
			client.Base().session.Blame(hub.ErrShutdown)
			client.End(hub.ErrShutdown)
		}})
	ls.log.Info("closed all lines", "connections", told.Load(), "close", int(code), "cause", reason, "spread", f.spread.Round(time.Millisecond))
	return err
}

// Turn is after how long a client is to be told that is not on a line, once ShutdownOver was called: a random time, over which
// the lines are told as well.
func (ls *Lines) Turn() time.Duration {
	if f := ls.farewell.Load(); f != nil {
		return draw(f.spread)
	}
	return 0
}

// ComeBack is after how long a client that is told goodbye now is to come back: a random time within the window of ShutdownOver, or
// within three seconds if the hub alone shuts down.
func (ls *Lines) ComeBack() time.Duration {
	if f := ls.farewell.Load(); f != nil {
		return draw(f.within)
	}
	return draw(leastReturn)
}

// RetryAfter is the value of Retry-After as [RetryAfter] has it; for a refusal because of a shutdown it is drawn like ComeBack.
func (ls *Lines) RetryAfter(err error) string {
	if r, _ := hub.RefusalOf(err); r.Status == http.StatusServiceUnavailable && r.Code == hub.ShuttingDown {
		return WholeSeconds(ls.ComeBack())
	}
	return RetryAfter(err)
}

// WholeSeconds is a time as HTTP says it, rounded up, and at least 1.
func WholeSeconds(d time.Duration) string {
	return strconv.Itoa(max(1, int((d+time.Second-1)/time.Second)))
}
