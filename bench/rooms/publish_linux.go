package rooms

// This file: publishing over HTTP, with one subscriber who sees that everything arrives.

import (
	"fmt"
	"time"

	"github.com/ringdown/ringdown/loadtest"
)

// posting is the requests of a measurement: one at a time on each connection.
type posting struct {
	crowd     *crowd
	asked     map[*session]time.Duration // when the request left that a connection waits for
	open      bool                       // within the window: who is answered asks again
	posted    int
	out       int // requests without an answer
	published map[int]bool
	heard     int
	answered  int // of the window
	latencies loadtest.Histogram
}

func (sample *Sample) takePublish(server *process, protocol *Protocol, p Point, o Options) error {
	c, err := newCrowd(server.address, protocol)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.join(1); err != nil {
		return err
	}
	posters := make([]*session, p.Clients)
	for i := range posters {
		if posters[i], err = c.poster(); err != nil {
			return err
		}
	}
	f := &posting{crowd: c, asked: map[*session]time.Duration{}, published: map[int]bool{}}
	c.unordered, c.heard, c.answered = true, f.hear, f.hearAnswer
	if _, err := f.run(posters, 0, 0); err != nil {
		return fmt.Errorf("first requests: %w", err)
	}
	if _, err := f.run(posters, o.Warmup, warm); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	before, err := server.usage()
	if err != nil {
		return err
	}
	took, err := f.run(posters, o.Window, 0)
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

// run keeps a request under way on every connection for as long as d, and until so many were answered at least, and waits until
// all are answered and all that was published has been heard.
func (f *posting) run(posters []*session, d time.Duration, least int) (took time.Duration, err error) {
	c := f.crowd
	f.answered, f.latencies, f.open = 0, loadtest.Histogram{}, d > 0 || least > 0
	begin := c.now()
	for _, s := range posters {
		if err := f.post(s); err != nil {
			return 0, err
		}
	}
	for f.out > 0 || f.heard < f.posted {
		if err := c.turn(0); err != nil {
			return 0, err
		}
		now := c.now()
		f.open = now < begin+d || f.answered < least
		if now > begin+d+patience {
			return 0, fmt.Errorf("of %d publications %d were not answered and %d not heard within %v",
				f.posted, f.out, f.posted-f.heard, patience)
		}
	}
	return c.now() - begin, nil
}

func (f *posting) post(s *session) error {
	c := f.crowd
	f.asked[s] = c.now()
	request := c.protocol.Post.request(nil, c.server.String(), sheet(f.posted))
	f.posted++
	f.out++
	return c.send(s, request)
}

func (f *posting) hearAnswer(s *session) error {
	f.out--
	f.answered++
	f.latencies.Record(f.crowd.now()-f.asked[s], 1)
	if f.open {
		return f.post(s)
	}
	return nil
}

func (f *posting) hear(_ *session, n int) error {
	if n >= f.posted || f.published[n] {
		return fmt.Errorf("publication %d came twice, or before it was made", n)
	}
	f.published[n] = true
	f.heard++
	return nil
}
