package rooms

// This file: publications to many subscribers.

import (
	"fmt"
	"time"

	"github.com/ringdown/ringdown/bench/frames"
	"github.com/ringdown/ringdown/loadtest"
)

// fanout is the publications of a measurement. They are numbered, and each subscriber hears them in order, so that those
// under way are never more than the slots they are kept in.
type fanout struct {
	crowd     *crowd
	publisher *session
	slots     []slot // publication n is in n modulo their number
	published int
	complete  int // heard by all

	deliveries int // of the window
	latencies  loadtest.Histogram
}

type slot struct {
	sent    time.Duration
	missing int // subscribers that have not heard it
}

func (sample *Sample) takeFanout(server *process, protocol *Protocol, p Point, o Options) error {
	c, err := newCrowd(server.address, protocol)
	if err != nil {
		return err
	}
	defer c.close()
	f, err := begin(c, p, o)
	if err != nil {
		return err
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
	sample.work(before, after, f.deliveries, took, &f.latencies)
	return nil
}

// begin has the subscribers join and publications flow, none of which is measured.
func begin(c *crowd, p Point, o Options) (*fanout, error) {
	if err := c.join(p.Clients); err != nil {
		return nil, err
	}
	publisher, err := c.publisher()
	if err != nil {
		return nil, err
	}
	f := &fanout{crowd: c, publisher: publisher, slots: make([]slot, p.InFlight)}
	c.heard = f.heard
	if _, err := f.run(0, 0); err != nil {
		return nil, fmt.Errorf("first publication: %w", err)
	}
	if _, err := f.run(o.Warmup, warm); err != nil {
		return nil, fmt.Errorf("warming up: %w", err)
	}
	return f, nil
}

// run keeps the slots full for as long as d, and until there were so many deliveries at least, and waits until all publications have been heard. So a window begins and ends
// with silence, and its deliveries are exactly those that the server worked on within it.
func (f *fanout) run(d time.Duration, least int) (took time.Duration, err error) {
	c := f.crowd
	f.deliveries, f.latencies = 0, loadtest.Histogram{}
	begin := c.now()
	if err := f.publish(); err != nil {
		return 0, err
	}
	for f.complete < f.published {
		if err := c.turn(0); err != nil {
			return 0, err
		}
		now := c.now()
		if now > begin+d+patience {
			return 0, fmt.Errorf("a publication has not been heard by %d subscribers in %v", f.slots[f.complete%len(f.slots)].missing, patience)
		}
		if now < begin+d || f.deliveries < least {
			if err := f.publish(); err != nil {
				return 0, err
			}
		}
	}
	return c.now() - begin, nil
}

// publish fills the free slots, in one write.
func (f *fanout) publish() error {
	c := f.crowd
	free := len(f.slots) - (f.published - f.complete)
	if free == 0 || len(f.publisher.unsent) > 0 {
		return nil
	}
	now := c.now()
	var out []byte
	for range free {
		f.slots[f.published%len(f.slots)] = slot{sent: now, missing: c.joined}
		out = c.protocol.publication(out, c.server.String(), sheet(f.published))
		f.published++
	}
	return c.send(f.publisher, out)
}

// heard notes that a subscriber has heard publication n.
func (f *fanout) heard(_ *session, n int) error {
	if n >= f.published {
		return fmt.Errorf("publication %d came before it was made", n)
	}
	p := &f.slots[n%len(f.slots)]
	f.deliveries++
	f.latencies.Record(f.crowd.now()-p.sent, 1)
	if p.missing--; p.missing == 0 {
		f.complete++
	}
	return nil
}

// publication appends what publishes a payload: a message, or a request where the protocol has none.
func (p *Protocol) publication(out []byte, host string, payload []byte) []byte {
	if p.Publish == nil {
		return p.Post.request(out, host, payload)
	}
	return frames.Client(out, frames.Header{Fin: true, Opcode: frames.OpText}, [4]byte{}, p.Publish(payload))
}

// request appends the request that publishes a payload.
func (p *Post) request(out []byte, host string, payload []byte) []byte {
	if p.Body != nil {
		payload = p.Body(payload)
	}
	out = fmt.Appendf(out, "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n", p.Path, host, p.Header, len(payload))
	return append(out, payload...)
}
