// From messages to packets: the text, and the attachments that follow it.

package packet

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// What a field of [Limits] is when it is left zero.
const (
	DefaultMaxAttachments = 10
	DefaultMaxNamespace   = 255
	DefaultMaxDepth       = 128
	DefaultMaxAttached    = 16 << 20
)

// maxID is the largest number that JavaScript counts to exactly, 2^53 - 1.
const maxID = 1<<53 - 1

// Limits bound what a packet may hold.
type Limits struct {
	Attachments int // 0 means DefaultMaxAttachments
	Attached    int // bytes of all attachments of a packet; 0 means DefaultMaxAttached
	Namespace   int // bytes; 0 means DefaultMaxNamespace
	Depth       int // of arrays and objects in each other; 0 means DefaultMaxDepth
}

func (l *Limits) depth() int { return cmp.Or(l.Depth, DefaultMaxDepth) }

// Decoder makes packets of one connection's messages. The zero value is ready. One goroutine at a time may use it; after an error it
// is of no more use.
type Decoder struct {
	pending *Packet // waits for attachments
	bytes   int     // of those that have come
}

// Text takes a text message. complete tells that p is a packet; otherwise its attachments are to follow. What a complete packet
// holds lies within text. The error is an [*Error], which shows nothing of a CONNECT, where clients have their secrets.
func (d *Decoder) Text(text []byte, l *Limits) (p Packet, complete bool, err error) {
	if d.pending != nil {
		return Packet{}, false, refuse(TextDuring, shown(text))
	}
	if p, err = parse(text, l); err != nil {
		return Packet{}, false, err
	}
	if p.Count == 0 {
		return p, true, nil
	}
	pending := p
	pending.Data = bytes.Clone(p.Data)
	d.pending, d.bytes = &pending, 0
	return Packet{}, false, nil
}

// Binary takes a binary message, which is copied, and returns the packet that it completes, if it does. The error is an [*Error].
func (d *Decoder) Binary(b []byte, l *Limits) (p Packet, complete bool, err error) {
	if d.pending == nil {
		return Packet{}, false, refuse(UnexpectedBinary, nil)
	}
	if d.bytes += len(b); d.bytes > cmp.Or(l.Attached, DefaultMaxAttached) {
		return Packet{}, false, refuse(LargeAttachments, nil)
	}
	d.pending.Attachments = append(d.pending.Attachments, append(make([]byte, 0, len(b)), b...))
	if len(d.pending.Attachments) < d.pending.Count {
		return Packet{}, false, nil
	}
	p, d.pending = *d.pending, nil
	p.Elements, _ = elements(p.Data, l.depth()) // in the copy; it was checked when the text came
	return p, true, nil
}

// shown is what may be shown of the text of a packet.
func shown(text []byte) []byte {
	if len(text) > 0 && text[0] == '0'+byte(Connect) {
		return nil
	}
	return text
}

// parse reads the text of a packet, strictly from left to right.
func parse(text []byte, l *Limits) (p Packet, err error) {
	defer func() {
		if wrong, ok := err.(*Error); ok && shown(text) == nil {
			wrong.Value = ""
		}
	}()
	if len(text) == 0 {
		return p, refuse(Empty, nil)
	}
	if text[0] < '0' || text[0] > '0'+byte(BinaryAck) {
		return p, refuse(UnknownType, text)
	}
	p.Type = Type(text[0] - '0')
	rest := text[1:]
	if p.Type.Binary() {
		if p.Count, rest, err = count(rest, cmp.Or(l.Attachments, DefaultMaxAttachments)); err != nil {
			return p, err
		}
	}
	if p.Namespace, rest, err = namespace(rest, cmp.Or(l.Namespace, DefaultMaxNamespace)); err != nil {
		return p, err
	}
	if p.ID, p.HasID, rest, err = id(rest); err != nil {
		return p, err
	}
	if len(rest) > 0 {
		p.Data = rest
	}
	return p, p.check(l)
}

func digits(b []byte) int {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// number reads digits, and tells whether they are at most a limit, which is below 2^60.
func number(b []byte, limit uint64) (n uint64, ok bool) {
	for _, c := range b {
		if n = n*10 + uint64(c-'0'); n > limit {
			return 0, false
		}
	}
	return n, true
}

func count(b []byte, limit int) (int, []byte, error) {
	n := digits(b)
	if n == 0 || n == len(b) || b[n] != '-' {
		return 0, nil, refuse(BadCount, b)
	}
	attachments, ok := number(b[:n], uint64(limit))
	if !ok {
		return 0, nil, refuse(TooManyAttached, b[:n])
	}
	return int(attachments), b[n+1:], nil
}

func namespace(b []byte, limit int) (string, []byte, error) {
	if len(b) == 0 || b[0] != '/' {
		return "/", b, nil
	}
	name, rest, _ := bytes.Cut(b, []byte{','})
	switch {
	case len(name) > limit:
		return "", nil, refuse(LongNamespace, name)
	case !utf8.Valid(name):
		return "", nil, refuse(BadNamespace, name)
	case len(name) == 1:
		return "/", rest, nil
	}
	return string(name), rest, nil
}

func id(b []byte) (n uint64, has bool, rest []byte, err error) {
	end := digits(b)
	if end == 0 {
		return 0, false, b, nil
	}
	n, ok := number(b[:end], maxID)
	if !ok {
		return 0, false, nil, refuse(BadID, b[:end])
	}
	return n, true, b[end:], nil
}

// check holds the payload to what the type of the packet asks for, and finds its elements.
func (p *Packet) check(l *Limits) (err error) {
	if p.Data == nil {
		return p.checkMissing()
	}
	if p.Type == Disconnect {
		return refuse(BadDisconnect, p.Data)
	}
	if !json.Valid(p.Data) {
		return refuse(BadJSON, p.Data)
	}
	if !utf8.Valid(p.Data) {
		return refuse(NotUTF8, p.Data)
	}
	p.Data = bytes.Trim(p.Data, " \t\r\n")
	if p.Elements, err = elements(p.Data, l.depth()); err != nil {
		return err
	}
	switch first := p.Data[0]; p.Type {
	case Connect:
		if first != '{' {
			return refuse(BadConnect, p.Data)
		}
	case ConnectError:
		if first != '{' && first != '"' {
			return refuse(BadConnectError, p.Data)
		}
	case Ack, BinaryAck:
		if first != '[' {
			return refuse(BadAck, p.Data)
		}
	case Event, BinaryEvent:
		if err := p.checkName(); err != nil {
			return err
		}
	}
	if p.Type.Binary() {
		return checkPlaceholders(p.Data, p.Count)
	}
	return nil
}

func (p *Packet) checkMissing() error {
	switch p.Type {
	case Event, BinaryEvent:
		return refuse(NoEventName, nil)
	case Ack, BinaryAck:
		return refuse(BadAck, nil)
	case ConnectError:
		return refuse(BadConnectError, nil)
	}
	return nil
}

func (p *Packet) checkName() error {
	if p.Data[0] != '[' || len(p.Elements) == 0 {
		return refuse(NoEventName, p.Data)
	}
	switch c := p.Elements[0][0]; {
	case c == '-' || c >= '0' && c <= '9':
	case c != '"':
		return refuse(NoEventName, p.Data)
	case Reserved(p.EventName()):
		return refuse(ReservedName, p.Elements[0])
	}
	return nil
}

// EventName is the name of an event: its first element, a string or the text of a number.
func (p *Packet) EventName() string { return text(p.Elements[0]) }

// text is the string that a JSON string stands for; other JSON is its own text.
func text(b []byte) string {
	if b[0] != '"' {
		return string(b)
	}
	if !slices.Contains(b, '\\') {
		return string(b[1 : len(b)-1])
	}
	var s string
	json.Unmarshal(b, &s) // it is valid
	return s
}
