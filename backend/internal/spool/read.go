// Reading a queue on disk, and how far its reader has come.

package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// readAhead is how much of a segment is read at once, in bytes.
const readAhead = 256 << 10

// Read is [Queue].Read.
func (q *Disk) Read(records, bytes int) (Batch, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return Batch{}, ErrClosed
	}
	q.tidy()
	var b Batch
	at, s := q.head, q.head.segment
	for s != nil && len(b.Records) < records && q.ledger.first+uint64(len(b.Records)) < s.end() {
		record, size, err := q.record(&at)
		if err != nil {
			if len(b.Records) > 0 {
				break // these first
			}
			q.skip(err)
			at, s = q.head, q.head.segment
			continue
		}
		if bytes -= len(record); bytes < 0 && len(b.Records) > 0 {
			break
		}
		b.Records = append(b.Records, record)
		at.content = at.content[size:]
	}
	q.after = at
	b.from, b.End, b.Lost = q.ledger.reading(len(b.Records))
	return b, nil
}

// record returns the record at the reader, and reads more of the segment if that is needed.
func (q *Disk) record(r *reader) (record []byte, size int, err error) {
	for {
		if record, size, _ = nextRecord(r.content); size > 0 { // one that seems torn may only not be read to its end
			return record, size, nil
		}
		if r.read >= r.segment.size {
			return nil, 0, errTorn
		}
		if err := q.more(r); err != nil {
			return nil, 0, err
		}
	}
}

// more reads on in the segment. Slices of what was read before stay good.
func (q *Disk) more(r *reader) error {
	f, err := os.Open(q.path(r.segment.first))
	if err != nil {
		return err
	}
	defer f.Close()
	want := min(r.segment.size-r.read, max(readAhead, int64(len(r.content))))
	grown := make([]byte, len(r.content)+int(want))
	copy(grown, r.content)
	if _, err := f.ReadAt(grown[len(r.content):], r.read); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	r.content, r.read = grown, r.read+want
	return nil
}

// skip gives up the rest of a segment that cannot be read: what was in it is lost, and told.
func (q *Disk) skip(cause error) {
	s := q.head.segment
	q.log.Error("a segment of the queue cannot be read; the rest of it is lost", "segment", q.path(s.first), "lost", s.end()-q.ledger.first, "cause", cause)
	q.ledger.first = s.end()
	if len(q.segments) == 1 && q.tail != nil {
		q.finish()
	}
	q.drop()
	q.seek()
}

// seek puts the reader to the first record that is kept.
func (q *Disk) seek() {
	if len(q.segments) == 0 {
		q.head = reader{}
		return
	}
	s := q.segments[0]
	if q.head.segment == s {
		return
	}
	q.head = reader{segment: s, read: int64(len(magic))}
	q.pass(max(s.first, q.ledger.first) - s.first)
	q.ledger.first = max(q.ledger.first, s.first)
}

// pass moves the reader on by so many records.
func (q *Disk) pass(records uint64) {
	for range records {
		_, size, err := q.record(&q.head)
		if err != nil {
			return // Read meets it again
		}
		q.head.content = q.head.content[size:]
	}
	if len(q.head.content) == 0 {
		q.head.content = nil
	}
}

// Ack is [Queue].Ack.
func (q *Disk) Ack(b Batch) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	before := q.ledger.first
	q.ledger.acknowledge(b)
	q.advance(b, before)
	return q.acks.write(q.ledger.acked)
}

// Skip is [Queue].Skip.
func (q *Disk) Skip(b Batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	before := q.ledger.first
	q.ledger.skip(b)
	q.advance(b, before)
}

// advance moves the reader to the first record that is kept, after a batch; before is which that was.
func (q *Disk) advance(b Batch, before uint64) {
	switch {
	case q.head.segment == nil:
	case before == b.from && q.head.segment == q.after.segment:
		q.head = q.after
	case before < q.ledger.first:
		q.pass(q.ledger.first - before)
	}
	q.tidy()
}

// tidy deletes the segments of which nothing is needed any more, but for the one that is written to, and puts the reader to
// where it goes on.
func (q *Disk) tidy() {
	for len(q.segments) > 0 && q.segments[0].end() <= q.ledger.first && (len(q.segments) > 1 || q.tail == nil) {
		q.drop()
	}
	q.seek()
}

// ackFile holds how far the reader has come, twice, written in turn: one of them is always whole.
type ackFile struct {
	file *os.File
	turn int64
}

// ackSize is a number and its checksum.
const ackSize = 8 + 4

func openAcks(name string) (a *ackFile, acked uint64, known bool, err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, 0, false, fmt.Errorf("spool: %w", err)
	}
	a = &ackFile{file: f}
	b := make([]byte, 2*ackSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return a, 0, false, fmt.Errorf("spool: %w", err)
	}
	if n == 0 { // a new queue, or one of which nothing was ever acknowledged
		return a, 0, true, nil
	}
	for i := range int64(2) {
		slot := b[i*ackSize : (i+1)*ackSize]
		number := binary.LittleEndian.Uint64(slot)
		if crc32.Checksum(slot[:8], table) == binary.LittleEndian.Uint32(slot[8:]) && (!known || number >= acked) {
			acked, known, a.turn = number, true, 1-i
		}
	}
	return a, acked, known, nil
}

func (a *ackFile) write(acked uint64) error {
	slot := binary.LittleEndian.AppendUint64(nil, acked)
	slot = binary.LittleEndian.AppendUint32(slot, crc32.Checksum(slot, table))
	if _, err := a.file.WriteAt(slot, a.turn*ackSize); err != nil {
		return fmt.Errorf("spool: noting how far events have been delivered: %w", err)
	}
	a.turn = 1 - a.turn
	return nil
}

func (a *ackFile) close() error {
	if a == nil {
		return nil
	}
	return a.file.Close()
}
