// Package message writes a publication as the JSON object that clients of every JSON protocol see:
//
//	{"channel":"updates","event":"price","data":{"usd":12},"key":"AAPL","offset":7,"cursor":"k3vq8w2m-7","time":"2026-11-21T15:04:05.000Z","user":"ann"}
//
// A text payload is a JSON string, a JSON payload the value itself, and a binary one a string in base64 with "encoding":"base64"
// beside it. Fields that are empty are left out.
package message

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Shape is what differs between the protocols.
type Shape struct {
	Type      string // of the object, where objects of several types come; "" leaves it out
	Channel   bool   // the channel is named
	Conflated bool   // in this channel offsets may jump, and nothing is lost by it
}

// timeLayout is RFC 3339 with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// Append appends p as an object.
func Append(b []byte, p *hub.Publication, s Shape) []byte {
	b = append(b, '{')
	if s.Type != "" {
		b = append(appendString(append(b, `"type":`...), s.Type), ',')
	}
	if s.Channel {
		b = append(appendString(append(b, `"channel":`...), p.Channel), ',')
	}
	if p.Event != "" {
		b = append(appendString(append(b, `"event":`...), p.Event), ',')
	}
	b = AppendData(append(b, `"data":`...), p.Kind, p.Payload)
	if p.Key != "" {
		b = appendString(append(b, `,"key":`...), p.Key)
	}
	b = strconv.AppendUint(append(b, `,"offset":`...), p.Offset, 10)
	b = appendString(append(b, `,"cursor":`...), p.Position().Cursor())
	b = AppendTime(append(b, `,"time":`...), p.Time)
	if p.User != "" {
		b = appendString(append(b, `,"user":`...), p.User)
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
	return appendString(b, string(payload))
}

// AppendTime appends a time as a JSON string.
func AppendTime(b []byte, t time.Time) []byte {
	return append(t.UTC().AppendFormat(append(b, '"'), timeLayout), '"')
}

// String is s as a JSON string. What is not UTF-8 in it is replaced.
func String(s string) string { return string(appendString(nil, s)) }

func appendString(b []byte, s string) []byte {
	into := bytes.NewBuffer(b)
	e := json.NewEncoder(into)
	e.SetEscapeHTML(false) // it is no part of a page, and "<" is more readable than "\u003c"
	if err := e.Encode(s); err != nil {
		panic(err) // a string can always be encoded
	}
	b = into.Bytes()
	return b[:len(b)-1] // without the line feed
}
