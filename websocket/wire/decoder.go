// The receiving half: bytes to events.

package wire

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Limits bound what a peer may send. A zero field means no limit. Many decoders may share one Limits; none changes it.
type Limits struct {
	Message   int64 // bytes of one data message on the wire
	Frame     int64 // bytes of payload of one data frame
	Fragments int   // frames of one data message
	Control   int   // control frames until [Decoder.AllowControl] is called again
}

// short is how long a short message may be by these limits.
func (l *Limits) short() int {
	size := int64(MaxControlPayload)
	if l.Message > 0 {
		size = min(size, l.Message)
	}
	if l.Frame > 0 {
		size = min(size, l.Frame)
	}
	return int(size)
}

// Decoder turns received bytes into events (RFC 6455 §5 and §8.1). It may be fed in pieces cut anywhere: any cut of the
// same bytes gives the same messages, control frames and error. Create one with [NewDecoder].
//
// The first violation ends it: Next then returns the same *[Error] for ever.
type Decoder struct {
	limits *Limits
	err    *Error

	left uint64 // bytes of the present frame's payload still to come
	size int64  // bytes of the present message that its headers have announced
	key  uint32 // masking key, turned to the next byte

	fragments int32 // frames of the present message so far
	controls  int32 // control frames since AllowControl

	role       Role
	deflate    bool // compressed messages are agreed upon
	inFrame    bool
	inMessage  bool   // between a message's first byte and its last
	first      bool   // the message has not handed up a piece yet
	compressed bool   // the present message is
	closed     bool   // a Close frame has come
	fin        bool   // the present frame is its message's last
	frame      Opcode // of the present frame
	op         Opcode // of the present message
	text       UTF8
	cutHeader  [MaxHeaderSize]byte // a header cut by the end of the input
	cutLen     uint8
	control    *cutControl // a control frame that comes in pieces; nil between them
}

// cutControl gathers the payload of a control frame that was cut by the end of the input.
type cutControl struct {
	n    int
	data [MaxControlPayload]byte
}

// NewDecoder returns a Decoder for the side that is role: a Server demands masked frames, a Client unmasked ones
// (RFC 6455 §5.1). deflate says that permessage-deflate was agreed on, so that a message may be marked compressed. A nil
// limits is no limits; otherwise it must not change while the Decoder is in use.
func NewDecoder(role Role, limits *Limits, deflate bool) *Decoder {
	d := new(Decoder)
	d.Init(role, limits, deflate)
	return d
}

// Init makes d what NewDecoder returns, for a Decoder that lies inside another struct.
func (d *Decoder) Init(role Role, limits *Limits, deflate bool) {
	if limits == nil {
		limits = new(Limits)
	}
	*d = Decoder{role: role, limits: limits, deflate: deflate}
}

// Idle reports whether d stands between messages with no byte of the next frame received.
func (d *Decoder) Idle() bool { return !d.inMessage && !d.inFrame && d.cutLen == 0 }

// AllowControl refills the budget of [Limits.Control]. The driver, who has a clock, calls it as time passes.
func (d *Decoder) AllowControl() { d.controls = 0 }

// SawControl reports whether control frames have come since AllowControl was called: there is a budget to refill.
func (d *Decoder) SawControl() bool { return d.controls > 0 }

// Next takes bytes from the front of in until they make one event and returns how many it took. An event of Kind None has
// nothing to tell: go on while there is input left, and call again once more bytes have come. In place means that the bytes of a masked frame's
// payload are unmasked inside in.
//
// The error is an *[Error] with the close code to send; it is final.
func (d *Decoder) Next(in []byte) (n int, ev Event, err error) {
	if d.err != nil {
		return 0, ev, d.err
	}
	if d.closed { // RFC 6455 §1.4: after a Close frame, whatever comes is discarded
		return len(in), ev, nil
	}
	if !d.inFrame {
		if n, err = d.short(in, &ev); n > 0 {
			return n, ev, err
		}
		n, err = d.header(in)
		if err != nil || !d.inFrame {
			return n, ev, err
		}
	}
	payload := in[n:]
	if uint64(len(payload)) > d.left {
		payload = payload[:d.left:d.left] // whoever appends to it must not write over the next frame
	}
	n += len(payload)
	d.left -= uint64(len(payload))
	if d.role == Server {
		d.key = Mask(payload, d.key)
	}
	if d.frame.Control() {
		err = d.controlFrame(payload, &ev)
	} else {
		err = d.dataFrame(payload, &ev)
	}
	return n, ev, err
}

// short is Next for what most frames at a server are: a complete, short message in one frame. It takes the place of all the
// rest, at a third of the cost, and returns 0 for whatever is not plainly that.
func (d *Decoder) short(in []byte, ev *Event) (int, error) {
	if len(in) < 6 || d.role != Server || d.inMessage || d.cutLen > 0 {
		return 0, nil
	}
	op, size := Opcode(in[0]^finBit), int(in[1]^maskBit) // anything but FIN alone and a mask makes these too large
	if op != Text && op != Binary || size > MaxControlPayload || 6+size > len(in) || size > d.limits.short() {
		return 0, nil
	}
	payload := in[6 : 6+size : 6+size]
	Mask(payload, binary.LittleEndian.Uint32(in[2:]))
	if op == Text && !utf8.Valid(payload) {
		return 6 + size, d.fail(errNotUTF8)
	}
	ev.Kind, ev.Opcode, ev.First, ev.Last, ev.Payload = Data, op, true, true, payload
	return 6 + size, nil
}

var errNotUTF8 = &Error{Code: StatusInvalidPayload, Reason: "text message is not UTF-8"}

// dataFrame hands up a piece of a data message.
func (d *Decoder) dataFrame(payload []byte, ev *Event) error {
	d.inFrame = d.left > 0
	last := !d.inFrame && d.fin
	if d.op == Text && !d.compressed { // compressed text is checked by whoever inflates it
		if !d.text.Write(payload) || last && !d.text.Complete() {
			return d.fail(errNotUTF8)
		}
	}
	if len(payload) == 0 && !last {
		return nil
	}
	ev.Kind, ev.Opcode, ev.Payload = Data, d.op, payload
	ev.First, ev.Last, ev.Compressed = d.first, last, d.compressed
	d.first = false
	d.inMessage = !last
	return nil
}

// controlFrame hands up a control frame once all of it is there.
func (d *Decoder) controlFrame(payload []byte, ev *Event) error {
	if d.left > 0 || d.control != nil {
		if d.control == nil {
			d.control = new(cutControl)
		}
		d.control.n += copy(d.control.data[d.control.n:], payload)
		if d.left > 0 {
			return nil
		}
		payload, d.control = d.control.data[:d.control.n], nil
	}
	d.inFrame = false
	switch d.frame {
	case Ping:
		ev.Kind, ev.Payload = PingIn, payload
	case Pong:
		ev.Kind, ev.Payload = PongIn, payload
	default:
		code, reason, err := parseClose(payload)
		if err != nil {
			return d.fail(err)
		}
		d.closed = true
		ev.Kind, ev.Code, ev.Payload = ClosedIn, code, reason
	}
	return nil
}

// header reads the next frame's header and returns the bytes it took. d.inFrame then tells whether it was complete.
func (d *Decoder) header(in []byte) (int, error) {
	if d.cutLen == 0 {
		if h, n, err := ParseHeader(in); n > 0 && err == nil {
			return n, d.begin(&h)
		}
	}
	return d.rareHeader(in)
}

// rareHeader is header for one that the input's ends cut, or that is wrong.
func (d *Decoder) rareHeader(in []byte) (int, error) {
	took := copy(d.cutHeader[d.cutLen:], in)
	have := d.cutHeader[:int(d.cutLen)+took]
	if len(have) >= 2 { // what these break is refused without waiting for the rest
		short := headerBits(have[0], have[1])
		if err := d.check(&short); err != nil {
			return took, d.fail(err)
		}
	}
	h, n, err := ParseHeader(have)
	if err != nil {
		return took, d.fail(err.(*Error))
	}
	if n == 0 {
		d.cutLen = uint8(len(have))
		return took, nil
	}
	took = n - int(d.cutLen)
	d.cutLen = 0
	return took, d.begin(&h)
}

// begin starts the frame of h.
func (d *Decoder) begin(h *Header) error {
	if err := d.check(h); err != nil {
		return d.fail(err)
	}
	if err := d.bound(h); err != nil {
		return d.fail(err)
	}
	d.frame, d.fin, d.left, d.key, d.inFrame = h.Opcode, h.Fin, h.Length, h.Key, true
	if h.Opcode == Text || h.Opcode == Binary {
		d.op, d.compressed = h.Opcode, h.RSV1
		d.inMessage, d.first, d.text = true, true, UTF8{}
	}
	return nil
}

// check judges a header against what may stand here. It looks at nothing behind the header's first two bytes.
func (d *Decoder) check(h *Header) *Error {
	switch {
	case h.RSV2 || h.RSV3:
		return violation("reserved bit RSV2 or RSV3 is set, and no extension that uses it was agreed on")
	case h.RSV1 && !d.deflate:
		return violation("reserved bit RSV1 is set, and no extension that uses it was agreed on")
	case !h.Opcode.Known():
		return violation("opcode %#x is reserved", uint8(h.Opcode))
	case h.Masked != (d.role == Server):
		if h.Masked {
			return violation("frame from the server is masked")
		}
		return violation("frame from the client is not masked")
	case h.Opcode.Control():
		return checkControl(h)
	case h.Opcode == Continuation && !d.inMessage:
		return violation("continuation frame with no message to continue")
	case h.Opcode == Continuation && h.RSV1:
		return violation("reserved bit RSV1 is set on a continuation frame") // RFC 7692 §6.1
	case h.Opcode != Continuation && d.inMessage:
		return violation("new %s message before the last one has ended", h.Opcode)
	}
	return nil
}

func checkControl(h *Header) *Error {
	switch {
	case h.RSV1:
		return violation("reserved bit RSV1 is set on a %s frame", h.Opcode)
	case !h.Fin:
		return violation("%s frame is fragmented", h.Opcode)
	case h.Length > MaxControlPayload:
		return violation("%s frame announces more than %d bytes", h.Opcode, MaxControlPayload)
	}
	return nil
}

// bound holds a header against the limits. The announced length counts, before a byte of it has come.
func (d *Decoder) bound(h *Header) *Error {
	if h.Opcode.Control() {
		d.controls++
		if d.limits.Control > 0 && int(d.controls) > d.limits.Control {
			return &Error{StatusPolicyViolation, fmt.Sprintf("more than %d control frames in too short a time", d.limits.Control)}
		}
		return nil
	}
	if h.Opcode != Continuation {
		d.size, d.fragments = 0, 0
	}
	if limit := d.limits.Frame; limit > 0 && h.Length > uint64(limit) {
		return &Error{StatusMessageTooBig, fmt.Sprintf("frame of %d bytes is over the limit of %d", h.Length, limit)}
	}
	limit := d.limits.Message
	if limit > 0 && (h.RSV1 || d.compressed && h.Opcode == Continuation) {
		limit += limit>>3 + 64 // at its worst DEFLATE takes nine bits for a byte; the inflated size is bounded apart
	}
	if limit > 0 && h.Length > uint64(limit-d.size) {
		return &Error{StatusMessageTooBig, fmt.Sprintf("message of at least %d bytes is over the limit of %d", uint64(d.size)+h.Length, limit)}
	}
	if h.Length > uint64(maxLength-d.size) {
		return &Error{StatusMessageTooBig, "message is over the limit of 2^63-1 bytes"}
	}
	d.size += int64(h.Length)
	d.fragments++
	if limit := d.limits.Fragments; limit > 0 && int(d.fragments) > limit {
		return &Error{StatusMessageTooBig, fmt.Sprintf("message of more than %d frames", limit)}
	}
	return nil
}

// Fail ends d for a violation that was found behind it, such as text that is not UTF-8 once it is inflated. Next returns err
// from now on.
func (d *Decoder) Fail(err *Error) error { return d.fail(err) }

func (d *Decoder) fail(err *Error) error {
	d.err, d.inFrame, d.control = err, false, nil
	return err
}

// Left is how many bytes of the present frame's payload are still to come.
func (d *Decoder) Left() uint64 { return d.left }

// Message is the message that d stands within: its opcode, and whether it is compressed. ok is false between messages.
func (d *Decoder) Message() (op Opcode, compressed, ok bool) { return d.op, d.compressed, d.inMessage }
