// What a client is told: each kind of message of the server, written as JSON.
//
// It is written by hand, as fields have an order that people like to read (type, id and channel first), and data that was published as
// JSON goes out as it came. Publications themselves are written by package message.

package native

import (
	"strconv"
	"time"

	"github.com/ringdown/ringdown/gateway/internal/message"
	"github.com/ringdown/ringdown/hub"
)

// object is a JSON object that is being written.
type object []byte

// begin begins a message of a type. id is the command's that it answers, "" for none.
func begin(kind, id string) object {
	o := append(make(object, 0, 160), `{"type":"`...)
	o = append(append(o, kind...), '"')
	if id != "" {
		o = append(append(o, `,"id":`...), id...)
	}
	return o
}

func (o object) end() []byte { return append(o, '}') }

// name writes the name of a member, which must need no escape.
func (o object) name(name string) object {
	if o[len(o)-1] != '{' {
		o = append(o, ',')
	}
	return append(append(append(o, '"'), name...), `":`...)
}

func (o object) text(name, value string) object { return message.AppendString(o.name(name), value) }

// textIf writes nothing for "".
func (o object) textIf(name, value string) object {
	if value == "" {
		return o
	}
	return o.text(name, value)
}

func (o object) number(name string, value uint64) object {
	return strconv.AppendUint(o.name(name), value, 10)
}

func (o object) flag(name string, value bool) object { return strconv.AppendBool(o.name(name), value) }

func (o object) flagIf(name string, value bool) object {
	if !value {
		return o
	}
	return o.flag(name, true)
}

func (o object) raw(name string, value []byte) object { return append(o.name(name), value...) }

// data writes a payload, and how it is encoded if it is not plain to see.
func (o object) data(kind hub.Kind, payload []byte) object {
	return message.AppendData(o.name("data"), kind, payload)
}

func (o object) time(name string, t time.Time) object { return message.AppendTime(o.name(name), t) }

func (o object) member(name string, m *hub.Member) object { return append(o.name(name), member(m)...) }

func member(m *hub.Member) []byte {
	o := object{'{'}.text("session", m.Session).textIf("user", m.User)
	if m.Info != nil {
		o = o.raw("info", m.Info)
	}
	return o.end()
}

func (o object) counts(sessions, users int) object {
	return o.number("sessions", uint64(sessions)).number("users", uint64(users))
}
