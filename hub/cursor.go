// Positions in channels, and the cursor that clients hand back to go on where they were.

package hub

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
)

// Position is a place in a channel: the offset of a publication, in the numbering that the epoch identifies. Offsets of a
// channel count up by one from 1; 0 is the place before the first. An epoch is never given to two numberings, nor to two
// channels, so a position in the wrong channel is found out.
type Position struct {
	Epoch  string
	Offset uint64
}

// Cursor is the position alone, as clients know it.
func (p Position) Cursor() string { return Cursor{p}.String() }

const epochLength = 8

// NewEpoch returns an identity for a new numbering: eight lower-case letters and digits.
func NewEpoch() string { return strings.ToLower(rand.Text()[:epochLength]) }

// Cursor says how far a client has got, in one or many channels. Clients treat its text as opaque; it is the same over every
// transport and on every node.
type Cursor []Position

// MaxCursor is the longest text of a cursor, in bytes; some 600 channels.
const MaxCursor = 8 << 10

// String is the cursor as text: letters, digits, "-" and ".", which stand unescaped in a URL. No position is "".
func (c Cursor) String() string {
	b := make([]byte, 0, len(c)*(epochLength+8))
	for i, p := range c {
		if i > 0 {
			b = append(b, '.')
		}
		b = append(append(b, p.Epoch...), '-')
		b = strconv.AppendUint(b, p.Offset, 10)
	}
	return string(b)
}

// ParseCursor reads what [Cursor.String] wrote; "" is a cursor without positions. The error is an [*Error] with [BadCursor].
func ParseCursor(text string) (Cursor, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > MaxCursor {
		return nil, Errorf(BadCursor, "the cursor has %d bytes; at most %d are taken", len(text), MaxCursor)
	}
	c := make(Cursor, 0, strings.Count(text, ".")+1)
	for part := range strings.SplitSeq(text, ".") {
		p, err := parsePosition(part)
		if err != nil {
			return nil, Errorf(BadCursor, "the cursor %.60q holds %.40q, %w; hand back a cursor as the server gave it", text, part, err)
		}
		c = append(c, p)
	}
	return c, nil
}

func parsePosition(part string) (Position, error) {
	epoch, digits, found := strings.Cut(part, "-")
	if !found {
		return Position{}, fmt.Errorf("which has no %q", "-")
	}
	if len(epoch) != epochLength {
		return Position{}, fmt.Errorf("whose epoch has %d characters instead of %d", len(epoch), epochLength)
	}
	for _, c := range []byte(epoch) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return Position{}, fmt.Errorf("whose epoch holds %q", c)
		}
	}
	if len(digits) > 1 && digits[0] == '0' || strings.HasPrefix(digits, "+") {
		return Position{}, fmt.Errorf("whose offset is not written as we write it")
	}
	offset, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return Position{}, fmt.Errorf("whose offset is no number below 2^63")
	}
	return Position{epoch, offset}, nil
}

// In is the offset that the cursor holds for the numbering of an epoch.
func (c Cursor) In(epoch string) (offset uint64, ok bool) {
	for _, p := range c {
		if p.Epoch == epoch {
			return p.Offset, true
		}
	}
	return 0, false
}
