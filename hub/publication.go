// A publication: what is said in a channel, and its encodings, each made once and shared by all who receive it.

package hub

import (
	"sync"
	"sync/atomic"
)

// Publication is one message in a channel. It is written by nobody once it is published.
type Publication struct {
	Channel string
	Binary  bool // the payload is bytes, not text
	Payload []byte

	mu    sync.Mutex           // held to add a form
	forms atomic.Pointer[form] // read without the lock
}

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
