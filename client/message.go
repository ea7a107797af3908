// What is said, both ways: events, commands and answers as programs see them, and as JSON.

package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Kind is what data is.
type Kind uint8

// The kinds of data.
const (
	Text   Kind = iota // UTF-8
	JSON               // one JSON value; one that is a string arrives as Text
	Binary             // bytes
)

func (k Kind) String() string { return [...]string{"text", "json", "binary"}[k] }

// Event is something that a subscription is told: a [*Message], a [*Gap] or a [*PresenceChange].
type Event interface {
	event() (cursor string)
}

// Message is a publication.
type Message struct {
	Channel   string
	Event     string // the name the publisher gave it, or ""
	Kind      Kind
	Data      []byte // the text itself, the JSON as it was published, or the bytes
	Key       string // what the data is the newest value of, or ""
	Offset    uint64
	Cursor    string // for going on after it
	Time      time.Time
	User      string // the publisher, or ""
	Conflated bool   // offsets may jump here, as older values of a key are left out
}

// Text is the data as a string.
func (m *Message) Text() string { return string(m.Data) }

// Unmarshal reads data that is JSON, or text that holds JSON, into v.
func (m *Message) Unmarshal(v any) error { return json.Unmarshal(m.Data, v) }

func (m *Message) event() string { return m.Cursor }

// UnmarshalJSON reads a message as it stands in the JSON of the native protocol, of polls and of event streams with ?format=json.
func (m *Message) UnmarshalJSON(object []byte) error {
	var h heard
	if err := json.Unmarshal(object, &h); err != nil {
		return err
	}
	read, err := h.publication()
	if err == nil {
		*m = *read
	}
	return err
}

// MarshalJSON writes the message as it stands there.
func (m *Message) MarshalJSON() ([]byte, error) {
	o, err := command("{").text("channel", m.Channel).text("event", m.Event).data(m.Kind, m.Data)
	if err != nil {
		return nil, err
	}
	o = o.text("key", m.Key)
	if m.Offset != 0 { // otherwise it came over a transport that does not tell
		o = o.number("offset", m.Offset).text("cursor", m.Cursor).text("time", m.Time.UTC().Format(timeLayout))
	}
	o = o.text("user", m.User)
	if m.Conflated {
		o = o.raw("conflated", []byte("true"))
	}
	return o.end(), nil
}

// timeLayout is RFC 3339 with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

// Gap tells that publications are missing between the events before and after it.
type Gap struct {
	Channel  string
	From, To uint64 // the offsets that are missing, both included; 0 if that is not known, and if From is, perhaps nothing is
	Cursor   string // for going on after it
	// Unrecovered is set when the connection had been away, and the server could not tell what was published meanwhile.
	Unrecovered bool
}

func (g *Gap) event() string { return g.Cursor }

// PresenceChange tells that somebody has come or gone, or, in a crowded channel, only how many there are now.
type PresenceChange struct {
	Channel         string
	Joined, Left    *Member // one of them, or none
	Sessions, Users int
}

func (*PresenceChange) event() string { return "" }

// Member is a session in a channel.
type Member struct {
	Session string          `json:"session"`
	User    string          `json:"user"`
	Info    json.RawMessage `json:"info"`
}

// Error is the server's refusal of one thing.
type Error struct {
	Code    string // see docs/errors.md
	Message string
}

func (e *Error) Error() string { return e.Message + " (" + e.Code + ")" }

// heard is any message of the server.
type heard struct {
	Type     string          `json:"type"`
	ID       json.RawMessage `json:"id"`
	Channel  string          `json:"channel"`
	Event    string          `json:"event"`
	Data     json.RawMessage `json:"data"`
	Encoding string          `json:"encoding"`
	Key      string          `json:"key"`
	Offset   uint64          `json:"offset"`
	Cursor   string          `json:"cursor"`
	Time     time.Time       `json:"time"`
	User     string          `json:"user"`

	Session    string  `json:"session"`
	Conflated  bool    `json:"conflated"`
	Forced     bool    `json:"forced"`
	Recovered  *bool   `json:"recovered"`
	Reason     string  `json:"reason"`
	From       uint64  `json:"from"`
	To         uint64  `json:"to"`
	Code       string  `json:"code"`
	Message    string  `json:"message"`
	Reconnect  bool    `json:"reconnect"`
	RetryAfter float64 `json:"retry_after"`

	Subscribers int      `json:"subscribers"`
	Lagging     int      `json:"lagging"`
	Duplicate   bool     `json:"duplicate"`
	Sessions    int      `json:"sessions"`
	Users       int      `json:"users"`
	Members     []Member `json:"members"`
	Joined      *Member  `json:"joined"`
	Left        *Member  `json:"left"`
	Messages    []heard  `json:"messages"`
	Gaps        []heard  `json:"gaps"`
	More        bool     `json:"more"`

	unnumbered bool // of a subscription: there is no offset
}

// id is the number of the command that is answered, 0 if none is.
func (h *heard) id() uint64 {
	n, _ := strconv.ParseUint(string(h.ID), 10, 64)
	return n
}

func (h *heard) err() error { return &Error{Code: h.Code, Message: h.Message} }

// payload is the data as it was published.
func (h *heard) payload() (Kind, []byte, error) {
	if len(h.Data) == 0 || h.Data[0] != '"' {
		return JSON, h.Data, nil
	}
	var text string
	if err := json.Unmarshal(h.Data, &text); err != nil {
		return 0, nil, err
	}
	if h.Encoding == "" {
		return Text, []byte(text), nil
	}
	bytes, err := base64.StdEncoding.DecodeString(text)
	return Binary, bytes, err
}

// publication is the message that h is.
func (h *heard) publication() (*Message, error) {
	kind, data, err := h.payload()
	if err != nil {
		return nil, fmt.Errorf("client: the data of offset %d in %q: %w", h.Offset, h.Channel, err)
	}
	return &Message{Channel: h.Channel, Event: h.Event, Kind: kind, Data: data, Key: h.Key, Offset: h.Offset, Cursor: h.Cursor,
		Time: h.Time, User: h.User, Conflated: h.Conflated}, nil
}

// command is a JSON object that is being written.
type command []byte

func newCommand(kind string) command { return command("{").text("type", kind) }

func (c command) raw(name string, value []byte) command {
	if len(c) != 1 { // it is not just the brace
		c = append(c, ',')
	}
	return append(append(c, `"`+name+`":`...), value...)
}

// text writes nothing for "".
func (c command) text(name, value string) command {
	if value == "" {
		return c
	}
	quoted, _ := json.Marshal(value) // of a string it cannot fail
	return c.raw(name, quoted)
}

func (c command) number(name string, value uint64) command {
	return c.raw(name, strconv.AppendUint(nil, value, 10))
}

// data writes a payload as it is to arrive.
func (c command) data(kind Kind, data []byte) (command, error) {
	switch kind {
	case Text:
		if !utf8.Valid(data) {
			return nil, fmt.Errorf("client: the text is not UTF-8; publish it as Binary")
		}
		quoted, _ := json.Marshal(string(data))
		return c.raw("data", quoted), nil
	case JSON:
		if !json.Valid(data) {
			return nil, fmt.Errorf("client: the data is not one JSON value; correct it, or publish it as Text")
		}
		return c.raw("data", data), nil
	case Binary:
		quoted, _ := json.Marshal(data) // base64
		return c.raw("data", quoted).text("encoding", "base64"), nil
	}
	return nil, fmt.Errorf("client: there is no kind of data %d", kind)
}

func (c command) end() []byte { return append(c, '}') }
