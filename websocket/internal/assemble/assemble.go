// Package assemble makes whole messages of the pieces that a wire.Decoder hands up: it joins them, inflates them and
// checks that text is UTF-8. Like the decoder it is a plain state machine, without I/O, goroutine or clock.
package assemble

import (
	"errors"
	"io"
	"unicode/utf8"

	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/wire"
)

// firstStep is the most memory, in bytes, that a message takes on the word of its header alone. Past it, memory grows
// only as bytes arrive.
const firstStep = 32 << 10

// Limits bound a message, on the wire and inflated. Connections with the same options share one.
type Limits struct {
	Wire    wire.Limits
	Inflate deflate.Bounds
}

// Assembler turns received bytes into whole messages and control frames. One goroutine at a time uses it.
type Assembler struct {
	Decoder   wire.Decoder      // for a driver that streams a message's pieces itself, while Pending is empty
	inflator  *deflate.Inflator // nil if compression was not agreed on
	limits    *Limits
	pending   []byte // pieces of the present message, or the last message handed up if it was assembled here
	lastPlain int32  // size of the last inflated message, for a guess at the next
	done      bool   // pending was handed up, and is free as soon as Next is called again
}

// Init prepares a for a new connection. The inflator is nil if compression was not agreed on.
func (a *Assembler) Init(role wire.Role, limits *Limits, inflator *deflate.Inflator) {
	*a = Assembler{limits: limits, inflator: inflator}
	a.Decoder.Init(role, &limits.Wire, inflator != nil)
}

// Next takes bytes from the front of in until they make one event, and returns how many it took. An event of kind Data
// is a whole message, uncompressed: its payload points into in, or into a buffer of the Assembler's, and is good until
// the next call. All else is as in [wire.Decoder.Next].
func (a *Assembler) Next(in []byte) (int, wire.Event, error) {
	if a.done {
		a.Release()
	}
	total := 0
	for {
		n, ev, err := a.Decoder.Next(in[total:])
		total += n
		if err != nil || ev.Kind == wire.None && total == len(in) {
			return total, ev, err
		}
		switch {
		case ev.Kind == wire.None: // an empty fragment
		case ev.Kind != wire.Data:
			return total, ev, nil
		case ev.First && ev.Last && !ev.Compressed: // the common case: nothing to join, nothing to copy
			return total, ev, nil
		default:
			if whole, err := a.join(&ev); whole || err != nil {
				return total, ev, err
			}
		}
	}
}

// join adds a piece to the present message and reports whether that completes it.
func (a *Assembler) join(ev *wire.Event) (bool, error) {
	if !a.Gather(ev) {
		return false, nil
	}
	if ev.Compressed {
		if err := a.inflate(ev); err != nil {
			return false, a.Decoder.Fail(err)
		}
	}
	return true, nil
}

// Gather adds a piece to the present message and reports whether that completes it. Then the event's payload is the whole
// message, still compressed if it was, and good until the next call of Next or Release.
func (a *Assembler) Gather(ev *wire.Event) (whole bool) {
	if a.done { // the message before was assembled by Next, and this one is streamed
		a.Release()
	}
	if !ev.Last {
		if a.pending == nil {
			a.pending = buffers.Get(int(min(uint64(len(ev.Payload))+a.Decoder.Left(), firstStep)))
		}
		a.pending = buffers.Append(a.pending, ev.Payload)
		return false
	}
	if a.pending != nil {
		a.pending = buffers.Append(a.pending, ev.Payload)
		ev.Payload = a.pending
	}
	a.done = true
	return true
}

// inflate replaces the compressed payload of ev by its plain form.
func (a *Assembler) inflate(ev *wire.Event) *wire.Error {
	guess := min(max(4*len(ev.Payload)+buffers.Min, int(a.lastPlain)), firstStep)
	plain, err := a.inflator.Append(buffers.Get(guess), ev.Payload, a.limits.Inflate)
	if err != nil {
		buffers.Put(plain)
		return InflateError(err)
	}
	buffers.Put(a.pending)
	a.pending, ev.Payload = plain, plain
	a.lastPlain = int32(min(len(plain), firstStep))
	if ev.Opcode == wire.Text && !utf8.Valid(plain) {
		return &wire.Error{Code: wire.StatusInvalidPayload, Reason: "text message is not UTF-8"}
	}
	return nil
}

// InflateError gives an error of the inflator the close code that it deserves.
func InflateError(err error) *wire.Error {
	if _, ok := errors.AsType[*deflate.CorruptError](err); ok {
		return &wire.Error{Code: wire.StatusInvalidPayload, Reason: "compressed message is corrupt"}
	}
	return &wire.Error{Code: wire.StatusMessageTooBig, Reason: err.Error()}
}

// Inflator is what Init was given.
func (a *Assembler) Inflator() *deflate.Inflator { return a.inflator }

// Pending is what has come of an unfinished message, as it was on the wire.
func (a *Assembler) Pending() []byte {
	if a.done {
		return nil
	}
	return a.pending
}

// Release gives back the memory of the message handed up last, whose payload is gone with it, or drops what has come of
// an unfinished one.
func (a *Assembler) Release() {
	buffers.Put(a.pending)
	a.pending, a.done = nil, false
}

// Free is Release for a message that was handed up and is done with; an unfinished one stays.
func (a *Assembler) Free() {
	if a.done {
		a.Release()
	}
}

// Abandon is Release for a message that is still being read: its memory is left to the garbage collector.
func (a *Assembler) Abandon() {
	if a.done {
		a.pending, a.done = nil, false
	}
}

// Inflate streams the plain form of a whole compressed message that [Assembler.Gather] has gathered. It must be read to its
// end before the next message.
func (a *Assembler) Inflate(packed io.Reader) io.Reader {
	return a.inflator.Reader(packed, a.limits.Inflate)
}
