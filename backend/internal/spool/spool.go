// Package spool keeps records in order until their reader has acknowledged them: in memory, or in a folder that survives the
// process. It has a bound in bytes; past that the oldest records are dropped and counted.
//
// Records are numbered from 0. What separates the number up to which the reader has acknowledged from that of the first record
// that is kept is what was lost between them: no count of its own has to survive.
package spool

import (
	"errors"
	"fmt"
)

// Batch is what is at the head of a queue.
type Batch struct {
	Records [][]byte // not to be changed; good until the next Read
	End     uint64   // to hand to Ack
	Lost    uint64   // records dropped just before these, of which no earlier batch that was acknowledged has told
	from    uint64
}

// Stats say how it stands with a queue.
type Stats struct {
	Records int
	Bytes   int64
	Lost    uint64 // in all since the queue was opened, but for what was dropped while being delivered and is not known lost yet
}

// Queue is a bounded queue with one reader. Append, Stats and Close may be called from any goroutine, Read and Ack from one.
type Queue interface {
	// Append adds a record, which must not be changed any more. It may drop older ones. A record that is too long for the queue
	// is refused with ErrTooLong.
	Append(record []byte) error
	// Read returns the oldest records: at most so many, of together at most so many bytes, but at least one if there is one.
	// Until Ack it returns them again.
	Read(records, bytes int) (Batch, error)
	// Ack forgets the records of the batch that Read returned last, and the loss that it told.
	Ack(Batch) error
	// Skip gives up the records of the batch that Read returned last: they are lost, which the next batch tells. A queue in a folder
	// that is opened again before that has them still.
	Skip(Batch)
	Stats() Stats
	// Close gives up what the queue holds open. Records that only a memory held are gone.
	Close() error
}

// Errors of queues.
var (
	ErrTooLong = errors.New("spool: the record is longer than the queue takes")
	ErrClosed  = errors.New("spool: the queue is closed")
)

// ledger numbers records and counts what was lost.
type ledger struct {
	acked    uint64 // all before this are acknowledged, or their loss has been told
	first    uint64 // the oldest record that is kept; before acked never
	next     uint64 // the number of the next record
	sentFrom uint64 // what Read returned last: of it nobody knows yet whether it is lost
	sentEnd  uint64
	told     uint64 // lost in all, as far as acknowledged
}

// reading notes what Read returns.
func (l *ledger) reading(count int) (from, end, lost uint64) {
	l.sentFrom, l.sentEnd = l.first, l.first+uint64(count)
	return l.sentFrom, l.sentEnd, l.first - l.acked
}

// acknowledge takes note of a batch that arrived, and reports up to where records can be forgotten. Records of it that were
// dropped meanwhile were not lost.
func (l *ledger) acknowledge(b Batch) {
	l.told += b.Lost
	l.acked = max(l.acked, b.End)
	l.first = max(l.first, b.End)
	l.sentFrom, l.sentEnd = 0, 0
}

// skip takes note of a batch that was given up.
func (l *ledger) skip(b Batch) {
	l.first = max(l.first, b.End)
	l.sentFrom, l.sentEnd = 0, 0
}

// lost is how many records are lost for certain.
func (l *ledger) lost() uint64 {
	dropped := l.first - l.acked
	if l.sentEnd > l.sentFrom && l.sentFrom < l.first { // some of those on their way were dropped
		dropped -= min(l.first, l.sentEnd) - l.sentFrom
	}
	return l.told + dropped
}

func tooLong(n int, most int64) error {
	return fmt.Errorf("%w: %d bytes, of %d", ErrTooLong, n, most)
}
