// Direct: for servers whose clients say themselves which channels they are in, as those of other protocols do, without a program that has handlers.

package socketio

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/gateway/internal/message"
	"github.com/ringdown/ringdown/gateway/socketio/internal/packet"
	"github.com/ringdown/ringdown/hub"
)

// OwnEvents is how the events begin that a server with [Direct] sends on its own behalf. No publication arrives under such a name.
const OwnEvents = "ringdown:"

// Direct says that channels are the clients' own affair. What differs from a server without:
//
//   - Sockets are in no channel that they were not taken into: there is none of all sockets of a namespace.
//   - A publication comes with one more argument, an object of its channel, its event, its offset and cursor, its time, and, if they are known, its key
//     and its user. One whose event is called as something of Socket.IO's or of the server's own comes as "message".
//   - Channels that a socket has subscribed to by [Socket.Session] are recovered only if it may still subscribe to them.
//   - What is refused is told as {"ok":false,"error":{"code":…,"message":…}}, and the end of a session by the event "ringdown:disconnect".
type Direct struct {
	// Notify is told what the hub has to tell of the channels in which a socket is, as a [hub.Receiver] is: it must neither wait nor call the hub.
	Notify func(s *Socket, n *hub.Notice)
	// Presence tells whether a socket that comes back into a channel is to be told who comes and goes there. nil never is.
	Presence func(s *Socket, channel string) bool
}

// taken tells whether a publication cannot come under its own name.
func (d *Direct) taken(event string) bool {
	return event == "" || packet.Reserved(event) || d != nil && strings.HasPrefix(event, OwnEvents)
}

// about is the argument that tells where a publication comes from.
func (d *Direct) about(p *hub.Publication, conflated bool) []byte {
	return message.Append(nil, p, message.Shape{Channel: true, Conflated: conflated, Bare: true})
}

// notify passes a notice on.
func (d *Direct) notify(s *Socket, n *hub.Notice) {
	if d != nil && d.Notify != nil {
		d.Notify(s, n)
	}
}

func (d *Direct) presence(s *Socket, channel string) bool {
	return d != nil && d.Presence != nil && d.Presence(s, channel)
}

// refusal is how a server with Direct answers what it refuses.
type refusal struct {
	OK    bool `json:"ok"`
	Error told `json:"error"`
}

type told struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (p problem) refusal() refusal { return refusal{Error: told{Code: p.Code, Message: p.Error}} }

// goodbye is what the client is told of the end of its session.
type goodbye struct {
	told
	Reconnect bool `json:"reconnect"` // it will come back by itself
}

// Refuse answers an event of the client with an error: in its acknowledgement, if it asks for one, and otherwise in the log.
func (s *Socket) Refuse(event string, err error, ack Ack) { s.refused(event, err, ack) }

// Published notes what became of a publication that the socket's client asked for and that was made by [hub.Session.Publish], so that it is held back
// while others cannot keep up.
func (s *Socket) Published(r hub.Receipt) { s.published(r) }

// again marks the notice of a channel that a socket which came back is in again. It is true for one that the client had chosen.
type again bool

// stillMay tells whether a socket that comes back may have what it has missed: whether its client may still subscribe to what it has subscribed to.
func (s *Socket) stillMay(ctx context.Context) bool {
	for _, channel := range s.trail.chosen {
		if s.Session().MaySubscribe(ctx, channel) != nil {
			return false
		}
	}
	return true
}

// startOver makes it a new socket.
func (s *Socket) startOver(who hub.Identity) error {
	s.Session().Close()
	s.conn.server.keeper.fail(s.memory)
	s.id, s.recovered, s.data, s.memory = "", false, nil, nil
	return s.open(who)
}

// choose notes that the client was taken into a channel because it asked for that.
func (t *trail) choose(channel string) {
	if !slices.Contains(t.chosen, channel) {
		t.chosen = append(t.chosen, channel)
	}
}

// Members are the members of argument i, if it is an object; each alone. ok is false if it is something else.
func (a Args) Members(i int) (members map[string]Args, ok bool) {
	if _, is := a.Bytes(i); is || a.elements[i][0] != '{' {
		return nil, false
	}
	var raw map[string]json.RawMessage
	json.Unmarshal(a.elements[i], &raw) // it is valid
	members = make(map[string]Args, len(raw))
	for name, value := range raw {
		members[name] = Args{[][]byte{value}, a.attachments}
	}
	return members, true
}

// From are the arguments from i on.
func (a Args) From(i int) Args { return Args{a.elements[i:], a.attachments} }

// Payload is the arguments as the payload of a publication, as [Broadcast.Emit] publishes them: of one argument its text, its bytes or its JSON, of
// several an array. Bytes within JSON are {"base64":"…"}.
func (a Args) Payload() (kind hub.Kind, data []byte, form hub.Form) {
	if len(a.elements) != 1 {
		data, form = a.Array()
		return hub.JSON, data, form | hub.Spread
	}
	if b, is := a.Bytes(0); is {
		return hub.Binary, b, 0
	}
	if a.elements[0][0] == '"' {
		var s string
		json.Unmarshal(a.elements[0], &s) // it is valid
		return hub.Text, []byte(s), 0
	}
	data, form = a.embedded(0)
	return hub.JSON, data, form
}

// Array is the arguments as a JSON array, in which bytes are {"base64":"…"}; form is [hub.Embedded] if there are any.
func (a Args) Array() (array []byte, form hub.Form) {
	array = []byte{'['}
	for i := range a.elements {
		if i > 0 {
			array = append(array, ',')
		}
		one, f := a.embedded(i)
		array, form = append(array, one...), form|f
	}
	return append(array, ']'), form
}

func (a Args) embedded(i int) (text []byte, form hub.Form) {
	text = packet.Fill(a.elements[i], a.attachments, func(b, attachment []byte) []byte {
		form = hub.Embedded
		return append(appendBase64(append(b, `{"base64":`...), attachment), '}')
	})
	return text, form
}

// Forget is for a channel that the socket's client has left by [hub.Session.Unsubscribe], of which the hub tells nobody.
func (s *Socket) Forget(channel string) { s.left(channel) }
