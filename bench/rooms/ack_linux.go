package rooms

// This file: events that clients want acknowledged, one at a time each.

import (
	"fmt"
	"time"

	"github.com/ringdown/ringdown/loadtest"
)

// asking is the round trips of a measurement.
type asking struct {
	crowd     *crowd
	asked     []time.Duration // when each session's event left, by its index
	open      bool            // within the window: who is answered asks again
	out       int             // events without an answer
	answered  int             // of the window
	latencies loadtest.Histogram
}

func (sample *Sample) takeAck(server *process, protocol *Protocol, p Point, o Options) error {
	c, err := newCrowd(server.address, protocol)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.join(p.Clients); err != nil {
		return err
	}
	f := &asking{crowd: c, asked: make([]time.Duration, len(c.sessions))}
	c.heard = f.hear
	if _, err := f.run(0, 0); err != nil {
		return fmt.Errorf("first events: %w", err)
	}
	if _, err := f.run(o.Warmup, warm); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	before, err := server.usage()
	if err != nil {
		return err
	}
	took, err := f.run(o.Window, 0)
	if err != nil {
		return err
	}
	after, err := server.usage()
	if err != nil {
		return err
	}
	sample.work(before, after, f.answered, took, &f.latencies)
	return nil
}

// run keeps an event under way on every session for as long as d, and until so many were answered at least, and waits until all are.
func (f *asking) run(d time.Duration, least int) (took time.Duration, err error) {
	c := f.crowd
	f.answered, f.latencies, f.open = 0, loadtest.Histogram{}, d > 0 || least > 0
	begin := c.now()
	for _, s := range c.sessions {
		if err := f.ask(s); err != nil {
			return 0, err
		}
	}
	for f.out > 0 {
		if err := c.turn(0); err != nil {
			return 0, err
		}
		now := c.now()
		f.open = now < begin+d || f.answered < least
		if now > begin+d+patience {
			return 0, fmt.Errorf("%d events were not answered within %v", f.out, patience)
		}
	}
	return c.now() - begin, nil
}

// ask sends an event with the number of the answer that the session hears next.
func (f *asking) ask(s *session) error {
	f.asked[s.index] = f.crowd.now()
	f.out++
	return f.crowd.say(s, f.crowd.protocol.Ask(sheet(s.next)))
}

func (f *asking) hear(s *session, _ int) error {
	f.out--
	f.answered++
	f.latencies.Record(f.crowd.now()-f.asked[s.index], 1)
	if f.open {
		return f.ask(s)
	}
	return nil
}
