// The connection over which a partition's publications come. One goroutine makes it, restores what is subscribed to, and does what
// Subscribe and Unsubscribe have left to be done, many channels at a time.

package redis

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/ringdown/ringdown/hub"
)

const (
	// batch is how many channels one command names.
	batch = 128
	// firstPause is the longest first pause before a connection is made again. It doubles up to Options.MaxPause.
	firstPause = 50 * time.Millisecond
)

// link is the connection of a partition, or the lack of one.
type link struct {
	part *partition
	wake chan struct{} // there is something to do
	up   atomic.Bool   // everything is subscribed

	mu     sync.RWMutex // guards what follows; every message and publication reads
	begun  bool         // its goroutine runs
	wanted map[string]*subscription
	todo   map[string]bool // channels that must be subscribed to, unsubscribed from or asked for
	fixed  map[string]target
}

func newLink(p *partition) *link {
	return &link{part: p, wake: make(chan struct{}, 1), wanted: make(map[string]*subscription), todo: make(map[string]bool)}
}

// errGone is why a connection is given up that the server has not ended.
var errGone = errors.New("the server has ended a subscription, because the channel has moved")

// subscribe adds a channel, or returns the subscription there is.
func (l *link) subscribe(channel string, r hub.Retention) *subscription {
	if s := l.find(channel); s != nil {
		s.keep(r)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.wanted[channel]
	if s == nil {
		s = &subscription{part: l.part, channel: channel, lane: l.part.broker.lane(channel), retention: r, begun: make(chan struct{})}
		l.wanted[channel] = s
		l.do(channel)
	}
	return s
}

// unsubscribe takes a channel off, if it is still that of s; any if s is nil.
func (l *link) unsubscribe(channel string, s *subscription) {
	l.mu.Lock()
	current := l.wanted[channel]
	if current == nil || s != nil && current != s {
		l.mu.Unlock()
		return
	}
	delete(l.wanted, channel)
	l.do(channel)
	l.mu.Unlock()
	current.leave()
}

// look has a subscription's position asked for. Called with the subscription's lock, which is always taken first.
func (l *link) look(s *subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wanted[s.channel] == s {
		l.do(s.channel)
	}
}

// do notes that something is to be done for a channel. Called with the lock.
func (l *link) do(channel string) {
	l.todo[channel] = true
	l.start()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// start has the goroutine run. Called with the lock.
func (l *link) start() {
	if b := l.part.broker; !l.begun && b.ctx.Err() == nil {
		l.begun = true
		b.working.Go(l.run)
	}
}

// listen adds Pub/Sub channels that are none of the hub's, for good. It is called once, before anything is subscribed to.
func (l *link) listen(to map[string]target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fixed = to
	l.start()
}

// run keeps the connection until the broker is closed.
func (l *link) run() {
	b := l.part.broker
	pause := firstPause
	for first := true; ; first = false {
		c := l.connect()
		if !first {
			b.counters.reconnects.Add(1)
		}
		began := time.Now()
		err := l.serve(c, !first)
		l.up.Store(false)
		c.close()
		if b.ctx.Err() != nil {
			return
		}
		if time.Since(began) > b.options.MaxPause {
			pause = firstPause
		}
		b.options.Log.Warn("redis: the connection for publications is lost; it is made again", "server", l.part.shard.server.name(), "cause", err)
		l.interrupt()
		select {
		case <-time.After(rand.N(pause)):
		case <-b.ctx.Done():
			return
		}
		pause = min(2*pause, b.options.MaxPause)
	}
}

func (l *link) interrupt() {
	for _, s := range l.all() {
		s.interrupt()
	}
}

func (l *link) all() []*subscription {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := make([]*subscription, 0, len(l.wanted))
	for _, s := range l.wanted {
		all = append(all, s)
	}
	return all
}

// connection is one to the server, on which publications come.
type connection struct {
	link       *link
	client     rueidis.DedicatedClient
	lost       <-chan error
	moved      chan struct{}       // the server has ended a subscription
	subscribed map[string]struct{} // of the goroutine of the link: what the server knows

	mu     sync.Mutex // held while something is handed on, so that nothing is after close
	closed bool
	ending map[string]struct{} // of which the server is told that they end, with sharded Pub/Sub
}

func (l *link) connect() *connection {
	client, _ := l.part.shard.client.Dedicate()
	c := &connection{link: l, client: client, moved: make(chan struct{}, 1), subscribed: make(map[string]struct{}), ending: make(map[string]struct{})}
	c.lost = client.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: c.message, OnSubscription: c.notice})
	return c
}

// message hands on what has come. It runs on the goroutine that reads the connection.
func (c *connection) message(m rueidis.PubSubMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	names := &c.link.part.names
	if len(m.Channel) < len(names.live) {
		return
	}
	name := m.Channel[len(names.live):]
	c.link.mu.RLock()
	s, fixed := c.link.wanted[name], c.link.fixed[name]
	c.link.mu.RUnlock()
	switch {
	case s != nil:
		s.lane.add(item{s, m.Message})
	case fixed != nil:
		c.link.part.broker.lanes[0].add(item{fixed, m.Message})
	}
}

// notice watches for subscriptions that a cluster ends because their slot has moved.
func (c *connection) notice(s rueidis.PubSubSubscription) {
	if s.Kind != "sunsubscribe" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, asked := c.ending[s.Channel]; asked {
		delete(c.ending, s.Channel)
		return
	}
	select {
	case c.moved <- struct{}{}:
	default:
	}
}

func (c *connection) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.client.Close()
}

// serve subscribes to everything and then to what comes, until the connection is lost.
func (l *link) serve(c *connection, again bool) error {
	l.mu.Lock()
	for channel := range l.wanted {
		l.todo[channel] = true
	}
	fixed := make([]string, 0, len(l.fixed))
	for name := range l.fixed {
		fixed = append(fixed, l.part.names.channel(name))
	}
	l.mu.Unlock()
	if len(fixed) > 0 {
		if err := c.say(c.subscribing(fixed)); err != nil {
			return err
		}
		l.part.broker.hears()
	}
	for {
		if err := l.catchUp(c); err != nil {
			return err
		}
		if !l.up.Swap(true) && again {
			l.part.broker.options.Log.Info("redis: the connection for publications is back", "server", l.part.shard.server.name())
		}
		select {
		case <-l.wake:
		case err := <-c.lost:
			if err == nil {
				err = errGone
			}
			return err
		case <-c.moved:
			return errGone
		case <-l.part.broker.ctx.Done():
			return l.part.broker.ctx.Err()
		}
	}
}

// catchUp does what is to be done.
func (l *link) catchUp(c *connection) error {
	for {
		in, out, questions := l.take(c)
		if len(in)+len(out)+len(questions) == 0 {
			return nil
		}
		if len(out) > 0 {
			if err := c.say(c.unsubscribing(out)); err != nil {
				return err
			}
		}
		if len(in) > 0 {
			if err := c.say(c.subscribing(in)); err != nil {
				return err
			}
		}
		if err := l.part.ask(questions); err != nil {
			return err
		}
	}
}

// take takes a batch of what is to be done: what is to be subscribed to and unsubscribed from, as the server knows it, and of what the
// position is asked for. What is taken is done, or the connection is lost and all is done anew.
func (l *link) take(c *connection) (in, out []string, questions []*subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.todo) == 0 {
		return nil, nil, nil
	}
	for channel := range l.todo {
		if len(in)+len(out)+len(questions) >= batch {
			break
		}
		delete(l.todo, channel)
		name := l.part.names.channel(channel)
		s := l.wanted[channel]
		_, subscribed := c.subscribed[name]
		switch {
		case s != nil:
			questions = append(questions, s)
			if !subscribed {
				in = append(in, name)
			}
		case subscribed:
			out = append(out, name)
		}
	}
	if len(l.todo) == 0 { // to walk over a map takes as long as it was once large
		l.todo = make(map[string]bool)
	}
	return in, out, questions
}

func (c *connection) subscribing(names []string) rueidis.Completed {
	for _, name := range names {
		c.subscribed[name] = struct{}{}
	}
	if c.link.part.shard.sharded {
		return c.client.B().Ssubscribe().Channel(names...).Build()
	}
	return c.client.B().Subscribe().Channel(names...).Build()
}

func (c *connection) unsubscribing(names []string) rueidis.Completed {
	c.mu.Lock()
	for _, name := range names {
		delete(c.subscribed, name)
		if c.link.part.shard.sharded { // notice takes it off
			c.ending[name] = struct{}{}
		}
	}
	c.mu.Unlock()
	if c.link.part.shard.sharded {
		return c.client.B().Sunsubscribe().Channel(names...).Build()
	}
	return c.client.B().Unsubscribe().Channel(names...).Build()
}

// say sends a command that subscribes or unsubscribes, and waits until the server has done it.
func (c *connection) say(command rueidis.Completed) error {
	b := c.link.part.broker
	ctx, cancel := context.WithTimeout(b.ctx, b.options.Timeout)
	defer cancel()
	return c.client.Do(ctx, command).Error()
}

// unsettled are the subscriptions whose position is not known now.
func (l *link) unsettled() int {
	return len(slices.DeleteFunc(l.all(), func(s *subscription) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.standing != asking
	}))
}
