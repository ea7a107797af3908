// Fan-out: one connection publishes, all others hear it.

package loadtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

const (
	smallestPublication = 64
	probeInterval       = 250 * time.Millisecond // between publications that find out who listens
)

// Fanout opens [Options.Connections] subscribers and publishes over one connection more, for [Options.Duration], to a
// server that sends what one client says to all of them, as the channels of ringdown serve --dev do. InFlight is how many
// publications may be on their way, and Rate how many are made a second; Messages of the result are deliveries.
//
// A publication is a text message, and JSON: an object with a number in it.
func Fanout(ctx context.Context, o Options) (*Result, error) {
	r, err := newRun(o)
	if err != nil {
		return nil, err
	}
	if r.o.Size < smallestPublication {
		return nil, fmt.Errorf("a publication of %d bytes has no room for its number; %d are the least", r.o.Size, smallestPublication)
	}
	defer r.report()()
	if err := r.look(before); err != nil {
		return nil, err
	}
	publisher, err := r.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("the connection that publishes: %w", err)
	}
	defer publisher.CloseNow()
	defer r.hangUp()
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	f := &fanout{run: r, flow: newFlow(), publisher: publisher, paper: newPaper(r.o.Size)}
	if err := f.publish(ctx); err != nil {
		return nil, err
	}
	return r.finish(ctx), r.look(after)
}

// fanout is the publications of a run. Each subscriber hears them in the order of their numbers, so those under way are
// never more than the slots they are kept in.
type fanout struct {
	*run
	flow      *flow
	publisher *websocket.Conn
	paper     paper
	room      chan struct{} // bounds the publications on their way

	all     sync.Mutex // guards what is below
	silent  int        // subscribers that have heard nothing yet
	present chan struct{}
	live    int    // subscribers that still hear
	slots   []slot // publication n is in slot n modulo their number
	next    int    // number of the next publication
}

type slot struct {
	sent    time.Time
	missing int // subscribers that have not heard it
}

// publish finds out that all subscribers listen, and then lets publications flow.
func (f *fanout) publish(ctx context.Context) error {
	f.room = make(chan struct{}, f.o.InFlight)
	f.slots = make([]slot, f.o.InFlight)
	f.live, f.silent, f.present = len(f.conns), len(f.conns), make(chan struct{})
	hearing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var subscribers sync.WaitGroup
	for _, c := range f.conns {
		subscribers.Go(func() { f.hear(hearing, c) })
	}
	over := make(chan struct{})
	go func() { // ends with the subscribers, whom the end of hearing ends
		subscribers.Wait()
		close(over)
	}()
	lost := f.publisher.CloseRead(hearing)
	defer func() {
		cancel()
		<-over
	}()

	if err := f.gather(ctx, over); err != nil || ctx.Err() != nil {
		return err
	}
	if err := f.look(open); err != nil {
		return err
	}
	f.enter("running")
	began := time.Now()
	var sender sync.WaitGroup
	sender.Go(func() { f.send(lost, began) })
	missing := f.flow.run(ctx, f.o.Duration, f.o.Patience, lost.Done(), over)
	f.result.Elapsed = time.Since(began)
	if lost.Err() != nil {
		f.failed(1, "the connection that publishes was lost")
	}
	cancel()
	sender.Wait()
	if missing > 0 {
		f.failed(missing, "not delivered within "+f.o.Patience.String())
	}
	return nil
}

// gather publishes until every subscriber has heard something: a server may take its time to subscribe a connection.
func (f *fanout) gather(ctx context.Context, over <-chan struct{}) error {
	if len(f.conns) == 0 {
		return nil
	}
	patience := time.NewTimer(f.o.Patience)
	defer patience.Stop()
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		if err := f.publisher.Write(ctx, websocket.Text, f.paper.hello()); err != nil && ctx.Err() == nil {
			return fmt.Errorf("publishing: %w", err)
		}
		select {
		case <-f.present:
			return nil
		case <-ctx.Done():
			return nil
		case <-over:
			return errors.New("all subscribers were lost before the first publication")
		case <-patience.C:
			f.all.Lock()
			defer f.all.Unlock()
			return fmt.Errorf("%d of %d subscribers heard nothing of what was published within %v; does the server send what one client says to all?",
				f.silent, len(f.conns), f.o.Patience)
		case <-ticker.C:
		}
	}
}

// send publishes whenever there is room, and not before a publication is due.
func (f *fanout) send(lost context.Context, began time.Time) {
	pace := newPace(began, f.o.Rate, 0, 1)
	for n := 0; ; n++ {
		at, ok := pace.wait(n, f.flow, lost.Done())
		if !ok {
			return
		}
		select {
		case f.room <- struct{}{}:
		case <-f.flow.stopped:
			return
		case <-lost.Done():
			return
		}
		if !f.announce(n, at) {
			return
		}
		if err := f.publisher.Write(lost, websocket.Text, f.paper.number(n)); err != nil {
			f.failed(1, "publishing: "+kindOf(err))
			return
		}
		f.mu.Lock()
		f.result.Sent++
		f.mu.Unlock()
	}
}

// announce makes publication n known to those who will hear it.
func (f *fanout) announce(n int, at time.Time) bool {
	f.all.Lock()
	defer f.all.Unlock()
	if f.live == 0 || !f.flow.begin(f.live) {
		return false
	}
	if at.IsZero() {
		at = time.Now()
	}
	f.slots[n%len(f.slots)] = slot{sent: at, missing: f.live}
	f.next = n + 1
	return true
}

// hear is the life of one subscriber.
func (f *fanout) hear(ctx context.Context, c *websocket.Conn) {
	s := &subscriber{fanout: f}
	for m, err := range c.Messages(ctx) {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.leave(c, err)
			return
		}
		s.take(m.Data)
	}
	if ctx.Err() == nil {
		s.leave(c, nil)
	}
}

type subscriber struct {
	*fanout
	greeted bool // it has heard something
	heard   int  // publications, which is the number of the next one
}

// take counts a message, if it is one of this run.
func (s *subscriber) take(data []byte) {
	n, ours := s.paper.read(data)
	if !ours {
		return
	}
	s.all.Lock()
	defer s.all.Unlock()
	s.greet()
	switch {
	case n < 0: // a hello
	case n < s.heard || n >= s.next:
		s.failed(1, "a publication came twice or out of order")
	default:
		if missed := n - s.heard; missed > 0 {
			s.failed(missed, "a publication was missed")
			s.settle(n)
		}
		s.answered(len(data), time.Since(s.slots[n%len(s.slots)].sent))
		s.settle(n + 1)
	}
}

func (s *subscriber) greet() {
	if s.greeted {
		return
	}
	s.greeted = true
	if s.silent--; s.silent == 0 {
		close(s.present)
	}
}

// settle closes this subscriber's account of all publications before the one numbered.
func (s *subscriber) settle(number int) {
	s.flow.end(number - s.heard)
	for ; s.heard < number; s.heard++ {
		slot := &s.slots[s.heard%len(s.slots)]
		if slot.missing--; slot.missing == 0 {
			<-s.room
		}
	}
}

// leave is the end of a subscriber whose connection was lost.
func (s *subscriber) leave(c *websocket.Conn, err error) {
	s.lost(c, err)
	s.all.Lock()
	defer s.all.Unlock()
	s.live--
	if missed := s.next - s.heard; missed > 0 {
		s.failed(missed, "a publication was missed by a lost subscriber")
	}
	s.settle(s.next)
	s.greet() // nobody waits for it any more
}

// paper is what publications are written on: all is the same but the number, at a place that readers know.
type paper struct {
	sheet []byte
	at    int // where the number is
}

const (
	digits = 10
	hello  = "hello     "
)

// newPaper marks the publications of one run, so that others in the same channel do not disturb it.
func newPaper(size int) paper {
	sheet := fmt.Appendf(nil, `{"load":"%08x","n":"`, rand.Uint32())
	p := paper{at: len(sheet)}
	sheet = append(sheet, hello...)
	sheet = append(sheet, `","text":"`...)
	const tail = `"}`
	sheet = append(sheet, text(size-len(sheet)-len(tail))...)
	p.sheet = append(sheet, tail...)
	return p
}

func (p paper) hello() []byte { return p.sheet }

func (p paper) number(n int) []byte {
	sheet := bytes.Clone(p.sheet)
	copy(sheet[p.at:], fmt.Sprintf("%0*d", digits, n))
	return sheet
}

// read returns the number of a publication of this run, which is -1 for a hello.
func (p paper) read(sheet []byte) (n int, ours bool) {
	end := p.at + digits
	if len(sheet) != len(p.sheet) || !bytes.Equal(sheet[:p.at], p.sheet[:p.at]) || !bytes.Equal(sheet[end:], p.sheet[end:]) {
		return 0, false
	}
	if string(sheet[p.at:end]) == hello {
		return -1, true
	}
	n, err := strconv.Atoi(string(sheet[p.at:end]))
	return n, err == nil
}
