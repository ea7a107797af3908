// Events of the client: what the program has registered for them, and how it is called.

package socketio

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
	"github.com/ringdown/ringdown/hub"
)

// Event is an event of a client on its way to its handlers.
type Event struct {
	Socket *Socket
	Name   string
	Args   Args
}

// On has a function called for an event. It takes the event's arguments as the types that they are to be decoded into, as encoding/json does;
// []byte is bytes. A [context.Context] may come first, which ends when the client goes; an [Ack] may come last; the last argument may be variadic;
// a result, if there is one, is an error: where the client asks for an acknowledgement it is told that of an [*hub.Error] or a [*Refusal], and of
// another one only that it could not be done; the log has the cause. [Args] alone takes them as they are.
//
// Arguments of other types are refused: the client is told so in the acknowledgement if it asks for one. On panics if f is no
// such function.
func (s *Socket) On(event string, f any) { s.register(handle(event, f)) }

// Once is On for the next such event only.
func (s *Socket) Once(event string, f any) {
	h := handle(event, f)
	h.fn = once{h.fn}
	s.register(h)
}

// Off ends all that On and Once have begun for an event.
func (s *Socket) Off(event string) {
	s.change(func(all []handler) []handler {
		return slices.DeleteFunc(slices.Clone(all), func(h handler) bool { return h.handles(event) })
	})
}

// OnAny has f called for every event, before the socket's middlewares, which do not keep events from it, and before the event's own handlers.
func (s *Socket) OnAny(f func(event string, args Args, ack Ack)) { s.register(handler{fn: always(f)}) }

// Use adds a middleware: it is called for every event before its handlers, in the order in which they were added. An error keeps the event from
// them; the client is told its text where it asks for an acknowledgement.
func (s *Socket) Use(f func(*Event) error) { s.register(handler{fn: middleware(f)}) }

// OnDisconnect has f called once the client has gone: it is in no room any more. The reason is one of the field's words, such as "transport close" or
// "client namespace disconnect".
func (s *Socket) OnDisconnect(f func(reason string)) { s.register(handler{fn: disconnected(f)}) }

// OnDisconnecting is OnDisconnect while the socket still is in its rooms.
func (s *Socket) OnDisconnecting(f func(reason string)) { s.register(handler{fn: disconnecting(f)}) }

func (s *Socket) register(h handler) {
	s.change(func(all []handler) []handler { return with(all, h) })
}

// change replaces the list of handlers.
func (s *Socket) change(f func([]handler) []handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers = f(s.handlers)
}

// registered is what is registered now. The list is not to be changed.
func (s *Socket) registered() []handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handlers
}

// heard takes an event of the client, on the connection's handler.
func (s *Socket) heard(p *packet.Packet, size int) {
	ack := Ack{socket: s}
	if p.HasID {
		ack.id, ack.done = p.ID, new(atomic.Bool)
	}
	for _, a := range p.Attachments {
		size += len(a)
	}
	if err := s.Session().Admit(size); err != nil {
		s.refused(p.EventName(), err, ack)
		return
	}
	cost := costOf(size, len(p.Elements))
	room := s.conn.queue.add(cost)
	s.post(task{event: p.EventName(), args: own(p), ack: ack, cost: cost})
	if room != nil {
		s.conn.engine.Go(func() { <-room })
	}
}

// dispatch calls the handlers of an event.
func (s *Socket) dispatch(event string, args Args, ack Ack) {
	all := s.registered()
	for i := range all {
		if f, ok := all[i].fn.(always); ok {
			f(event, args, ack)
		}
	}
	for i := range all {
		m, ok := all[i].fn.(middleware)
		if !ok {
			continue
		}
		if err := m(&Event{s, event, args}); err != nil {
			s.refused(event, meant(err), ack)
			return
		}
	}
	for i := range all {
		h := &all[i]
		if _, once := h.fn.(once); !h.handles(event) || once && !s.spend(h) {
			continue
		}
		if err := h.call(s, args, ack); err != nil {
			s.refused(event, err, ack)
		}
	}
}

// spend takes a handler off that is there for one event, and reports whether it was still there.
func (s *Socket) spend(h *handler) (mine bool) {
	s.change(func(all []handler) []handler {
		for i := range all {
			other := &all[i]
			if _, once := other.fn.(once); other == h || once && other.event == h.event {
				mine = true
				return slices.Delete(slices.Clone(all), i, i+1)
			}
		}
		return all
	})
	return mine
}

// meant is the error of a middleware, whose text is meant for the client.
func meant(err error) error {
	if _, ok := errors.AsType[*hub.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*Refusal](err); ok {
		return err
	}
	return &Refusal{Message: err.Error()}
}

// refused tells the log, and the client if it asks, that an event was not handled.
func (s *Socket) refused(event string, err error, ack Ack) {
	server := s.conn.server
	logged := err
	if wrong, ok := errors.AsType[*wrongArguments](err); ok {
		server.counts.wrongArguments.Add(1)
		logged = hub.Errorf(hub.BadPayload, "the event %.100q has wrong arguments: %v", event, wrong)
	} else if refusal, ok := errors.AsType[*Refusal](err); ok {
		logged = hub.Errorf(hub.NotAllowed, "the event %.100q: %s", event, refusal.Message)
	}
	refusal, _ := hub.RefusalOf(logged)
	server.hub.Refused(refusal.Code)
	server.journal.Session(s.Session(), logged)
	ack.fail(problemOf(err))
}

// end ends the socket: nothing more is sent, nobody waits for its answers, and once its last event has been handled the program is told. Only the
// first call does something.
func (s *Socket) end(reason string) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.over, s.reason = true, reason
	was := s.connected.Swap(false) // before anybody can learn of the end
	acks, life := s.acks, s.life
	s.acks = nil
	s.mu.Unlock()
	s.conn.queue.ask(-len(acks))
	for _, c := range acks {
		c.lose()
	}
	if life != nil {
		life.cancel()
	}
	s.post(task{run: func() { s.finish(was) }})
}

// finish is the socket's last task.
func (s *Socket) finish(was bool) {
	if !was && !s.welcomed() { // its first task has refused it
		s.gone()
		return
	}
	all := s.registered()
	for i := range all {
		if f, ok := all[i].fn.(disconnecting); ok {
			s.guarded(func() { f(s.reason) })
		}
	}
	s.tellEnd()
	s.Session().Close()
	s.leaveAll()
	if s.memory != nil { // from now on another socket may have the id
		s.conn.server.keep(s)
	}
	s.namespace.remove(s)
	s.conn.server.release(s.namespace)
	s.gone()
	for i := range all {
		if f, ok := all[i].fn.(disconnected); ok {
			s.guarded(func() { f(s.reason) })
		}
	}
}

// leaveAll has the socket be in no room, after its session is closed.
func (s *Socket) leaveAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms = nil
}

// gone lets in who takes the socket over.
func (s *Socket) gone() {
	if s.memory != nil {
		s.memory.leave()
	}
}

// welcomed tells whether the socket got as far as to be one of its namespace's.
func (s *Socket) welcomed() bool { return s.namespace != nil && s.namespace.Socket(s.id) == s }

// pace is how a client is held to what the others can take: it is guarded by its lock, as handlers may start goroutines.
type pace struct{ late atomic.Bool }

// catchUp is how long a client that has published waits when somebody lags.
const catchUp = 5 * time.Millisecond

// published notes that the client's handlers have published.
func (s *Socket) published(r hub.Receipt) {
	if r.Late > 0 {
		s.pace.late.Store(true)
	}
}

// rest lets the others catch up after an event, and has the client read what it was answered, before it is answered more.
func (s *Socket) rest() {
	if s.pace.late.Swap(false) {
		time.Sleep(catchUp)
	}
	if s.Connected() {
		s.catchBreath()
	}
}
