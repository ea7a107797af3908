// What is stored of a channel: messages, each with one or more publications that were published at once, and where the channel is after
// them. A message without publications begins a numbering, or keeps it from expiring.

package nats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ringdown/ringdown/broker/internal/wire"
	"github.com/ringdown/ringdown/hub"
)

// batchMark begins a message:
//
//	'B' length id position { length publication }
//
// with lengths as varints. The id is of who asked for it; the position is that of the last publication.
const batchMark = 'B'

// maxID is the longest id, in bytes.
const maxID = 64

// place is where a channel is after a message: the sequence of that in the stream, the position and the time of the last publication.
// Within a numbering all three grow.
type place struct {
	hub.Position
	seq  uint64
	time time.Time
}

// message is a stored message of a channel.
type message struct {
	id   string
	at   place
	said [][]byte // publications as package wire writes them, without their channel
}

// appendMessage writes a message whose publications follow by appendSaid.
func appendMessage(b []byte, id string, at place) []byte {
	b = binary.AppendUvarint(append(b, batchMark), uint64(len(id)))
	return wire.AppendPosition(append(b, id...), at.Position, at.time)
}

// appendSaid adds a publication whose content package wire has written.
func appendSaid(b []byte, at hub.Position, when time.Time, content []byte) []byte {
	head := wire.AppendPosition([]byte{'P'}, at, when)
	b = binary.AppendUvarint(b, uint64(len(head)+len(content)))
	return append(append(b, head...), content...)
}

var errNotOurs = errors.New("it is none of ours")

// decodeMessage reads a message but not its publications, which are parts of b.
func decodeMessage(seq uint64, b []byte) (m message, err error) {
	if len(b) == 0 || b[0] != batchMark {
		return m, fmt.Errorf("a message of a channel cannot be read: %w", errNotOurs)
	}
	id, b, err := cut(b[1:])
	if err == nil && len(id) > maxID {
		err = errNotOurs
	}
	if err != nil {
		return m, fmt.Errorf("a message of a channel cannot be read: %w", err)
	}
	m.id = string(id)
	m.at.seq = seq
	if m.at.Position, m.at.time, b, err = wire.CutPosition(b); err != nil {
		return m, fmt.Errorf("a message of a channel cannot be read: %w", err)
	}
	for len(b) > 0 {
		var one []byte
		if one, b, err = cut(b); err != nil {
			return m, fmt.Errorf("a message of a channel cannot be read: %w", err)
		}
		m.said = append(m.said, one)
	}
	if uint64(len(m.said)) > m.at.Offset {
		return m, fmt.Errorf("a message of a channel cannot be read: %d publications end at offset %d", len(m.said), m.at.Offset)
	}
	return m, nil
}

// cut takes off what begins with its length.
func cut(b []byte) (one, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || uint64(len(b)-size) < n {
		return nil, nil, errors.New("it ends too early")
	}
	end := size + int(n)
	return b[size:end:end], b[end:], nil
}

// publications reads what the message holds, all of it in its numbering and one after the other.
func (m *message) publications(channel string) ([]*hub.Publication, error) {
	all := make([]*hub.Publication, len(m.said))
	for i, b := range m.said {
		p, err := wire.Decode(b)
		if err != nil {
			return nil, err
		}
		if want := m.at.Offset - uint64(len(m.said)-1-i); p.Epoch != m.at.Epoch || p.Offset != want {
			return nil, fmt.Errorf("a publication at %v stands where %d of %s is due", p.Position(), want, m.at.Epoch)
		}
		p.Channel = channel
		all[i] = p
	}
	return all, nil
}
