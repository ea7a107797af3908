// Broadcasts: which sockets are addressed, and what is done to them. What is emitted is published in the rooms' channels.

package socketio

import (
	"slices"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

// Broadcast addresses sockets of a namespace: all, or those in any of the rooms To names, without those in any of the rooms Except names; a socket's
// id is a room of its own. It is a value: each operator returns another.
//
//	io.To("news").Except("muted").Emit("headline", text)
//
// A socket's own operators leave out the socket itself.
type Broadcast struct {
	namespace     *Namespace
	from          *Socket // which is left out; nil for none
	rooms, except []string
	volatile      bool
	local         bool
	timeout       time.Duration
}

// To adds rooms whose sockets are addressed.
func (b Broadcast) To(rooms ...string) Broadcast {
	b.rooms = append(b.rooms[:len(b.rooms):len(b.rooms)], rooms...)
	return b
}

// In is To.
func (b Broadcast) In(rooms ...string) Broadcast { return b.To(rooms...) }

// Except adds rooms whose sockets are left out. What is published excepts at most [hub.MaxExcept] rooms, among them those of To but one.
func (b Broadcast) Except(rooms ...string) Broadcast {
	b.except = append(b.except[:len(b.except):len(b.except)], rooms...)
	return b
}

// Volatile has what is emitted dropped for sockets to which much is on its way already, and not sent again to those that recover.
func (b Broadcast) Volatile() Broadcast {
	b.volatile = true
	return b
}

// Local addresses the sockets of this node alone. What is emitted is then no publication: clients of other protocols do not see it.
func (b Broadcast) Local() Broadcast {
	b.local = true
	return b
}

// Timeout is how long EmitWithAck waits at most, and how long the other nodes are waited for by what says so; 0 means Options.AckTimeout.
func (b Broadcast) Timeout(d time.Duration) Broadcast {
	b.timeout = d
	return b
}

// Emit sends an event. Each room's sockets hear it in the order of their channel; a socket that is in several rooms gets it once. A single
// argument is published as what it is, several as an array; see package hub on clients of other protocols. The error tells what cannot be sent, or is
// an [*hub.Error]: too large for the channel's rule, a name that is none, or a broker that cannot now.
func (b Broadcast) Emit(event string, args ...any) error {
	if err := checkEvent(event); err != nil {
		return err
	}
	if _, ok := callback(args); ok {
		return hub.Errorf(hub.BadRequest, "the event %.100q ends with a function, and is for many sockets; gather their answers by EmitWithAck", event)
	}
	if b.local {
		return b.emitHere(event, args)
	}
	content, err := payloadOf(args, b.namespace.server.limits.Attachments)
	if err != nil {
		return err
	}
	channels, ids, err := b.targets()
	if err != nil {
		return err
	}
	except := append(b.exceptions(), ids...)
	if n := len(except) + len(channels) - 1; len(channels) > 0 && n > hub.MaxExcept { // before the first room hears it
		return hub.Errorf(hub.TooLarge, "the event is for %d rooms and would except %d; at most %d are taken; address fewer at once", len(b.rooms), n, hub.MaxExcept)
	}
	if err := b.emitTo(ids, event, args); err != nil {
		return err
	}
	for _, channel := range channels {
		if err := b.publish(channel, event, content, except); err != nil {
			return err
		}
		except = append(except[:len(except):len(except)], channel)
	}
	return nil
}

func (b Broadcast) publish(channel, event string, content payload, except []string) error {
	server := b.namespace.server
	p := &hub.Publication{Channel: channel, Event: event, Kind: content.kind, Payload: content.data, Form: content.form, Except: except}
	if b.volatile {
		p.Form |= hub.Fleeting
	}
	if b.from != nil {
		p.Session, p.User = b.from.id, b.from.User()
	}
	r, err := server.hub.Publish(server.ctx, p, hub.PublishOptions{})
	if err == nil && b.from != nil {
		b.from.published(r)
	}
	return err
}

// targets are the channels of the rooms, and the sockets that are rooms themselves.
func (b Broadcast) targets() (channels, ids []string, err error) {
	if len(b.rooms) == 0 {
		return []string{b.namespace.every}, nil, nil
	}
	for _, room := range b.rooms {
		if b.namespace.isSocket(room) {
			if !slices.Contains(ids, room) {
				ids = append(ids, room)
			}
			continue
		}
		if err := b.namespace.checkRoom(room); err != nil {
			return nil, nil, err
		}
		if channel := channelOf(b.namespace.name, room); !slices.Contains(channels, channel) {
			channels = append(channels, channel)
		}
	}
	return channels, ids, nil
}

// exceptions are the channels and sessions that are left out; nil if there are none.
func (b Broadcast) exceptions() (except []string) {
	if b.from != nil {
		except = append(except, b.from.id)
	}
	for _, room := range b.except {
		if b.namespace.isSocket(room) {
			except = append(except, room)
		} else if room != "" {
			except = append(except, channelOf(b.namespace.name, room))
		}
	}
	return except
}

// emitTo sends an event to sockets that are addressed by their ids.
func (b Broadcast) emitTo(ids []string, event string, args []any) error {
	if len(ids) == 0 {
		return nil
	}
	e, err := encode(args, b.namespace.server.limits.Attachments)
	if err != nil {
		return err
	}
	own := b.namespace.marked(event, e)
	if err := b.emitElsewhere(event, e, own.mark); err != nil {
		return err
	}
	b.emitToAll(ids, own)
	return nil
}

// emitToAll sends an event to those sockets of some ids that are here.
func (b Broadcast) emitToAll(ids []string, own *ownEvent) {
	m := own.prepared()
	except := b.exceptions()
	for _, id := range ids {
		b.emitToOne(id, except, own, m)
	}
}

// emitToOne sends an event to the socket of an id, which may be away, or on its way back. Nobody hears what is sent to one that is not there any more.
func (b Broadcast) emitToOne(id string, except []string, own *ownEvent, m *engineio.Message) {
	keeper := b.namespace.server.keeper
	for range 2 { // it may come back between the two places
		s := b.namespace.Socket(id)
		switch {
		case s == nil && !b.volatile && keeper.deliver(id, b.namespace.name, own):
			return
		case s == nil:
			continue
		case !s.isIn(except) && !s.memory.repeated(own):
			s.deliverIf(b.volatile, own, m)
		}
		return
	}
}

// deliverIf is deliver, but what is volatile only goes to a client that reads; those that have gone do not matter.
func (s *Socket) deliverIf(volatile bool, e *ownEvent, m *engineio.Message) {
	if !volatile || s.conn.engine.Writable() {
		s.deliver(e, m, volatile)
	}
}

// isIn tells whether the socket is one of some sessions, or in one of some channels.
func (s *Socket) isIn(names []string) bool {
	return len(names) > 0 && s.excepted(&hub.Publication{Except: names})
}

// emitHere sends an event to the sockets of this node.
func (b Broadcast) emitHere(event string, args []any) error {
	e, err := encode(args, b.namespace.server.limits.Attachments)
	if err != nil {
		return err
	}
	own := b.namespace.marked(event, e)
	m := own.prepared()
	for _, s := range b.Sockets() {
		s.deliverIf(b.volatile, own, m)
	}
	return nil
}

// Sockets returns the sockets of this node that are addressed, in no order; see [Broadcast.FetchSockets].
func (b Broadcast) Sockets() []*Socket {
	found := make(map[*Socket]struct{})
	if len(b.rooms) == 0 {
		b.namespace.mu.RLock()
		for _, s := range b.namespace.sockets {
			found[s] = struct{}{}
		}
		b.namespace.mu.RUnlock()
	}
	for _, room := range b.rooms {
		if s := b.namespace.Socket(room); s != nil {
			found[s] = struct{}{}
			continue
		}
		if room == "" {
			continue
		}
		for _, session := range b.namespace.server.hub.SessionsIn(channelOf(b.namespace.name, room)) {
			if s := b.namespace.Socket(session.ID()); s != nil {
				found[s] = struct{}{}
			}
		}
	}
	except := b.exceptions()
	all := make([]*Socket, 0, len(found))
	for s := range found {
		if s.Connected() && !s.isIn(except) {
			all = append(all, s)
		}
	}
	return all
}
