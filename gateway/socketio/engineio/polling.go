// Long polling, from the server to the client: what waits, and the GET that fetches it.

package engineio

import (
	"net/http"
	"time"
)

const (
	transportPolling   = "polling"
	transportWebSocket = "websocket"
)

// polling is what a session needs while its transport is polling. The session's lock guards it.
type polling struct {
	outbox  int // how many bytes may wait
	queue   []outgoing
	held    int           // what they count
	get     chan struct{} // of the GET that waits; nil if none does
	arrival chan struct{} // closed when a GET comes; nil if nobody wants to know
	post    *http.ResponseController
	probe   *probe // nil if there is none
	probed  bool   // the probe was answered: a GET must not wait
	last    byte   // of a session that has ended: the packet that ends the last answer
	expiry  *time.Timer
	awaited bool   // NotifyDrained was called
	below   int    // with this
	watch   *watch // nil while nobody watches
}

// add queues a packet. It returns false, and has dropped what waited, if that is too much. One packet larger than the bound may wait
// alone.
func (p *polling) add(o outgoing) bool {
	p.held += o.cost()
	if p.held > p.outbox && len(p.queue) > 0 {
		p.queue, p.held = nil, 0
		return false
	}
	p.queue = append(p.queue, o)
	p.wake()
	return true
}

// wake has the waiting GET look what there is for it.
func (p *polling) wake() {
	if p.get == nil {
		return
	}
	select {
	case p.get <- struct{}{}:
	default:
	}
}

// take takes what waits for the client. drained says that NotifyDrained was waiting for that.
func (p *polling) take() (packets []outgoing, drained bool) {
	packets, drained = p.queue, p.awaited
	p.queue, p.held, p.get, p.awaited = nil, 0, nil, false
	return packets, drained
}

// end ends polling. It reports whether what there is to say is kept for a GET to come.
func (p *polling) end(e ending) (lingers bool) {
	p.last = typeClose
	if e.byPeer {
		p.last = typeNoop
	}
	if p.post != nil && !e.byPeer {
		p.post.SetReadDeadline(time.Unix(1, 0)) // whoever reads its body stops
	}
	if !e.kept && p.get == nil {
		p.queue, p.held = nil, 0
	}
	lingers = e.kept && p.get == nil
	p.wake()
	return lingers
}

// grace is how long requests wait for another that the client has sent before them, over another connection, and that may come after
// them: a GET in the middle of an upgrade for its end, and the POST that closes the session for the GET to be answered.
const grace = 20 * time.Millisecond

// polled is a GET.
type polled struct {
	conn    *Conn
	from    *polling
	wake    chan struct{} // nil if it need not wait
	wait    time.Duration // at most; 0 is no bound
	probing bool          // a WebSocket was trying to take over when it came
}

// serveGet answers a GET with what waits for the client, as soon as something does.
func (s *Server) serveGet(w http.ResponseWriter, r *http.Request, c *Conn) {
	get, refused := c.enterGet()
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	if get.wake != nil && !get.await(w, r) {
		c.mu.Lock()
		get.from.get = nil
		c.mu.Unlock()
		c.end(ending{reason: TransportError, err: errGone})
		return
	}
	packets, last, drained, late := c.leaveGet(get.from)
	if late && get.probing { // it has crossed with the end of the upgrade
		s.refuse(w, refuseRequest)
		return
	}
	if err := s.answer(w, r, get, packets, last); err != nil {
		c.end(ending{reason: TransportError, err: err})
	} else if drained {
		go c.tellDrained()
	}
}

// enterGet begins a GET.
func (c *Conn) enterGet() (polled, *refusal) {
	c.mu.Lock()
	p := c.polling
	switch {
	case p == nil:
		c.mu.Unlock()
		return polled{}, refuseRequest
	case c.ended && p.expiry == nil:
		c.mu.Unlock()
		return polled{}, refuseSession
	case p.get != nil:
		c.mu.Unlock()
		c.end(ending{reason: TransportError, err: errSecondGet, local: true})
		return polled{}, refuseRequest
	}
	defer c.mu.Unlock()
	p.get = make(chan struct{}, 1)
	if p.arrival != nil {
		close(p.arrival)
		p.arrival = nil
	}
	get := polled{conn: c, from: p, probing: p.probe != nil}
	if c.ended || len(p.queue) > 0 {
		return get, nil
	}
	get.wake = p.get
	if p.probed {
		get.wait = grace
	}
	return get, nil
}

// awaitGet waits for a GET to be there, but no longer than grace.
func (c *Conn) awaitGet() {
	c.mu.Lock()
	p := c.polling
	if p == nil || p.get != nil || c.ended {
		c.mu.Unlock()
		return
	}
	arrival := make(chan struct{})
	p.arrival = arrival
	c.mu.Unlock()
	select {
	case <-arrival:
	case <-time.After(grace):
	}
}

// leaveGet decides what a GET is answered with: the packets that wait, and one more behind them if it is not 0. late says that a WebSocket
// has taken over.
func (c *Conn) leaveGet(p *polling) (packets []outgoing, last byte, drained, late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	packets, drained = p.take()
	switch {
	case c.ended && p.last != 0:
		last = p.last
		if p.expiry != nil && p.expiry.Stop() {
			p.expiry = nil
			c.server.sessions.forget(c)
		}
	case len(packets) == 0: // an upgrade is under way, or over
		last = typeNoop
	}
	return packets, last, drained && !c.ended, c.polling != p
}

// await waits until there is something to say to the client. It returns false if that has gone. The HTTP server's time-outs, which
// are for requests that are answered at once, do not hold meanwhile.
func (g *polled) await(w http.ResponseWriter, r *http.Request) bool {
	deadlines := http.NewResponseController(w)
	deadlines.SetReadDeadline(time.Time{}) // an error means that there is none to take off
	deadlines.SetWriteDeadline(time.Time{})
	var enough <-chan time.Time
	if g.wait > 0 {
		enough = time.After(g.wait)
	}
	select {
	case <-g.wake:
	case <-enough:
	case <-r.Context().Done():
	}
	return r.Context().Err() == nil
}
