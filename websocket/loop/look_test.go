// The look at a connection, and the clocks that do not agree.

package loop

import (
	"math"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
)

// A loop hears of a tick after the server's clock has made it: what began meanwhile is younger than the loop's time, and
// not older by thirteen years.
func TestWhatIsYoungerThanTheLoopsTimeIsNotDue(t *testing.T) {
	opts := Options{Goroutines: true}
	opts.Accept.KeepAlive = websocket.KeepAlive{Interval: time.Second, Timeout: time.Second}
	s, err := New(Handler{}, &opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	for _, now := range []wheel.Tick{10, math.MaxUint32 - 1, math.MaxUint32} {
		for name, c := range map[string]*Conn{
			"silent":     {since: now + 1},
			"pinged":     {since: now - 20, pinged: now + 2},
			"slow":       {since: now, blocked: now + 1},
			"closing":    {since: now + 1},
			"lingering":  {since: now + 3},
			"unfinished": {since: now},
			"waiting":    {since: now},
		} {
			c.server, c.driver = s, deaf{}
			state := stateOpen
			switch name {
			case "closing":
				state = stateClosing
			case "lingering":
				state = stateLingering
			case "unfinished":
				c.unfinished.Store(uint32(now + 1))
			case "waiting":
				c.out.Add(outbox.Item{Bytes: []byte("x"), At: now + 1})
			}
			c.state.Store(uint32(state))
			again, ok := c.look(now, false)
			if c.at() != state || c.err != nil || !ok || again == 0 || again > wheel.Slots {
				t.Errorf("%s at %d: state %d, error %v, looked at again after %d, %t", name, now, c.at(), c.err, again, ok)
			}
		}
	}
}

// What is encrypted and under way is not in the outbox any more, but what is queued behind it ages.
func TestALineThatIsFullIsLookedAtInTime(t *testing.T) {
	s, err := New(Handler{}, &Options{Goroutines: true, Outbox: Outbox{Age: 3 * wheel.Step, Policy: DropOldest}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	c := &Conn{server: s, driver: deaf{}, since: 100, blocked: 100}
	if again, ok := c.look(100, false); !ok || again > 3 {
		t.Errorf("looked at again after %d steps, %t", again, ok)
	}
}

// The answer to a ping may take as long as it is allowed to, and the next ping is due an interval later all the same.
func TestALateAnswerDoesNotPutOffTheNextPing(t *testing.T) {
	opts := Options{Goroutines: true}
	opts.Accept.KeepAlive = websocket.KeepAlive{Interval: 2 * wheel.Step, Timeout: time.Minute}
	s, err := New(Handler{}, &opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	for _, late := range []wheel.Tick{1, 2, 3, 10, 500} {
		c := &Conn{server: s, driver: deaf{}, since: 100}
		now, pings, answers := wheel.Tick(100), 0, wheel.Tick(math.MaxInt32)
		for c.at() == stateOpen && now < 5000 {
			again, _ := c.look(now, false)
			if !c.out.Empty() {
				c.out.Clear(false)
				pings++
				answers = now + late
			}
			for range again { // the wheel turns
				if now++; now == answers {
					c.active.Store(true)
				}
			}
		}
		if least := int(4900 / (late + 6)); pings < least || c.Err() != nil {
			t.Errorf("answers after %d steps: %d pings in 4,900 steps, want %d, and Err is %v", late, pings, least, c.Err())
		}
	}
}

// A connection for which a limit is off is not looked at for that limit.
func TestALimitThatIsOffAsksForNoLook(t *testing.T) {
	s, err := New(Handler{}, &Options{Goroutines: true, Accept: websocket.AcceptOptions{Limits: websocket.Limits{FrameTimeout: -1, WriteTimeout: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	c := &Conn{server: s}
	if d, ok := c.look(5, false); !ok || d < 100 {
		t.Errorf("an idle connection is looked at again in %d steps", d)
	}
}
