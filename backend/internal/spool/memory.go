// A queue in memory.

package spool

import "sync"

// overhead is what a record is charged beside its bytes, about what it costs.
const overhead = 32

// Memory is a queue in memory.
type Memory struct {
	most int64

	mu      sync.Mutex
	ledger  ledger
	records [][]byte // from ledger.first on
	bytes   int64
	closed  bool
}

// NewMemory makes a queue of at most so many bytes.
func NewMemory(most int64) *Memory { return &Memory{most: most} }

// Append is [Queue].Append.
func (q *Memory) Append(record []byte) error {
	size := int64(len(record)) + overhead
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if size > q.most {
		return tooLong(len(record), q.most)
	}
	drop := 0
	for free := q.most - q.bytes; free < size; drop++ {
		free += int64(len(q.records[drop])) + overhead
	}
	q.forget(drop)
	q.ledger.first += uint64(drop)
	q.records = append(q.records, record)
	q.bytes += size
	q.ledger.next++
	return nil
}

// forget takes the oldest records away.
func (q *Memory) forget(n int) {
	for i := range n {
		q.bytes -= int64(len(q.records[i])) + overhead
		q.records[i] = nil
	}
	q.records = q.records[n:]
	if len(q.records) == 0 {
		q.records = nil // so that what a burst needed is given back
	}
}

// Read is [Queue].Read.
func (q *Memory) Read(records, bytes int) (Batch, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return Batch{}, ErrClosed
	}
	var b Batch
	for _, r := range q.records {
		if bytes -= len(r); len(b.Records) == records || bytes < 0 && len(b.Records) > 0 {
			break
		}
		b.Records = append(b.Records, r)
	}
	b.from, b.End, b.Lost = q.ledger.reading(len(b.Records))
	return b, nil
}

// Ack is [Queue].Ack.
func (q *Memory) Ack(b Batch) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b.End > q.ledger.first {
		q.forget(int(b.End - q.ledger.first))
	}
	q.ledger.acknowledge(b)
	return nil
}

// Skip is [Queue].Skip.
func (q *Memory) Skip(b Batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b.End > q.ledger.first {
		q.forget(int(b.End - q.ledger.first))
	}
	q.ledger.skip(b)
}

// Stats is [Queue].Stats.
func (q *Memory) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return Stats{len(q.records), q.bytes, q.ledger.lost()}
}

// Close is [Queue].Close.
func (q *Memory) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.records, q.bytes = true, nil, 0
	return nil
}
