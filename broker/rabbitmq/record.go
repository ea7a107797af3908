// What stands in the log: one record for everything that nodes have to agree on.

package rabbitmq

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// kind is what a record asks for.
type kind uint8

// The kinds. They are given once and for all.
const (
	publish  kind = iota + 1 // Channel, Epoch if it has none, Count and Age of its history, Lifetime, Key and Window, Body is the content
	touch                    // Channel, Epoch if it has none, Lifetime: the numbering is to be there
	barrier                  // nothing; who wrote it has read all before it once it comes back
	join                     // Channel, Body is the member, Count is 1 if nobody is to be told
	depart                   // Channel, Key is the session
	beat                     // Body is what the node announces
	bury                     // Key is the node that is dead, Count the position of its last record, or -1 if it says so itself
	keep                     // Channel is the key, Window how long, Body the value
	take                     // Channel is the key
	reset                    // Key is the incarnation that ends, or anyIncarnation; Epoch the one that begins
	snapshot                 // Key is its name, Epoch unused, Count the number of this part, Window of how many, Age the position, Body
	want                     // somebody needs a snapshot
	lastKind = want
)

// record is an entry of the log. Durations and times are in microseconds. What a field means depends on the kind.
type record struct {
	Kind  kind
	Owner string // the run of the node that wrote it
	Seq   uint64 // counts the owner's records of this log, from 1
	Time  int64  // by the owner's clock

	Channel, Epoch, Key          string
	Count, Age, Lifetime, Window int64
	Body                         []byte // until the end
}

// version is the first byte of a record. What cannot be read is skipped, and all nodes must skip the same: a version that writes what this
// one cannot read must write it into a log of another name.
const version = 1

// maxText bounds each text of a record, in bytes.
const maxText = 1 << 16

var errShort = errors.New("it ends too early")

// encode returns the record as it is sent.
func (r *record) encode() []byte {
	b := make([]byte, 0, 64+len(r.Owner)+len(r.Channel)+len(r.Epoch)+len(r.Key)+len(r.Body))
	b = append(b, version, byte(r.Kind))
	b = binary.AppendUvarint(b, r.Seq)
	for _, n := range []int64{r.Time, r.Count, r.Age, r.Lifetime, r.Window} {
		b = binary.AppendVarint(b, n)
	}
	for _, text := range []string{r.Owner, r.Channel, r.Epoch, r.Key} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return append(b, r.Body...)
}

// bound is not less than the size of the record as it is sent, in bytes.
func (r *record) bound() int64 {
	const rest = 128 // numbers and lengths
	return int64(len(r.Owner) + len(r.Channel) + len(r.Epoch) + len(r.Key) + len(r.Body) + rest)
}

// decodeRecord reads a record, whose body is a part of b.
func decodeRecord(b []byte) (*record, error) {
	if len(b) < 2 {
		return nil, fmt.Errorf("a record cannot be read: %w", errShort)
	}
	if b[0] != version || b[1] == 0 || kind(b[1]) > lastKind {
		return nil, fmt.Errorf("a record of version %d and kind %d is not known", b[0], b[1])
	}
	r := &record{Kind: kind(b[1])}
	b = b[2:]
	n := 0
	if r.Seq, n = binary.Uvarint(b); n <= 0 {
		return nil, fmt.Errorf("the number of a record cannot be read: %w", errShort)
	}
	b = b[n:]
	for _, to := range []*int64{&r.Time, &r.Count, &r.Age, &r.Lifetime, &r.Window} {
		if *to, n = binary.Varint(b); n <= 0 {
			return nil, fmt.Errorf("a number in a record cannot be read: %w", errShort)
		}
		b = b[n:]
	}
	for _, to := range []*string{&r.Owner, &r.Channel, &r.Epoch, &r.Key} {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > maxText || uint64(len(b)-n) < size {
			return nil, fmt.Errorf("a text in a record cannot be read: %w", errShort)
		}
		*to, b = string(b[n:n+int(size)]), b[n+int(size):]
	}
	r.Body = b
	return r, nil
}
