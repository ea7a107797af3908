// How a socket begins: CONNECT, who the client is, what it recovers, and what the program says to it.

package socketio

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
	"github.com/ringdown/ringdown/hub"
)

// Refusal is an error that a client is told: of a middleware, of Options.Identify or of an event's handler, with data beside the message.
type Refusal struct {
	Message string
	Data    any // becomes JSON
}

func (r *Refusal) Error() string { return r.Message }

// errInvalidNamespace has the words that the field knows.
var errInvalidNamespace = &Refusal{Message: "Invalid namespace"}

// claim is what a client's auth says for recovery, which the program does not see.
type claim struct{ pid, offset string }

// split takes pid and offset out of auth. A pid that is no text is the program's own affair, and so is what stands beside it.
func split(auth []byte) (json.RawMessage, claim) {
	if auth == nil || !strings.Contains(string(auth), `"pid"`) {
		return auth, claim{}
	}
	var members map[string]json.RawMessage
	var c claim
	if json.Unmarshal(auth, &members) != nil || json.Unmarshal(members["pid"], &c.pid) != nil || c.pid == "" {
		return auth, claim{}
	}
	json.Unmarshal(members["offset"], &c.offset) // what is no string is no offset
	delete(members, "pid")
	delete(members, "offset")
	if len(members) == 0 {
		return nil, c
	}
	rest, err := json.Marshal(members)
	if err != nil {
		return auth, c
	}
	return rest, c
}

// connect is the socket's first task.
func (s *Socket) connect(auth []byte) {
	var err error = hub.Errorf(hub.Internal, "%s", internalProblem.Error) // if a function of the program panics
	s.guarded(func() { err = s.begin(auth) })
	if err != nil {
		s.conn.forget(s)
		s.abandon() // first, as the client may try again at once
		s.conn.refuseConnect(s.nsp, err)
	}
}

// abandon gives back what a socket has taken that does not come to be connected.
func (s *Socket) abandon() {
	if session := s.session.Load(); session != nil {
		session.Close()
	}
	if s.memory != nil {
		s.mu.Lock()
		switch s.over = true; {
		case !s.recovered.Load():
			s.reason = serverDisconnect
		case s.reason == "": // it may try again
			s.reason = string(engineio.TransportClose)
		}
		s.mu.Unlock()
		s.replayAll() // into what is kept
		s.conn.server.keep(s)
		s.gone()
	}
	if s.namespace != nil { // which stays the socket's, as the program may know it
		s.namespace.remove(s)
		s.conn.server.release(s.namespace)
	}
}

// begin connects the socket. After an error the client is to be refused.
func (s *Socket) begin(given []byte) (err error) {
	server := s.conn.server
	auth, c := json.RawMessage(given), claim{}
	if server.keeper != nil {
		auth, c = split(given)
	}
	s.auth = string(auth)
	if s.namespace = server.acquire(s.nsp, auth); s.namespace == nil {
		return errInvalidNamespace
	}
	ctx, cancel := context.WithTimeout(server.ctx, server.options.ConnectTimeout)
	defer cancel()
	who, err := server.options.Identify(ctx, s.Handshake(), auth)
	if err != nil {
		return err
	}
	s.resume(ctx, c, &who)
	if err := s.open(who, c.offset); err != nil {
		return err
	}
	if s.Recovered() && !s.stillMay(ctx) {
		if err := s.startOver(who, c.offset); err != nil {
			return err
		}
	}
	err = s.admit()
	if c.pid != "" {
		server.counts.came(s.Recovered())
	}
	if err != nil {
		return err
	}
	if err := s.accept(); err != nil {
		return err
	}
	_, connected := s.namespace.life.handlers()
	for _, f := range connected {
		s.guarded(func() { f(s) })
	}
	return nil
}

// admit asks the middlewares, and has a socket that recovers go on where it was; if that fails after all, they are asked once more.
func (s *Socket) admit() error {
	for {
		if err := s.middlewares(); err != nil {
			return err
		}
		if s.conn.gone.Load() {
			return hub.ErrEnded
		}
		if !s.Recovered() || s.restore() {
			return nil
		}
		if s.conn.gone.Load() { // it may come back once more
			return hub.ErrEnded
		}
		s.beginAnew()
	}
}

func (s *Socket) middlewares() error {
	if s.Recovered() && s.conn.server.options.Recovery.SkipMiddlewares {
		return nil
	}
	middlewares, _ := s.namespace.life.handlers()
	for _, m := range middlewares {
		if err := m(s); err != nil {
			return meant(err)
		}
	}
	return nil
}

// guarded runs a function of the program, which may panic without ending the socket's other tasks.
func (s *Socket) guarded(f func()) { s.do(&task{run: f}) }

// open opens the socket's session, of the id that it had, if it recovers. offset is what the client brings: until it is sent something, it will bring the
// same again.
func (s *Socket) open(who hub.Identity, offset string) error {
	if s.id == "" {
		s.id = cmp.Or(who.Session, newID())
	}
	who.Session = s.id
	session, err := s.conn.server.hub.Open((*receiver)(s), who)
	if err != nil {
		return line.Refusal(err)
	}
	s.session.Store(session)
	if s.conn.server.keeper != nil && s.memory == nil {
		if len(offset) > maxOffset {
			offset = ""
		}
		s.memory = &memory{pid: newPID(), user: who.User, trail: trail{at: offset, answer: never}, finished: make(chan struct{})}
	}
	return nil
}

// accept tells the client that it is connected, and has it in the channel of all sockets; see noticed.
func (s *Socket) accept() error {
	if err := s.greet(); err != nil {
		return err
	}
	for _, channel := range s.Session().Identity().Channels {
		if err := s.enter(channel, hub.SubscribeOptions{Forced: true, Tag: byIdentity}); err != nil {
			s.conn.server.log.Warn("a client is not in a room that it is to be in", "socket", s.id, "channel", channel, "cause", err)
		}
	}
	return nil
}

// greet tells the client that it is connected: before anything else of the channel of all sockets, unless it is back there already.
func (s *Socket) greet() error {
	if s.Recovered() {
		s.welcome()
		return nil
	}
	s.arrive()
	if s.conn.server.options.Direct != nil {
		s.welcome()
		return nil
	}
	return s.enter(s.namespace.every, hub.SubscribeOptions{Forced: true, Tag: (*welcome)(s)})
}

// welcome marks the notice with which the answer to CONNECT goes out: before everything else of the channel, and when nothing of it can be
// missed any more.
type welcome Socket

// welcome answers CONNECT.
func (s *Socket) welcome() {
	data := fmt.Appendf(nil, `{"sid":%q`, s.id)
	if s.memory != nil {
		data = fmt.Appendf(data, `,"pid":%q`, s.pid)
	}
	text := packet.Append(nil, &packet.Packet{Type: packet.Connect, Namespace: s.nsp, Data: append(data, '}')})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.connected.Store(true) // before the client can say anything
	seq, _ := s.conn.engine.Send(false, text)
	if s.memory != nil {
		s.trail.answer = seq
	}
	s.conn.settled()
}

// maxRefusals is how often a client may try on one connection: who it is may be asked of others, and no session counts it yet.
const maxRefusals = 32

// refuseConnect answers CONNECT with a refusal.
func (c *conn) refuseConnect(namespace string, err error) {
	if c.gone.Load() {
		return
	}
	told := struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{}
	if r, ok := errors.AsType[*Refusal](err); ok {
		told.Message, told.Data = r.Message, r.Data
	} else {
		refusal, sentence := hub.RefusalOf(err)
		c.server.hub.Refused(refusal.Code)
		told.Message, told.Data = sentence, map[string]string{"code": string(refusal.Code)}
	}
	data, marshalled := json.Marshal(told)
	if marshalled != nil {
		c.server.log.Error("the data of a refusal is no JSON", "namespace", namespace, "cause", marshalled)
		data = fmt.Appendf(nil, `{"message":%q}`, told.Message)
	}
	c.server.journal.Connect(c.engine.RemoteAddr(), namespace, err)
	c.write(packet.Append(nil, &packet.Packet{Type: packet.ConnectError, Namespace: namespace, Data: data}), nil)
	if c.refusals.Add(1) >= maxRefusals {
		c.engine.Close(engineio.ForcedClose)
	}
}
