// Package message writes a publication as the JSON object that clients of every JSON protocol see:
//
//	{"channel":"updates","event":"price","data":{"usd":12},"key":"AAPL","offset":7,"cursor":"k3vq8w2m-7","time":"2026-11-21T15:04:05.000Z","user":"ann"}
//
// A text payload is a JSON string, a JSON payload the value itself, and a binary one a string in base64 with "encoding":"base64"
// beside it. Fields that are empty are left out.
package message

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/ringdown/ringdown/hub"
)

// Shape is what differs between the protocols.
type Shape struct {
	Type      string // of the object, where objects of several types come; "" leaves it out
	Channel   bool   // the channel is named
	Conflated bool   // in this channel offsets may jump, and nothing is lost by it
	Bare      bool   // the payload is not in the object, but beside it
}

// timeLayout is RFC 3339 with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// Append appends p as an object.
func Append(b []byte, p *hub.Publication, s Shape) []byte {
	b = append(b, '{')
	if s.Type != "" {
		b = append(AppendString(append(b, `"type":`...), s.Type), ',')
	}
	if s.Channel {
		b = append(AppendString(append(b, `"channel":`...), p.Channel), ',')
	}
	if p.Event != "" {
		b = append(AppendString(append(b, `"event":`...), p.Event), ',')
	}
	if !s.Bare {
		b = append(AppendData(append(b, `"data":`...), p.Kind, p.Payload), ',')
	}
	if p.Key != "" {
		b = append(AppendString(append(b, `"key":`...), p.Key), ',')
	}
	b = strconv.AppendUint(append(b, `"offset":`...), p.Offset, 10)
	b = AppendString(append(b, `,"cursor":`...), p.Position().Cursor())
	b = AppendTime(append(b, `,"time":`...), p.Time)
	if p.User != "" {
		b = AppendString(append(b, `,"user":`...), p.User)
	}
	if s.Conflated {
		b = append(b, `,"conflated":true`...)
	}
	return append(b, '}')
}

// AppendData appends a payload as a JSON value, and its encoding if it has one: what follows "data": in an object.
func AppendData(b []byte, kind hub.Kind, payload []byte) []byte {
	switch kind {
	case hub.JSON:
		return append(b, payload...)
	case hub.Binary:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, payload)
		return append(b, `","encoding":"base64"`...)
	}
	return AppendString(b, payload)
}

// AppendTime appends a time as a JSON string.
func AppendTime(b []byte, t time.Time) []byte {
	return append(t.UTC().AppendFormat(append(b, '"'), timeLayout), '"')
}

// String is s as a JSON string. What is not UTF-8 in it is replaced.
func String(s string) string { return string(AppendString(nil, s)) }

const hex = "0123456789abcdef"

// AppendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD; the line separators U+2028 and U+2029 are escaped, as
// old JavaScript takes them for ends of lines.
func AppendString[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	from := 0
	for at := 0; at < len(s); {
		c := s[at]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				at++
				continue
			}
			b = appendEscaped(append(b, s[from:at]...), c)
			at++
			from = at
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[at:min(at+utf8.UTFMax, len(s))]))
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[from:at]...), `\ufffd`...)
			from = at + 1
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[from:at]...), `\u202`...)
			b = append(b, hex[r&0xf])
			from = at + size
		}
		at += size
	}
	return append(append(b, s[from:]...), '"')
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}
