// How a socket begins: CONNECT, who the client is, what it recovers, and what the program says to it.

package socketio

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
	"github.com/ringdown/ringdown/hub"
)

// Refusal is an error of a middleware, or of Options.Identify, with data for the client beside the message.
type Refusal struct {
	Message string
	Data    any // becomes JSON
}

func (r *Refusal) Error() string { return r.Message }

// errInvalidNamespace has the words that the field knows.
var errInvalidNamespace = &Refusal{Message: "Invalid namespace"}

// claim is what a client's auth says for recovery, which the program does not see.
type claim struct{ pid, offset string }

// split takes pid and offset out of auth.
func split(auth []byte) (json.RawMessage, claim) {
	if auth == nil || !strings.Contains(string(auth), `"pid"`) {
		return auth, claim{}
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(auth, &members) != nil {
		return auth, claim{}
	}
	var c claim
	json.Unmarshal(members["pid"], &c.pid) // what is no string claims nothing
	json.Unmarshal(members["offset"], &c.offset)
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
		s.conn.refuseConnect(s.nsp, err)
		s.abandon()
	}
}

// abandon gives back what a socket has taken that does not come to be connected.
func (s *Socket) abandon() {
	if session := s.session.Load(); session != nil {
		session.Close()
	}
	if s.memory != nil {
		s.mu.Lock()
		s.over = true
		if !s.recovered { // otherwise it may try again
			s.reason = serverDisconnect
		}
		s.mu.Unlock()
		s.replayAll() // into what is kept
		s.conn.server.keep(s)
		s.gone()
	}
	if s.namespace != nil {
		s.conn.server.release(s.namespace)
		s.namespace = nil
	}
}

// begin connects the socket. After an error the client is to be refused.
func (s *Socket) begin(given []byte) (err error) {
	server := s.conn.server
	var c claim
	if s.auth, c = split(given); server.keeper == nil {
		c = claim{}
	}
	if s.namespace = server.acquire(s.nsp, s.auth); s.namespace == nil {
		return errInvalidNamespace
	}
	ctx, cancel := context.WithTimeout(server.ctx, server.options.ConnectTimeout)
	defer cancel()
	who, err := server.options.Identify(ctx, s.Handshake(), s.auth)
	if err != nil {
		return err
	}
	s.resume(ctx, c, &who)
	if err := s.open(who); err != nil {
		return err
	}
	if s.recovered && !s.stillMay(ctx) {
		if err := s.startOver(who); err != nil {
			return err
		}
	}
	if c.pid != "" {
		server.counts.came(s.recovered)
	}
	middlewares, connected := s.namespace.life.handlers()
	if !s.recovered || !server.options.Recovery.SkipMiddlewares {
		for _, m := range middlewares {
			if err := m(s); err != nil {
				return err
			}
		}
	}
	if s.conn.gone.Load() {
		return hub.ErrEnded
	}
	s.replayAll()
	if err := s.accept(); err != nil {
		return err
	}
	for _, f := range connected {
		s.guarded(func() { f(s) })
	}
	return nil
}

// guarded runs a function of the program, which may panic without ending the socket's other tasks.
func (s *Socket) guarded(f func()) { s.do(&task{run: f}) }

// open opens the socket's session, of the id that it had, if it recovers.
func (s *Socket) open(who hub.Identity) error {
	if s.id == "" {
		s.id = cmp.Or(who.Session, hub.NewSessionID())
	}
	who.Session = s.id
	session, err := s.conn.server.hub.Open(s, who)
	if err != nil {
		return line.Refusal(err)
	}
	s.session.Store(session)
	if s.conn.server.keeper != nil && s.memory == nil {
		s.memory = &memory{pid: newPID(), user: who.User, trail: trail{answer: never}, finished: make(chan struct{})}
	}
	return nil
}

// accept tells the client that it is connected, and has it in the channel of all sockets; see [Socket.Notify].
func (s *Socket) accept() error {
	server := s.conn.server
	s.namespace.add(s)
	if s.memory != nil {
		server.keeper.live(s)
	}
	channels := s.again()
	if err := s.enterFirst(channels); err != nil {
		s.namespace.remove(s)
		return err
	}
	for channel, after := range channels {
		if channel == s.namespace.every {
			continue
		}
		chosen := again(slices.Contains(s.chosenBefore(), channel))
		if err := s.enter(channel, hub.SubscribeOptions{Forced: true, Recover: true, After: hub.Cursor{after}, Tag: chosen, Presence: server.options.Direct.presence(s, channel)}); err != nil {
			server.options.Direct.notify(s, &hub.Notice{Type: hub.Unsubscribed, Channel: channel, Reason: err.Error()})
			server.log.Warn("a client that came back is not in a room any more", "socket", s.id, "channel", channel, "cause", err)
		}
	}
	for _, channel := range s.Session().Identity().Channels {
		if err := s.enter(channel, hub.SubscribeOptions{Forced: true}); err != nil {
			server.log.Warn("a client is not in a room that it is to be in", "socket", s.id, "channel", channel, "cause", err)
		}
	}
	return nil
}

// enterFirst has the socket in the channel of all sockets, and the client told that it is connected before anything else.
func (s *Socket) enterFirst(channels map[string]hub.Position) error {
	if s.conn.server.options.Direct != nil {
		s.welcome()
		return nil
	}
	o := hub.SubscribeOptions{Forced: true, Tag: (*welcome)(s)}
	if after, ok := channels[s.namespace.every]; ok {
		o.Recover, o.After = true, hub.Cursor{after}
	}
	return s.enter(s.namespace.every, o)
}

// chosenBefore are the channels in which the client was because it had asked for that.
func (s *Socket) chosenBefore() []string {
	if s.memory == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.trail.chosen)
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
	}{Message: err.Error()}
	if e, ok := errors.AsType[*hub.Error](err); ok {
		c.server.hub.Refused(e.Code)
		told.Data = map[string]string{"code": string(e.Code)}
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		told.Message, told.Data = r.Message, r.Data
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

// Describe implements [hub.Describer].
func (s *Socket) Describe() hub.Description {
	e := s.conn.engine
	return hub.Description{Transport: e.Transport(), Protocol: "socket.io", Remote: e.RemoteAddr(), Waiting: e.Waiting()}
}
