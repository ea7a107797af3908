// What is asked, as the server gives it and as it goes over the wire.

package backend

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// Hook names an occasion on which the service is asked.
type Hook string

// The hooks.
const (
	Connect    Hook = "connect"
	Subscribe  Hook = "subscribe"
	Publish    Hook = "publish"
	Call       Hook = "call"
	Disconnect Hook = "disconnect" // a notice: nobody waits for an answer
)

// AllHooks lists the hooks.
func AllHooks() []Hook { return []Hook{Connect, Subscribe, Publish, Call, Disconnect} }

// Kind is what a payload is. The numbers are those of the hub's.
type Kind uint8

// The kinds of payload.
const (
	Text   Kind = iota // UTF-8
	JSON               // one JSON value
	Binary             // bytes
)

// Payload is what is published, called with, or answered.
type Payload struct {
	Kind  Kind
	Bytes []byte
}

// wire is the payload as "data" and "encoding". JSON that is a string would come back as text, as it does everywhere else in
// the protocols; bytes that are not what Kind says are refused.
func (p Payload) wire() (data json.RawMessage, encoding string, err error) {
	switch p.Kind {
	case JSON:
		if !json.Valid(p.Bytes) {
			return nil, "", errors.New("backend: the payload is said to be JSON and is not")
		}
		return p.Bytes, "", nil
	case Text:
		if !utf8.Valid(p.Bytes) {
			return nil, "", errors.New("backend: the payload is said to be text and is not UTF-8")
		}
		return quote(string(p.Bytes)), "", nil
	}
	return quote(base64.StdEncoding.EncodeToString(p.Bytes)), "base64", nil
}

// quote writes a string as JSON, without the escapes that are for HTML.
func quote(s string) json.RawMessage {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) // a string can always be encoded
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n"))
}

// payloadOf reads "data" and "encoding" back.
func payloadOf(data json.RawMessage, encoding string) (Payload, error) {
	if encoding != "" && encoding != "base64" {
		return Payload{}, errors.New(`the only "encoding" is "base64"; leave it out for JSON and text`)
	}
	if len(data) == 0 || data[0] != '"' {
		if encoding != "" {
			return Payload{}, errors.New(`what is base64 must be a string`)
		}
		return Payload{Kind: JSON, Bytes: data}, nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return Payload{}, err
	}
	if encoding == "" {
		return Payload{Kind: Text, Bytes: []byte(s)}, nil
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return Payload{}, errors.New(`the string is not base64 (RFC 4648 §4, with padding)`)
	}
	return Payload{Kind: Binary, Bytes: b}, nil
}

// Client is who a hook is about.
type Client struct {
	Session  string
	User     string          // "" for an anonymous client
	Info     json.RawMessage // what others may know of the user: a JSON value, or nil
	Remote   string          // the client's address, without port
	Protocol string          // how it is connected: native, sse, …
}

// ConnectRequest asks whether a client may connect, before it has.
type ConnectRequest struct {
	Client
	Header http.Header // of the opening request; only what HooksOptions lists is sent
	// Passing says that the client is there for one request only, so that it may be answered as its last one was; see
	// HooksOptions.ConnectReuse.
	Passing bool
}

// SubscribeRequest asks whether a client may subscribe.
type SubscribeRequest struct {
	Client
	Channel string
}

// PublishRequest asks whether a client may publish, and what.
type PublishRequest struct {
	Client
	Channel string
	Event   string
	Key     string
	Data    Payload
}

// CallRequest hands on a client's call.
type CallRequest struct {
	Client
	Method  string
	Channel string // "" if it is about none
	Data    Payload
}

// DisconnectRequest tells that a client has gone.
type DisconnectRequest struct {
	Client
	Code   string // why, in a word: one of docs/errors.md, or ""
	Reason string // and in a sentence, or ""
}

// Request is a hook's request as it goes over the wire, for services written in Go to decode after [Verify]. Fields that a hook
// does not have are left out.
type Request struct {
	Hook     Hook              `json:"hook"`
	ID       string            `json:"id"` // the same when the request is repeated
	Time     time.Time         `json:"time"`
	Session  string            `json:"session"`
	User     string            `json:"user,omitempty"`
	Info     json.RawMessage   `json:"info,omitempty"`
	Remote   string            `json:"remote,omitempty"`
	Protocol string            `json:"protocol,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"` // by canonical name
	Cookies  map[string]string `json:"cookies,omitempty"`
	Channel  string            `json:"channel,omitempty"`
	Method   string            `json:"method,omitempty"`
	Event    string            `json:"event,omitempty"`
	Key      string            `json:"key,omitempty"`
	Data     json.RawMessage   `json:"data,omitempty"`
	Encoding string            `json:"encoding,omitempty"` // "base64" if Data is a string that stands for bytes
	Code     string            `json:"code,omitempty"`
	Reason   string            `json:"reason,omitempty"`
}

// rfc3339 is how times are written: always with milliseconds, in UTC.
const rfc3339 = "2006-01-02T15:04:05.000Z"

// MarshalJSON writes the request as it goes over the wire.
func (r Request) MarshalJSON() ([]byte, error) {
	type fields Request // without this method
	return json.Marshal(struct {
		fields
		Time string `json:"time"` // instead of the one among the fields
	}{fields(r), r.Time.UTC().Format(rfc3339)})
}

// Payload reads Data and Encoding.
func (r *Request) Payload() (Payload, error) { return payloadOf(r.Data, r.Encoding) }

func (c Client) request(hook Hook) *Request {
	return &Request{Hook: hook, Session: c.Session, User: c.User, Info: c.Info, Remote: c.Remote, Protocol: c.Protocol}
}

// pickHeaders is what of a header may be sent; nil if nothing.
func pickHeaders(h http.Header, names []string) map[string]string {
	var picked map[string]string
	for _, name := range names {
		name = http.CanonicalHeaderKey(name)
		if values := h[name]; len(values) > 0 {
			if picked == nil {
				picked = make(map[string]string)
			}
			picked[name] = strings.Join(values, ", ")
		}
	}
	return picked
}

// pickCookies is what of the cookies may be sent; nil if nothing. Of two with one name, the first counts.
func pickCookies(h http.Header, names []string) map[string]string {
	if len(names) == 0 {
		return nil
	}
	var picked map[string]string
	r := http.Request{Header: h}
	for _, name := range names {
		if c, err := r.Cookie(name); err == nil {
			if picked == nil {
				picked = make(map[string]string)
			}
			picked[name] = c.Value
		}
	}
	return picked
}
