// Hearing: what comes from other nodes finds its handler, or the question that it answers.

package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/ringdown/ringdown/hub"
)

// maxTold is how many messages without an answer wait for their handlers; what does not fit is lost, as it may be on the way.
const maxTold = 1024

// ear is the sink of the broker: the hub's, and ours for what nodes say.
type ear struct {
	hub.Sink
	cluster *Cluster
}

// told is a message that was told.
type told struct {
	from string
	message
}

// Interrupted implements [hub.Sink].
func (e ear) Interrupted(channel string) {
	e.Sink.Interrupted(channel)
	if channel == "" {
		e.cluster.doubt()
	}
}

// Unheard implements [hub.ClusterSink].
func (e ear) Unheard() { e.cluster.doubt() }

// Told implements [hub.ClusterSink]. What cannot be read, or is of a kind that only later versions know, is passed over.
func (e ear) Told(from string, text []byte) {
	c := e.cluster
	m, err := parse(text)
	if err != nil {
		c.complain("reading what "+from+" says", err)
		return
	}
	switch m.act {
	case telling:
		if m.kind == claim {
			if from == c.Node() {
				c.claimed(m.body)
			}
			return
		}
		select {
		case c.tales <- told{from, m}:
		default:
			c.complain("hearing "+from, errors.New("more is told than this node can take"))
			c.doubt()
		}
	case asking:
		c.answer(from, m)
	case answered:
		c.take(from, m)
	}
}

// hear has what was told handled, in the order in which it came.
func (c *Cluster) hear() {
	for {
		select {
		case t := <-c.tales:
			if h := c.handlers[t.kind]; h != nil {
				if _, err := c.handle(h, t.from, t.message); err != nil {
					c.complain("doing what "+t.from+" says", err)
				}
			}
		case <-c.ctx.Done():
			return
		}
	}
}

// handle has a message handled, and survives a handler that panics: another version may say what nobody thought of.
func (c *Cluster) handle(h Handler, from string, m message) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, answering)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the handler of %.60q panicked: %v", m.kind, r)
		}
	}()
	return h(ctx, from, m.body)
}

// answer answers a question on a goroutine of its own.
func (c *Cluster) answer(to string, m message) {
	h := c.handlers[m.kind]
	a := message{act: answered, id: m.id}
	if h == nil {
		a.status = unknown
	} else {
		select {
		case c.busy <- struct{}{}:
		default:
			a.status, h = busy, nil
		}
	}
	started := c.work(func() {
		if h != nil {
			var err error
			if a.body, err = c.handle(h, to, m); err != nil {
				a.status, a.body = failed, []byte(err.Error())
			} else if n := len(a.body); n > maxBody { // who asks need not wait for what cannot be sent
				a.status, a.body = failed, fmt.Appendf(nil, "its answer has %d bytes, and at most %d can be sent; ask for less at a time", n, maxBody)
			}
			<-c.busy
		}
		ctx, cancel := context.WithTimeout(c.ctx, c.options.Timeout)
		defer cancel()
		if err := c.send(ctx, to, a); err != nil {
			c.complain("answering "+to, err)
		}
	})
	if !started && h != nil {
		<-c.busy
	}
}

// take gives an answer to whoever has asked. One that is late, or was not asked for, is nobody's.
func (c *Cluster) take(from string, m message) {
	a := Answer{Node: from}
	switch m.status {
	case done:
		a.Body = m.body
	case unknown:
		a.Err = ErrUnknown
	case busy:
		a.Err = ErrBusy
	default:
		a.Err = fmt.Errorf("it says: %.300s", m.body)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.asked[m.id]
	if q == nil || !q.waiting[from] {
		return
	}
	delete(q.waiting, from)
	q.answers <- a
}
