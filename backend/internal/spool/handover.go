// Handing over: records on their way to a folder, for those who cannot wait for a disk.

package spool

import (
	"context"
	"sync"
)

// MaxHanded is how many bytes of records are on their way to the disk at most. What comes on top of that is lost, and counted.
const MaxHanded = 8 << 20

// Handover is a queue in a folder of which Append waits for no disk: one goroutine writes, in the order in which records were
// appended. What has not been written yet, the end of the process loses, unless it comes by Close.
type Handover struct {
	*Disk
	written func()

	mu      sync.Mutex
	waiting []handed
	bytes   int64
	refused uint64 // records that there was no room for since the last one that there was
	writing int    // records that the goroutine has taken and not written yet
	closed  bool
	wake    chan struct{} // holds one: there is something to write
	idle    *sync.Cond    // nothing waits, and nothing is being written
	busy    bool          // the goroutine has taken records, or a loss, that it has not written yet

	writer sync.WaitGroup
}

// handed is a record on its way.
type handed struct {
	record []byte
	lost   uint64 // records that are missing just before it
}

// NewHandover takes a queue over. written, if not nil, is called after records were written, by the goroutine that writes, which ends
// with Close.
func NewHandover(q *Disk, written func()) *Handover {
	h := &Handover{Disk: q, written: written, wake: make(chan struct{}, 1)}
	h.idle = sync.NewCond(&h.mu)
	h.writer.Go(h.write)
	return h
}

// Append is [Queue].Append, but for that it does not tell of a disk that refuses: such records are logged, and lost.
func (h *Handover) Append(record []byte) error {
	if err := h.fits(record); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	size := int64(len(record)) + overhead
	if h.bytes+size > MaxHanded {
		h.refused++
		return nil
	}
	h.waiting = append(h.waiting, handed{record, h.refused})
	h.bytes += size
	h.refused = 0
	select {
	case h.wake <- struct{}{}:
	default:
	}
	return nil
}

// write runs until Close.
func (h *Handover) write() {
	for range h.wake {
		for h.writeSome() {
			if h.written != nil {
				h.written()
			}
		}
	}
}

// writeSome writes what waits, and reports whether there was anything. Its room is given back only then.
func (h *Handover) writeSome() bool {
	h.mu.Lock()
	records, refused := h.waiting, h.refused
	h.waiting, h.refused = nil, 0
	h.writing = len(records)
	h.busy = len(records) > 0 || refused > 0
	if !h.busy {
		h.idle.Broadcast()
	}
	h.mu.Unlock()
	var size int64
	for _, one := range records {
		h.lose(one.lost)
		if err := h.Disk.Append(one.record); err != nil {
			h.log.Error("an event is lost on its way to the disk; its receiver will be told", "cause", err)
		}
		size += int64(len(one.record)) + overhead
	}
	h.lose(refused)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bytes, h.writing = h.bytes-size, 0
	return len(records) > 0 || refused > 0
}

// lose counts records that nobody could write.
func (h *Handover) lose(records uint64) {
	if records > 0 {
		h.log.Error("the disk of the queue of events is too slow, so events are lost; their receiver will be told", "lost", records)
		h.Disk.lose(records)
	}
}

// Flush waits until everything that was appended before is written, or ctx ends.
func (h *Handover) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.idle.Broadcast()
	})
	defer stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.waiting) > 0 || h.refused > 0 || h.busy {
		if err := ctx.Err(); err != nil {
			return err
		}
		h.idle.Wait()
	}
	return nil
}

// Stats is [Queue].Stats; what is on its way counts as waiting, and its bytes with those of the files. What is just being written may
// count twice, and counts once after Close.
func (h *Handover) Stats() Stats {
	h.mu.Lock()
	records, bytes := len(h.waiting)+h.writing, h.bytes
	h.mu.Unlock()
	s := h.Disk.Stats() // after the other, so that no record on its way is in neither
	s.Records += records
	s.Bytes += bytes
	return s
}

// Close is [Queue].Close, once everything is written.
func (h *Handover) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	close(h.wake)
	h.mu.Unlock()
	h.writer.Wait()
	for h.writeSome() {
	}
	return h.Disk.Close()
}
