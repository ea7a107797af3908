// Snapshots: the state at a position, written into the log itself, so that a node need not have read what the log has dropped.

package rabbitmq

import (
	"bytes"
	"encoding/gob"
	"fmt"

	"github.com/ringdown/ringdown/hub"
)

// partBytes is how much of a snapshot one record holds.
const partBytes = 1 << 20

// records returns the state as records without owner and number.
func (s *state) records() ([]*record, int, error) {
	s.sweep()
	var all bytes.Buffer
	if err := gob.NewEncoder(&all).Encode(s); err != nil {
		return nil, 0, fmt.Errorf("encoding a snapshot: %w", err)
	}
	size := all.Len()
	name, parts := hub.NewEpoch()+hub.NewEpoch(), (size+partBytes-1)/partBytes
	var records []*record
	for i := range parts {
		records = append(records, &record{Kind: snapshot, Key: name, Count: int64(i), Window: int64(parts), Age: int64(s.At), Body: bytes.Clone(all.Next(partBytes))})
	}
	return records, size, nil
}

// collector puts snapshots together from records that come in any order.
type collector map[string][][]byte

// maxParts bounds what is believed to be a snapshot.
const maxParts = 1 << 16

// add takes a part, and returns the state once all are there.
func (c collector) add(r *record) (*state, error) {
	if r.Window < 1 || r.Window > maxParts || r.Count < 0 || r.Count >= r.Window {
		return nil, fmt.Errorf("a snapshot has a part %d of %d", r.Count, r.Window)
	}
	parts := c[r.Key]
	if parts == nil {
		parts = make([][]byte, r.Window)
		c[r.Key] = parts
	}
	if int(r.Count) >= len(parts) {
		return nil, fmt.Errorf("a snapshot of %d parts has a part %d", len(parts), r.Count)
	}
	parts[r.Count] = r.Body
	for _, part := range parts {
		if part == nil {
			return nil, nil
		}
	}
	delete(c, r.Key)
	s := new(state)
	if err := gob.NewDecoder(bytes.NewReader(bytes.Join(parts, nil))).Decode(s); err != nil {
		return nil, fmt.Errorf("a snapshot cannot be read: %w", err)
	}
	s.fill()
	if s.At != uint64(r.Age) {
		return nil, fmt.Errorf("a snapshot of position %d is said to be of %d", s.At, r.Age)
	}
	for name, room := range s.Rooms {
		if room == nil {
			return nil, fmt.Errorf("a snapshot has nothing for the channel %.60q", name)
		}
		if room.Users == nil {
			room.Users = make(map[string]int)
		}
	}
	return s, nil
}
