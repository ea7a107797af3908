// Acknowledgements, both ways: what a client waits for, and what the server waits for.

package socketio

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
)

// Why an acknowledgement did not come. Compare with errors.Is.
var (
	// ErrTimeout: the time-out, or the context's end, came first.
	ErrTimeout = errors.New("socketio: the acknowledgement did not come in time")
	// ErrDisconnected: the socket has gone, or went meanwhile.
	ErrDisconnected = errors.New("socketio: the socket is disconnected")
	// ErrTooManyAcks: as many acknowledgements of the socket are waited for as may be.
	ErrTooManyAcks = errors.New("socketio: too many acknowledgements of this socket are waited for; raise Options.MaxAcks, or wait for some")
)

// Ack answers an event. A handler takes one as its last argument, whether or not the client asks for an answer.
type Ack struct {
	socket *Socket
	id     uint64
	done   *atomic.Bool             // nil if the client does not ask
	server chan<- []json.RawMessage // takes the answer to another node, which then has asked; nil otherwise
}

// Wanted tells whether the client waits for an answer, or another node does.
func (a Ack) Wanted() bool { return a.done != nil }

// Send answers with arguments, from any goroutine. Only the first answer is sent; where none is wanted, nothing is. The error tells which
// argument cannot be sent, or is [ErrDisconnected].
func (a Ack) Send(args ...any) error {
	if a.done == nil {
		return nil
	}
	if a.server != nil {
		elements, err := betweenServers(args)
		if err == nil && !a.done.Swap(true) {
			a.server <- elements
		}
		return err
	}
	e, err := encode(args, a.socket.conn.server.limits.Attachments)
	if err != nil {
		return err
	}
	if a.done.Swap(true) {
		return nil
	}
	text := packetText(packet.Ack, a.socket.namespace.name, "", a.id, true, e, "")
	if !a.socket.conn.write(text, e.attachments) {
		return ErrDisconnected
	}
	return nil
}

// fail answers with an error, unless there was an answer; it reports whether the client learns of it.
func (a Ack) fail(problem problem) bool {
	if a.done == nil || a.done.Load() {
		return false
	}
	if a.socket.conn.server.options.Direct != nil {
		return a.Send(problem.refusal()) == nil
	}
	return a.Send(problem) == nil
}

// Reply is what one socket answered.
type Reply struct {
	Socket string // its id
	Args
}

// call is an event whose answers are waited for: of one socket or of many, under one id.
type call struct {
	id    uint64
	asked []*Socket

	mu      sync.Mutex
	waiting int // for answers; one more while the event is being sent
	replies []Reply
	came    int // answers
	lost    int // sockets that have gone
	refused int
	done    chan struct{} // closed when waiting is 0
}

func newCall(id uint64, asked []*Socket) *call {
	return &call{id: id, asked: asked, waiting: 1, done: make(chan struct{})}
}

// expect has the call wait for s, whose answer may come from now on, if it can.
func (c *call) expect(s *Socket) (ok bool) {
	c.count(+1)
	switch err := s.await(c); err {
	case nil:
		return true
	case ErrTooManyAcks:
		c.miss(&c.refused)
	default:
		c.miss(&c.lost)
	}
	return false
}

func (c *call) count(change int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(change)
}

// settle is called with the lock.
func (c *call) settle(change int) {
	if c.waiting += change; c.waiting == 0 {
		close(c.done)
	}
}

// answer takes a socket's answer.
func (c *call) answer(s *Socket, args Args) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replies = append(c.replies, Reply{s.id, args})
	c.came++
	c.settle(-1)
}

// lose notes that a socket will not answer.
func (c *call) lose() { c.miss(&c.lost) }

// miss counts a socket that will not answer.
func (c *call) miss(what *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*what++
	c.settle(-1)
}

// tally is what has become of a question.
type tally struct {
	Asked   int `json:"asked"`             // sockets
	Came    int `json:"came"`              // answers
	Lost    int `json:"lost,omitempty"`    // sockets that have gone meanwhile
	Refused int `json:"refused,omitempty"` // sockets of which too many answers were waited for
}

func (t *tally) add(o tally) {
	t.Asked, t.Came, t.Lost, t.Refused = t.Asked+o.Asked, t.Came+o.Came, t.Lost+o.Lost, t.Refused+o.Refused
}

// problem is why there is not an answer of each socket; nil if there is. over is why nobody waits any more.
func (t tally) problem(over error) error {
	switch {
	case t.Came+t.Lost+t.Refused < t.Asked:
		return fmt.Errorf("%w: %d of %d have answered (%w)", ErrTimeout, t.Came, t.Asked, cmp.Or(over, context.DeadlineExceeded))
	case t.Lost > 0:
		return fmt.Errorf("%w: %d of %d have answered", ErrDisconnected, t.Came, t.Asked)
	case t.Refused > 0:
		return ErrTooManyAcks
	}
	return nil
}

// wait waits for all answers, for as long as ctx allows. each, if not nil, is called now and then with those that have come since.
func (c *call) wait(ctx context.Context, each func([]Reply)) {
	var now <-chan time.Time
	if each != nil {
		ticker := time.NewTicker(passOn)
		defer ticker.Stop()
		now = ticker.C
	}
	for {
		select {
		case <-c.done:
			return
		case <-ctx.Done():
			return
		case <-now:
			if some := c.take(); len(some) > 0 {
				each(some)
			}
		}
	}
}

// passOn is how often a node passes on the answers of its sockets to the one that has asked for them.
const passOn = 50 * time.Millisecond

// take takes the answers that have come since it was called last.
func (c *call) take() (some []Reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	some, c.replies = c.replies, nil
	return some
}

// end has nobody answer any more. It returns the answers that were not taken, and what has become of the question.
func (c *call) end() ([]Reply, tally) {
	for _, s := range c.asked {
		s.forget(c)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replies, tally{len(c.asked), c.came, c.lost, c.refused}
}

// await has the socket's answer to a call go to it.
func (s *Socket) await(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return ErrDisconnected
	case len(s.acks) >= s.namespace.server.options.MaxAcks:
		return ErrTooManyAcks
	case s.acks == nil:
		s.acks = make(map[uint64]*call)
	}
	s.acks[c.id] = c
	s.conn.queue.ask(+1)
	return nil
}

// forget ends await, and reports whether the answer still was waited for.
func (s *Socket) forget(c *call) (waited bool) { return s.unwait(c.id) != nil }

// unwait returns the call that waited for an answer, which does so no more; nil if there is none.
func (s *Socket) unwait(id uint64) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.acks[id]
	if c == nil {
		return nil
	}
	if delete(s.acks, id); len(s.acks) == 0 {
		s.acks = nil
	}
	s.conn.queue.ask(-1)
	return c
}

// answered takes an acknowledgement of the client; one that nobody waits for is ignored.
func (s *Socket) answered(id uint64, args Args) {
	if c := s.unwait(id); c != nil {
		c.answer(s, args)
	}
}

// waited tells whether an acknowledgement is waited for.
func (s *Socket) waited(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acks[id] != nil
}
