// What is done to the sockets of other nodes.

package socketio

import (
	"encoding/json"
	"slices"

	"github.com/ringdown/ringdown/hub"
)

// What nodes ask each other to do, beside events of their own.
const (
	emitElsewhere       = "emit" // to sockets that are addressed by their ids
	joinElsewhere       = "join"
	leaveElsewhere      = "leave"
	disconnectElsewhere = "disconnect"
)

// tell sends what is to be done to the sockets that b addresses to the other nodes, unless only this one's are meant. That it was sent
// does not mean that it was done.
func (b Broadcast) tell(m nodeMessage) error {
	server := b.namespace.server
	if server.options.Cluster == nil || b.local {
		return nil
	}
	m.Namespace, m.Rooms, m.Except, m.Volatile = b.namespace.name, b.rooms, b.except, b.volatile
	if b.from != nil {
		m.Except = append(slices.Clone(m.Except), b.from.id)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := server.options.Cluster.Send(text); err != nil {
		return hub.Errorf(hub.Unavailable, "the other nodes cannot be told now; try again: %w", err)
	}
	return nil
}

// emitElsewhere has an event reach those rooms that may be ids of sockets on other nodes, or of some that are kept there.
func (b Broadcast) emitElsewhere(event string, args []any) error {
	b.rooms = slices.DeleteFunc(slices.Clone(b.rooms), func(room string) bool { return !isID(room) || b.namespace.Socket(room) != nil })
	if len(b.rooms) == 0 || b.local || b.namespace.server.options.Cluster == nil {
		return nil
	}
	e, err := encode(args, b.namespace.server.limits.Attachments)
	if err != nil {
		return err
	}
	return b.tell(nodeMessage{Do: emitElsewhere, Event: event, Text: e.text, Attachments: e.attachments})
}

// obey does what another node asks.
func (n *Namespace) obey(m *nodeMessage) {
	b := Broadcast{namespace: n, rooms: m.Rooms, except: m.Except, volatile: m.Volatile, local: true}
	switch m.Do {
	case emitElsewhere:
		own := n.marked(m.Event, arguments{text: m.Text, attachments: m.Attachments})
		prepared, except := own.prepared(), b.exceptions()
		for _, id := range m.Rooms {
			b.emitToOne(id, except, own, prepared)
		}
	case joinElsewhere:
		if err := b.SocketsJoin(m.Targets...); err != nil {
			n.server.log.Warn("sockets could not join rooms for another node", "namespace", n.name, "rooms", len(m.Targets), "cause", err)
		}
	case leaveElsewhere:
		b.SocketsLeave(m.Targets...)
	case disconnectElsewhere:
		b.DisconnectSockets(m.Close)
	} // what else there is, a later version knows
}
