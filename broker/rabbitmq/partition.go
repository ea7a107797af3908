// A partition: one log, the state that follows from it, and the calls that wait for their record to come back.

package rabbitmq

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// partitions is how many logs there are. It is the same for all nodes, for ever.
const partitions = 4

// partition is driven by one goroutine per session, which reads the log; calls come from any other.
type partition struct {
	broker *Broker
	index  int
	wake   chan struct{} // there is something in queue

	mu      sync.Mutex // guards what follows; never held while the sink is told or the network waited for
	up      bool       // there is a session, which writes what is queued
	live    bool       // it has read everything that was there when the session began
	state   *state     // nil until it is known
	mark    mark       // of the last record in state
	seq     uint64     // of the last call
	queue   []*call    // to be written, by seq
	forgone int        // of these, at most so many that nobody waits for any more
	pending map[uint64]*call
	fence   *call // a barrier in queue that others may wait for as well
	caught  *call // the barrier that this session began with
	subs    map[string]hub.Retention
	own     map[membership]hub.Member // that this node has brought, and that are to be there
	owed    map[membership]bool       // that are to leave, and may not have
	heard   map[string]time.Time      // by this node's clock, of every owner
	beating *call

	loading // while state is nil, and until live

	unsaved  int // bytes of the log since the last snapshot
	snapshot int // bytes of the last one of this node
}

type membership struct{ channel, session string }

// mark identifies a record, so that another log is not taken for the same.
type mark struct {
	at   uint64
	hash uint64
}

// call is a record that this node has written or will write, and who waits for it to come back.
type call struct {
	rec      record
	insist   bool // it is written again after an outage; otherwise it fails with it
	sent     bool
	accepted func(*outcome) // called with the partition's lock as soon as the record is applied; may be nil

	done chan struct{} // closed once what follows is set
	out  outcome
	err  error
}

// ended tells whether a call has an outcome or an error.
func (c *call) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func newPartition(b *Broker, index int) *partition {
	return &partition{broker: b, index: index, wake: make(chan struct{}, 1), pending: make(map[uint64]*call), subs: make(map[string]hub.Retention),
		own: make(map[membership]hub.Member), owed: make(map[membership]bool), heard: make(map[string]time.Time)}
}

var (
	errDown    = errors.New("there is no connection")
	errBlocked = errors.New("RabbitMQ takes nothing because it is short of memory or disk")
	errLate    = errors.New("the log was reset meanwhile")
)

// propose queues a record. A call that does not insist fails at once if it cannot be written now.
func (p *partition) propose(r record, insist bool, accepted func(*outcome)) *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proposeLocked(r, insist, accepted)
}

func (p *partition) proposeLocked(r record, insist bool, accepted func(*outcome)) *call {
	c := &call{rec: r, insist: insist, accepted: accepted, done: make(chan struct{})}
	switch tooLarge := p.broker.tooLarge(r.bound()); {
	case tooLarge != nil:
		c.err = tooLarge
		close(c.done)
	case !insist && !p.up:
		c.err = errDown
		close(c.done)
	case !insist && p.broker.blocked.Load():
		c.err = errBlocked
		close(c.done)
	default:
		p.enqueue(c)
	}
	return c
}

// enqueue gives a call the next number. Called with the lock.
func (p *partition) enqueue(c *call) {
	p.seq++
	c.rec.Owner, c.rec.Seq, c.sent = p.broker.owner, p.seq, false
	p.pending[p.seq] = c
	p.queue = append(p.queue, c)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// do proposes a record and waits until it has come back, for at most a time.
func (p *partition) do(ctx context.Context, limit time.Duration, r record, insist bool, accepted func(*outcome)) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := p.propose(r, insist, accepted)
	if err := p.wait(ctx, c); err != nil {
		return nil, err
	}
	return &c.out, nil
}

// wait waits for a call of one's own, and gives it up if that lasts too long.
func (p *partition) wait(ctx context.Context, c *call) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.ended() { // both at once
		return c.err
	}
	p.giveUp(c)
	if c.sent {
		return maybe{ctx.Err()}
	}
	return ctx.Err()
}

// giveUp forgets a call. While nothing is written very many may be given up, so the queue is cleared of them, once in a while since that takes
// as long as the queue is. Called with the lock.
func (p *partition) giveUp(c *call) {
	delete(p.pending, c.rec.Seq)
	if p.forgone++; p.forgone <= len(p.queue)/2 {
		return
	}
	p.queue = slices.DeleteFunc(p.queue, func(c *call) bool { return p.pending[c.rec.Seq] != c })
	p.forgone = 0
}

// maybe is an error of something that may have been done all the same.
type maybe struct{ error }

func (m maybe) Unwrap() error { return m.error }

// catchUp waits until the state holds everything that was in the log when it is called. Calls at the same time share a record.
func (p *partition) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.broker.options.Timeout)
	defer cancel()
	p.mu.Lock()
	c := p.fence
	if c == nil {
		c = p.proposeLocked(record{Kind: barrier}, true, nil)
		p.fence = c
	}
	p.mu.Unlock()
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take returns what is to be written, as bytes. Times are set now, so that they grow with the numbers.
func (p *partition) take() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fence = nil
	var all [][]byte
	now := time.Now().UnixMicro()
	for _, c := range p.queue {
		if p.pending[c.rec.Seq] == c { // nobody has given it up
			c.sent, c.rec.Time = true, now
			all = append(all, c.rec.encode())
		}
	}
	p.queue, p.forgone = nil, 0
	return all
}

// finish ends a call. Called with the lock.
func (p *partition) finish(c *call, out outcome, err error) {
	delete(p.pending, c.rec.Seq)
	c.out, c.err = out, err
	if err == nil && c.accepted != nil {
		c.accepted(&c.out)
	}
	close(c.done)
}

// begin starts a session: it returns where to read from, and has written again what insists.
func (p *partition) begin() (from uint64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up, p.live = true, false
	for _, c := range p.pending {
		if err := p.broker.tooLarge(c.rec.bound()); err != nil { // it would end this session as well
			p.finish(c, outcome{}, err)
		}
	}
	p.queue, p.forgone = sortedCalls(p.pending), 0 // under their old numbers, so that what has come before is known again
	p.caught = p.proposeLocked(record{Kind: barrier}, true, nil)
	p.loading.begin()
	if p.state == nil {
		return 0, false
	}
	return p.mark.at, true
}

// end is the opposite of begin.
func (p *partition) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up, p.live = false, false
	if p.suspect {
		p.forget()
	}
	if p.caught != nil {
		delete(p.pending, p.caught.rec.Seq)
	}
	for _, c := range p.pending {
		switch {
		case c.insist:
		case c.sent:
			p.finish(c, outcome{}, maybe{errDown})
		default:
			p.finish(c, outcome{}, errDown)
		}
	}
}

// isLive tells whether the state follows the log.
func (p *partition) isLive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live
}
