// A publication: its position as text, then what its publisher knows as fields, then the payload.

package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// Append appends p with all its fields.
func Append(b []byte, p *hub.Publication) []byte {
	b = AppendPosition(append(b, publicationMark), p.Position(), p.Time)
	b = appendField(b, channelTag, p.Channel)
	return AppendContent(b, p)
}

// AppendPosition appends a position and a time, in UTC microseconds, as they stand in a publication after its first byte.
func AppendPosition(b []byte, at hub.Position, when time.Time) []byte {
	b = append(append(b, at.Epoch...), ' ')
	b = append(strconv.AppendUint(b, at.Offset, 10), ' ')
	return append(strconv.AppendInt(b, when.UnixMicro(), 10), ' ')
}

// AppendContent appends what p's publisher knows: everything but position, time and channel. It is what a broker that numbers
// publications on its far side sends there.
func AppendContent(b []byte, p *hub.Publication) []byte {
	b = appendField(b, eventTag, p.Event)
	b = appendField(b, keyTag, p.Key)
	b = appendField(b, sessionTag, p.Session)
	b = appendField(b, userTag, p.User)
	b = append(b, endTag, byte(p.Kind))
	return append(b, p.Payload...)
}

// Decode reads a publication. Its payload is a part of b, which must not change any more. The channel is "" if it was not written.
func Decode(b []byte) (*hub.Publication, error) {
	p, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("a publication cannot be read: %w", err)
	}
	return p, nil
}

func decode(b []byte) (*hub.Publication, error) {
	if TypeOf(b) != Publication {
		return nil, fmt.Errorf("it begins with %.1q", b)
	}
	at, when, b, err := CutPosition(b[1:])
	if err != nil {
		return nil, err
	}
	p := &hub.Publication{Epoch: at.Epoch, Offset: at.Offset, Time: when}
	return p, decodeContent(p, b)
}

// DecodeContent reads what AppendContent wrote into p, whose payload is then a part of b, which must not change any more.
func DecodeContent(p *hub.Publication, b []byte) error {
	if err := decodeContent(p, b); err != nil {
		return fmt.Errorf("a publication cannot be read: %w", err)
	}
	return nil
}

func decodeContent(p *hub.Publication, b []byte) error {
	for {
		tag, value, rest, err := nextField(b, false)
		if err != nil {
			return err
		}
		b = rest
		if tag == endTag {
			break
		}
		if err := setField(p, tag, value); err != nil {
			return err
		}
	}
	if len(b) == 0 {
		return errShort
	}
	if p.Kind = hub.Kind(b[0]); p.Kind > hub.Binary {
		return fmt.Errorf("there is no kind of payload %d", p.Kind)
	}
	p.Payload = b[1:]
	return nil
}

func setField(p *hub.Publication, tag byte, value []byte) error {
	limit := maxField
	var to *string
	switch tag {
	case channelTag:
		to, limit = &p.Channel, hub.MaxChannelName
	case eventTag:
		to, limit = &p.Event, hub.MaxEventName
	case keyTag:
		to, limit = &p.Key, hub.MaxKey
	case sessionTag:
		to = &p.Session
	case userTag:
		to = &p.User
	default:
		return unknown(tag)
	}
	if len(value) > limit {
		return fmt.Errorf("field %d has %d bytes; at most %d are taken", tag, len(value), limit)
	}
	*to = string(value)
	return nil
}

// maxEpoch is the longest epoch that is read, in bytes; those of package hub are shorter.
const maxEpoch = 64

// CutPosition reads what AppendPosition wrote, and returns what follows it.
func CutPosition(b []byte) (at hub.Position, when time.Time, rest []byte, err error) {
	epoch, b, ok1 := bytes.Cut(b, space)
	digits, b, ok2 := bytes.Cut(b, space)
	micros, b, ok3 := bytes.Cut(b, space)
	if !ok1 || !ok2 || !ok3 || len(epoch) == 0 || len(epoch) > maxEpoch {
		return at, when, nil, fmt.Errorf("its position cannot be read: %w", errShort)
	}
	offset, err := strconv.ParseUint(string(digits), 10, 63)
	if err != nil {
		return at, when, nil, fmt.Errorf("its offset is %.30q", digits)
	}
	us, err := strconv.ParseInt(string(micros), 10, 64)
	if err != nil {
		return at, when, nil, fmt.Errorf("its time is %.30q", micros)
	}
	return hub.Position{Epoch: string(epoch), Offset: offset}, time.UnixMicro(us), b, nil
}

var space = []byte{' '}
