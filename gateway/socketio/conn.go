// One Engine.IO connection: its packets, by namespace, and its pace.

package socketio

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
	"github.com/ringdown/ringdown/hub"
)

// conn is an Engine.IO connection and the sockets on it.
type conn struct {
	server   *Server
	engine   *engineio.Conn
	given    any            // by Options.Engine.Allow
	decoder  packet.Decoder // for the handler
	refused  bool           // likewise: the client has broken the protocol
	behind   atomic.Int64   // since when too much waits, on the server's clock; 0 if it does not
	gone     atomic.Bool
	refusals atomic.Int32 // of CONNECT

	mu      sync.Mutex
	sockets []*Socket   // connected, or about to be; one for each namespace
	timer   *time.Timer // until a first socket is connected; nil from then on
}

// opened is called when a client has come.
func (s *Server) opened(e *engineio.Conn) {
	c := &conn{server: s, engine: e, given: e.Data}
	e.Data = c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(s.options.ConnectTimeout, func() {
		s.log.Info("closed", "cause", "the client connected to no namespace in time", "timeout", s.options.ConnectTimeout)
		e.Close(engineio.ForcedClose)
	})
}

func of(e *engineio.Conn) *conn { return e.Data.(*conn) }

// heard takes a message of the client.
func heard(e *engineio.Conn, binary bool, payload []byte) {
	c := of(e)
	if c.gone.Load() || c.refused {
		return
	}
	take := c.decoder.Text
	if binary {
		take = c.decoder.Binary
	}
	p, complete, err := take(payload, &c.server.limits)
	if err == nil && complete {
		err = c.obey(&p, len(payload))
	}
	if err != nil {
		c.refuse(err)
	}
}

// refuse ends the connection of a client that breaks the protocol.
func (c *conn) refuse(err error) {
	c.refused = true
	c.server.counts.parseErrors.Add(1)
	c.server.log.Info("closed", "remote", c.engine.RemoteAddr(), "cause", err)
	reason := engineio.ParseError
	if errors.Is(err, errConnectedTwice) {
		reason = engineio.ForcedClose
	}
	c.engine.Close(reason)
}

var (
	errNotConnected   = errors.New("a packet came for a namespace that the client is not connected to")
	errConnectedTwice = errors.New("the client connects to a namespace that it is connected to already")
	errServersOwn     = errors.New("a packet came that only servers send")
)

// obey does what a packet asks for. The error is one that ends the connection.
func (c *conn) obey(p *packet.Packet, size int) error {
	s := c.find(p.Namespace)
	if p.Type == packet.Connect {
		return c.connect(s, p)
	}
	if s == nil || !s.connected.Load() {
		return errNotConnected
	}
	switch p.Type {
	case packet.Disconnect:
		c.forget(s)
		s.end(clientDisconnect)
	case packet.Event, packet.BinaryEvent:
		s.heard(p, size)
	case packet.Ack, packet.BinaryAck:
		if p.HasID && s.waited(p.ID) {
			s.answered(p.ID, own(p))
		}
	default:
		return errServersOwn
	}
	return nil
}

// own copies what a packet holds of the connection's buffer: the elements, without an event's name.
func own(p *packet.Packet) Args {
	a := Args{elements: p.Elements, attachments: p.Attachments}
	if p.Attachments == nil { // otherwise it waited for attachments, in a copy
		a.elements = packet.Elements(bytes.Clone(p.Data))
	}
	if p.Type == packet.Event || p.Type == packet.BinaryEvent {
		a.elements = a.elements[1:]
	}
	return a
}

func (c *conn) find(namespace string) *Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sockets {
		if s.nsp == namespace {
			return s
		}
	}
	return nil
}

// connect begins to connect the client to a namespace.
func (c *conn) connect(known *Socket, p *packet.Packet) error {
	if known != nil {
		return errConnectedTwice
	}
	s := &Socket{conn: c, nsp: p.Namespace}
	options := &c.server.options
	switch {
	case len(p.Data) > options.MaxAuth:
		c.refuseConnect(p.Namespace, hub.Errorf(hub.TooLarge, "the auth has %d bytes; at most %d are taken", len(p.Data), options.MaxAuth))
		return nil
	case !c.add(s):
		c.refuseConnect(p.Namespace, hub.Errorf(hub.TooManySubscriptions, "the connection is in %d namespaces, which is the limit; leave some", options.MaxNamespaces))
		return nil
	}
	auth := bytes.Clone(p.Data)
	s.post(task{run: func() { s.connect(auth) }})
	return nil
}

func (c *conn) add(s *Socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sockets) >= c.server.options.MaxNamespaces {
		return false
	}
	c.sockets = append(c.sockets, s)
	return true
}

// forget takes a socket off the connection, and reports whether it was on it.
func (c *conn) forget(s *Socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.sockets)
	c.sockets = slices.DeleteFunc(c.sockets, func(other *Socket) bool { return other == s })
	return len(c.sockets) < before
}

// settled stops the clock of ConnectTimeout.
func (c *conn) settled() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

func closed(e *engineio.Conn, reason engineio.Reason, _ error) { of(e).end(string(reason)) }

// end ends all sockets. Only the first call does something.
func (c *conn) end(reason string) {
	if c.gone.Swap(true) {
		return
	}
	c.settled()
	c.mu.Lock()
	sockets := c.sockets
	c.sockets = nil
	c.mu.Unlock()
	for _, s := range sockets {
		if session := s.session.Load(); session != nil && reason == string(engineio.ServerShutdown) {
			session.Blame(hub.ErrShutdown)
		}
		s.end(reason)
	}
}

// send sends an event to this client.
func (c *conn) send(e *ownEvent, m *engineio.Message) (seq uint64, err error) {
	switch {
	case m != nil:
		return c.engine.SendPrepared(m)
	case len(e.attachments) > 0:
		return c.engine.SendPrepared(e.prepared())
	}
	return c.engine.Send(false, e.text)
}

// write sends a packet to this client alone.
func (c *conn) write(text []byte, attachments [][]byte) (ok bool) {
	if len(attachments) > 0 {
		_, err := c.engine.SendPrepared(engineio.Prepare(text, attachments...))
		return err == nil
	}
	_, err := c.engine.Send(false, text)
	return err == nil
}

// patience is how long a client that reads slowly is waited for by those who publish, all in all.
const patience = 100 * time.Millisecond

// reception tells the hub what becomes of what was just sent: a client is late from when half of what may wait does until a quarter does.
func (c *conn) reception() hub.Reception {
	waiting := c.engine.Waiting()
	since := c.behind.Load()
	switch {
	case waiting <= c.server.outbox/4, since == 0 && waiting <= c.server.outbox/2:
		return hub.Taken
	case since == 0:
		if c.behind.CompareAndSwap(0, int64(time.Since(c.server.started))|1) {
			c.engine.NotifyDrained(c.server.outbox / 4)
		}
		return hub.Late
	case time.Since(c.server.started)-time.Duration(since) < patience:
		return hub.Late
	}
	return hub.Overdue
}

// drained is called once the client has read most of what waited.
func drained(e *engineio.Conn) {
	c := of(e)
	c.behind.Store(0)
	c.mu.Lock()
	sockets := slices.Clone(c.sockets)
	c.mu.Unlock()
	for _, s := range sockets {
		if session := s.session.Load(); session != nil {
			session.Ready()
		}
	}
}
