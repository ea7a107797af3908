// Acknowledgements, both ways: what a client waits for, and what the server waits for.

package socketio

import (
	"context"
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
	done   *atomic.Bool // nil if the client does not ask
}

// Wanted tells whether the client waits for an answer.
func (a Ack) Wanted() bool { return a.done != nil }

// Send answers with arguments, from any goroutine. Only the first answer is sent; where none is wanted, nothing is. The error tells which
// argument cannot be sent, or is [ErrDisconnected].
func (a Ack) Send(args ...any) error {
	if a.done == nil {
		return nil
	}
	e, err := encode(args)
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
	id uint64

	mu      sync.Mutex
	waiting int // for answers; one more while the event is being sent
	replies []Reply
	lost    int           // sockets that have gone
	done    chan struct{} // closed when waiting is 0
}

func newCall(id uint64) *call { return &call{id: id, waiting: 1, done: make(chan struct{})} }

// expect has the call wait for s, whose answer may come from now on. The error is [ErrTooManyAcks] or [ErrDisconnected].
func (c *call) expect(s *Socket) error {
	c.count(+1)
	if err := s.await(c); err != nil {
		c.count(-1)
		return err
	}
	return nil
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
	c.settle(-1)
}

// lose notes that a socket will not answer.
func (c *call) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost++
	c.settle(-1)
}

// result waits for all answers, for as long as ctx and the time-out allow. Then nobody may answer any more.
func (c *call) result(ctx context.Context, timeout time.Duration, asked []*Socket) ([]Reply, error) {
	c.count(-1)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	var err error
	select {
	case <-c.done:
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = context.DeadlineExceeded
	}
	for _, s := range asked {
		s.forget(c)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.waiting == 0 && c.lost == 0: // at the last moment, perhaps
		err = nil
	case c.waiting > 0:
		err = fmt.Errorf("%w: %d of %d have answered (%w)", ErrTimeout, len(c.replies), len(asked), err)
	default:
		err = fmt.Errorf("%w: %d of %d have answered", ErrDisconnected, len(c.replies), len(asked))
	}
	return append([]Reply(nil), c.replies...), err
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
	return nil
}

// forget ends await.
func (s *Socket) forget(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.acks, c.id)
}

// answered takes an acknowledgement of the client; one that nobody waits for is ignored.
func (s *Socket) answered(id uint64, args Args) {
	s.mu.Lock()
	c := s.acks[id]
	delete(s.acks, id)
	if len(s.acks) == 0 {
		s.acks = nil
	}
	s.mu.Unlock()
	if c != nil {
		c.answer(s, args)
	}
}

// waited tells whether an acknowledgement is waited for.
func (s *Socket) waited(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acks[id] != nil
}
