// The upgrade: how a WebSocket takes a polling session over. It is a probe first: it says 2probe and is answered 3probe, from when on no
// GET waits; then it says 5, and is the transport. Until then all that is sent leaves by GETs.

package engineio

import (
	"net/http"
	"sync"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// probe is a WebSocket that may take a session over. The session knows of one at a time.
type probe struct {
	conn *Conn
	late bool // another runs already, or has won: this WebSocket is closed

	mu       sync.Mutex // guards what follows; the session's lock may be taken before it, not after
	socket   *loop.Conn // nil until it is open
	over     bool       // it is to be closed, or is the transport
	deadline *time.Timer
}

var (
	probeWord  = "probe"
	probeFrame = websocket.Prepare(websocket.Text, append([]byte{typePong}, probeWord...))
)

// acceptProbe answers the handshake of a WebSocket that is to take a session over. One that may not is accepted and closed: clients
// take a refusal for the failure of the transport.
func (s *Server) acceptProbe(w http.ResponseWriter, r *http.Request, c *Conn) *refusal {
	if s.options.NoUpgrade {
		return refuseRequest
	}
	p := &probe{conn: c}
	c.mu.Lock()
	switch {
	case c.ended:
		c.mu.Unlock()
		return refuseSession
	case c.polling == nil || c.polling.probe != nil:
		p.late = true
	default:
		c.polling.probe = p
	}
	c.mu.Unlock()
	if s.sockets.Accept(w, r, func(socket *loop.Conn) { socket.Data = p }) != nil { // it has answered
		p.closed()
	}
	return nil
}

// opened begins the probe.
func (p *probe) opened(socket *loop.Conn) {
	p.mu.Lock()
	p.socket = socket
	over := p.over
	if !over && !p.late {
		p.deadline = time.AfterFunc(p.conn.server.options.UpgradeTimeout, p.abandon)
	}
	p.mu.Unlock()
	switch {
	case p.late:
		socket.Close(websocket.StatusPolicyViolation, "another WebSocket has this session, or is about to")
	case over:
		socket.Close(websocket.StatusNormalClosure, "")
	}
}

// heard takes a packet: 2probe, then 5. Anything else ends the probe, and the session goes on.
func (p *probe) heard(socket *loop.Conn, t websocket.MessageType, payload []byte) {
	kind, data, err := parseText(payload)
	switch {
	case p.late:
	case err != nil || t != websocket.Text:
		p.abandon()
	case kind == typePing && string(data) == probeWord && p.answer():
	case kind == typeUpgrade && p.commit(socket):
	default:
		p.abandon()
	}
}

// answer answers the client's 2probe, and lets no GET wait any more. It returns false if that is not what is to be done now.
func (p *probe) answer() bool {
	c := p.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.polling == nil || c.polling.probe != p || c.polling.probed {
		return false
	}
	c.polling.probed = true
	c.polling.wake()
	return p.socket.WritePrepared(probeFrame) == nil
}

// commit makes the WebSocket the session's transport: what waits leaves over it, in order, and then what is sent from now on. It
// returns false if that is not what is to be done now.
func (p *probe) commit(socket *loop.Conn) bool {
	c := p.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.polling
	if c.ended || was == nil || was.probe != p || !was.probed {
		return false
	}
	p.finish()
	waiting := was.get
	packets, awaited := was.take()
	was.get = waiting
	was.wake() // it has nothing to fetch any more
	was.probe, was.probed = nil, false
	c.socket, c.polling = socket, nil
	socket.Data = c
	was.watch.goOn(socket)
	for i := range packets {
		packets[i].write(socket) // an error is the end of the WebSocket, which is told
	}
	if awaited {
		socket.NotifyDrained(was.below)
	}
	c.server.counts.upgraded.Add(1)
	return true
}

// write queues a packet on a WebSocket.
func (o *outgoing) write(socket *loop.Conn) {
	switch {
	case o.shared != nil:
		o.shared.write(socket)
	case o.binary:
		socket.Write(websocket.Binary, o.bytes)
	default:
		socket.Write(websocket.Text, o.bytes)
	}
}

// finish takes the probe's deadline away. It returns its WebSocket, or nil if that was done before or is still to be opened.
func (p *probe) finish() *loop.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	p.over = true
	if p.deadline != nil {
		p.deadline.Stop()
	}
	return p.socket
}

// abandon closes the WebSocket. The session goes on with polling, and another may try.
func (p *probe) abandon() {
	p.leave()
	if socket := p.finish(); socket != nil {
		socket.Close(websocket.StatusPolicyViolation, "no upgrade")
	}
}

// closed is called when the WebSocket has ended by itself.
func (p *probe) closed() {
	p.leave()
	p.finish()
}

// leave makes room for another probe.
func (p *probe) leave() {
	c := p.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if was := c.polling; was != nil && was.probe == p {
		was.probe, was.probed = nil, false
	}
}
