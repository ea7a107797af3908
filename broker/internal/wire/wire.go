// Package wire is how publications, members and messages between nodes are written for a broker beyond a network. Every such broker
// uses it, so that what one keeps in its history looks like what another sends.
//
// Each encoding begins with a byte that says what it is. A position is text, because brokers number publications on the far side,
// where scripts can write text; what the publisher knows follows as fields, each a tag, a length and bytes:
//
//	publication  'P' epoch ' ' offset ' ' microseconds ' ' content
//	content      { tag length bytes } 0 kind payload
//	presence     'M' ('+' | '-') ' ' sessions ' ' users ' ' member
//	member       { tag length bytes }
//	message      'C' { tag length bytes } 0 body
//
// A reader skips fields with a tag below 128 that it does not know, so nodes of two versions understand each other; a field that
// must not be overlooked gets a tag from 128 on, and a reader that does not know it refuses the whole.
//
// What is read is checked: lengths, the bounds of package hub, and that no byte is left over. Nothing here keeps or writes what it
// was given, except that [Decode] and [DecodeMessage] return slices of it.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The first bytes of the encodings.
const (
	publicationMark = 'P'
	presenceMark    = 'M'
	messageMark     = 'C'
)

// Type is what an encoding holds.
type Type uint8

// The types.
const (
	Unknown Type = iota
	Publication
	Presence
	Message
)

// TypeOf looks at the first byte.
func TypeOf(b []byte) Type {
	if len(b) == 0 {
		return Unknown
	}
	switch b[0] {
	case publicationMark:
		return Publication
	case presenceMark:
		return Presence
	case messageMark:
		return Message
	}
	return Unknown
}

// The tags of fields. They are given once and for all.
const (
	endTag     = 0 // of the fields; what follows is the rest
	channelTag = 1
	eventTag   = 2
	keyTag     = 3
	sessionTag = 4
	userTag    = 5
	infoTag    = 6
	fromTag    = 7

	// From criticalTag on, a reader that does not know the tag refuses the whole.
	criticalTag = 128
)

// maxField bounds the fields that have no bound of their own, in bytes.
const maxField = 1 << 20

var errShort = errors.New("it ends too early")

// appendField adds a field, unless it is empty.
func appendField[T string | []byte](b []byte, tag byte, value T) []byte {
	if len(value) == 0 {
		return b
	}
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// nextField takes a field off. At the end, which is endTag or, if mayEnd, the end of b, tag is endTag.
func nextField(b []byte, mayEnd bool) (tag byte, value, rest []byte, err error) {
	if len(b) == 0 {
		if mayEnd {
			return endTag, nil, nil, nil
		}
		return 0, nil, nil, errShort
	}
	tag, b = b[0], b[1:]
	if tag == endTag {
		return endTag, nil, b, nil
	}
	n, size := binary.Uvarint(b)
	switch {
	case size <= 0:
		return 0, nil, nil, fmt.Errorf("the length of field %d cannot be read", tag)
	case n > maxField:
		return 0, nil, nil, fmt.Errorf("field %d has %d bytes; at most %d are taken", tag, n, maxField)
	case uint64(len(b)-size) < n:
		return 0, nil, nil, fmt.Errorf("field %d: %w", tag, errShort)
	}
	end := size + int(n)
	return tag, b[size:end:end], b[end:], nil
}

// unknown is the error of a field that must be known, or nil.
func unknown(tag byte) error {
	if tag >= criticalTag {
		return fmt.Errorf("it has a field %d, which this version does not know; upgrade this node", tag)
	}
	return nil
}
