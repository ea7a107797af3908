// A publication: what is said in a channel, and its encodings, each made once and shared by all who receive it.

package hub

import (
	"sync"
	"sync/atomic"
	"time"
)

// Kind is what a payload is.
type Kind uint8

// The kinds of payload.
const (
	Text   Kind = iota // UTF-8
	JSON               // one JSON value
	Binary             // bytes
)

// String is the kind's name: "text", "json" or "binary".
func (k Kind) String() string { return [...]string{"text", "json", "binary"}[k] }

// Form says what else there is to know of a payload: for gateways whose protocol has arguments side by side, or bytes within JSON. The
// others pass on the JSON as it is.
type Form uint8

// The forms; together where several hold.
const (
	// Spread: the JSON payload is an array, whose elements are the arguments of the event.
	Spread Form = 1 << iota
	// Embedded: objects {"base64":"…"} in the JSON payload, with that key alone, stand for bytes.
	Embedded
	// Fleeting: it is worth nothing later. A gateway may drop it for a client to which much else is on its way, and need not hand it
	// over when the client comes back.
	Fleeting
)

// Publication is one message in a channel. The first group of fields is the publisher's, the second is set by the broker as it
// is published. Nobody writes it after that.
type Publication struct {
	Channel string
	Event   string // the name of what happened, "" if it has none; at most MaxEventName bytes, printable
	Kind    Kind
	Payload []byte
	Key     string // what the payload is the newest value of, for channels that conflate; at most MaxKey bytes
	Session string // the session that published it, "" for the server itself
	User    string // whose session that was, if known
	Form    Form   // of the payload; zero if there is nothing to say
	// Except are names of channels and ids of sessions, at most MaxExcept: gateways whose protocol knows exclusion keep the publication
	// from those sessions, and from those that are in one of these channels. It is kept with the publication and travels with it.
	Except []string

	Epoch  string
	Offset uint64
	Time   time.Time

	mu    sync.Mutex           // held to add a form
	forms atomic.Pointer[form] // read without the lock
}

// Bounds of a publication's small fields, in bytes.
const (
	MaxEventName      = 255
	MaxKey            = 255
	MaxIdempotencyKey = 255
)

// MaxExcept is how many channels and sessions a publication may except.
const MaxExcept = 64

// Position is where in its channel the publication is.
func (p *Publication) Position() Position { return Position{p.Epoch, p.Offset} }

// form is a publication as one protocol writes it. The forms of a publication are a list that only grows at its head:
// there are as many as there are protocols, which is few.
type form struct {
	encoding any
	value    any
	next     *form
}

// Encoding is one protocol's way to write a publication, for instance as a WebSocket frame. Make one per protocol, as a
// package variable: its address is its identity.
type Encoding[T any] struct {
	Encode func(*Publication) T
}

// Of returns p in this encoding. The first call encodes, all others share the result, which must therefore not be
// changed. It may be called from any goroutine.
func (e *Encoding[T]) Of(p *Publication) T {
	if f := p.form(e); f != nil {
		return f.value.(T)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.form(e); f != nil {
		return f.value.(T)
	}
	value := e.Encode(p)
	p.forms.Store(&form{encoding: e, value: value, next: p.forms.Load()})
	return value
}

func (p *Publication) form(encoding any) *form {
	f := p.forms.Load()
	for f != nil && f.encoding != encoding {
		f = f.next
	}
	return f
}
