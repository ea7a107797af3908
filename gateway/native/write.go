// What a client is told: each kind of message of the server, written as JSON.
//
// It is written by hand, as fields have an order that people like to read (type, id and channel first), data that was
// published as JSON goes out as it came, and a publication is written on the way of every message.

package native

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

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

func (o object) text(name, value string) object { return quote(o.name(name), value) }

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
	o = o.name("data")
	switch kind {
	case hub.JSON:
		return append(o, payload...)
	case hub.Binary:
		o = base64.StdEncoding.AppendEncode(append(o, '"'), payload)
		return append(o, `","encoding":"base64"`...)
	}
	return quote(o, payload)
}

// message writes a publication without type, as it stands in lists, too.
func (o object) message(p *hub.Publication, conflated bool) object {
	o = o.text("channel", p.Channel).textIf("event", p.Event).data(p.Kind, p.Payload).textIf("key", p.Key)
	o = o.number("offset", p.Offset).text("cursor", p.Position().Cursor()).time("time", p.Time).textIf("user", p.User)
	return o.flagIf("conflated", conflated)
}

// time is RFC 3339 with milliseconds.
func (o object) time(name string, t time.Time) object {
	return t.UTC().AppendFormat(o.name(name), `"2006-01-02T15:04:05.000Z"`)
}

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

const hex = "0123456789abcdef"

// quote writes s as a JSON string. What is not UTF-8 becomes U+FFFD; the line separators U+2028 and U+2029 are escaped, as
// old JavaScript takes them for ends of lines.
func quote[T string | []byte](o object, s T) object {
	o = append(o, '"')
	from := 0
	for at := 0; at < len(s); {
		c := s[at]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				at++
				continue
			}
			o = escape(append(o, s[from:at]...), c)
			at++
			from = at
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[at:min(at+utf8.UTFMax, len(s))]))
		switch {
		case r == utf8.RuneError && size == 1:
			o = append(append(o, s[from:at]...), `\ufffd`...)
			from = at + 1
		case r == '\u2028' || r == '\u2029':
			o = append(append(o, s[from:at]...), `\u202`...)
			o = append(o, hex[r&0xf])
			from = at + size
		}
		at += size
	}
	return append(append(o, s[from:]...), '"')
}

func escape(o object, c byte) object {
	switch c {
	case '"', '\\':
		return append(o, '\\', c)
	case '\n':
		return append(o, `\n`...)
	case '\r':
		return append(o, `\r`...)
	case '\t':
		return append(o, `\t`...)
	}
	return append(o, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}
