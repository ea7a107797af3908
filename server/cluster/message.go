// The form of what nodes say: a head of a few bytes, the kind, and a body that only its handler reads.

package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ringdown/ringdown/hub"
)

// version is the first byte of a message. Nodes pass over those of another one.
const version = 1

// What a message is.
const (
	telling  = 'T'
	asking   = 'A'
	answered = 'R'
	parted   = 'P' // a part of an answer; answered comes after the last
)

// What became of a question.
const (
	done    = 0
	unknown = 1 // nobody handles its kind
	failed  = 2 // the body says why
	busy    = 3
)

const (
	maxKind = 64 // bytes
	// maxHead is more than all that is not the body.
	maxHead = 2 + binary.MaxVarintLen64 + 1 + 1 + maxKind
	// maxBody is the longest body, in bytes, that a broker takes together with what it adds.
	maxBody = hub.MaxMessage - maxHead - 1024
)

// message is what one node says to another: version, act, id, status, the kind with its length before it, and the rest is the body.
type message struct {
	act    byte
	status byte   // of an answer
	id     uint64 // of a question, by the node that asks; 0 in what is told
	kind   string // "" in an answer
	body   []byte
}

func (m *message) append(b []byte) ([]byte, error) {
	if len(m.kind) > maxKind || len(m.body) > maxBody {
		return nil, fmt.Errorf("cluster: a message %.60q has %d bytes; at most %d can be sent to other nodes", m.kind, len(m.body), maxBody)
	}
	b = append(b, version, m.act)
	b = binary.AppendUvarint(b, m.id)
	b = append(b, m.status, byte(len(m.kind)))
	b = append(b, m.kind...)
	return append(b, m.body...), nil
}

var errMessage = errors.New("cluster: what came is no message; something else uses our prefix")

// parse reads a message, whose body is a part of b. One of another version has no act.
func parse(b []byte) (m message, err error) {
	if len(b) < 1 {
		return m, errMessage
	}
	if b[0] != version {
		return m, nil
	}
	if len(b) < 2 {
		return m, errMessage
	}
	id, n := binary.Uvarint(b[2:])
	rest := b[2:]
	if n <= 0 || len(rest) < n+2 {
		return m, errMessage
	}
	status, length := rest[n], int(rest[n+1])
	rest = rest[n+2:]
	if length > maxKind || len(rest) < length {
		return m, errMessage
	}
	return message{act: b[1], status: status, id: id, kind: string(rest[:length]), body: rest[length:]}, nil
}
