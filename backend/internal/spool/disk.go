// A queue in a folder: segments that are appended to and deleted whole.

package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Sync says when what was written is made to survive the machine, and not just the process.
type Sync uint8

// When.
const (
	SyncEverySecond Sync = iota
	SyncAlways           // before Append returns
	SyncNever            // when the operating system likes to
)

// segmentsPerQueue bounds a segment to that share of the queue: it is what is dropped at once.
const segmentsPerQueue = 8

// MinDisk is the smallest bound of a queue on disk, in bytes.
const MinDisk = 64 << 10

// segment is one file.
type segment struct {
	first   uint64
	records int
	size    int64
}

func (s *segment) end() uint64 { return s.first + uint64(s.records) }

// Disk is a queue in a folder. A record that Append has returned for survives the end of the process, however it comes.
type Disk struct {
	dir  string
	most int64
	sync Sync
	log  *slog.Logger
	lock *os.File

	mu       sync.Mutex
	ledger   ledger
	segments []*segment // by number; the last is written to while tail is open
	bytes    int64      // of all segments
	tail     *os.File   // nil: the next record begins a segment
	unsynced bool
	mark     uint64 // the number that an empty segment keeps, for it is not that of a record; 0 if there is none
	buffer   []byte // for one record on its way to the disk
	acks     *ackFile
	head     reader // at the first record that is kept
	after    reader // behind what Read returned last
	closed   bool

	ticking sync.WaitGroup
	stop    chan struct{}
}

// reader is where Read is.
type reader struct {
	segment *segment
	content []byte // of the segment, from the next record on, as far as it was read
	read    int64  // bytes of the segment that were read
}

// OpenDisk opens the queue in a folder, which is made if need be and belongs to one queue at a time. What is torn at the end of
// a segment is cut off and logged.
func OpenDisk(dir string, most int64, s Sync, log *slog.Logger) (q *Disk, err error) {
	if most < MinDisk {
		return nil, fmt.Errorf("spool: a queue on disk needs at least %d bytes; %d were given", MinDisk, most)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: making the folder of the queue: %w", err)
	}
	q = &Disk{dir: dir, most: most, sync: s, log: log, stop: make(chan struct{})}
	if q.lock, err = lockDir(filepath.Join(dir, "lock")); err != nil {
		return nil, fmt.Errorf("spool: the folder %s is in use by another process, or cannot be locked; give each server its own: %w", dir, err)
	}
	if err := q.load(); err != nil {
		return nil, errors.Join(err, q.acks.close(), q.lock.Close())
	}
	if s == SyncEverySecond {
		q.ticking.Go(q.tick)
	}
	return q, nil
}

// load reads what is there.
func (q *Disk) load() error {
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	for _, entry := range entries {
		if first, ok := segmentFirst(entry.Name()); ok {
			if err := q.loadSegment(first); err != nil {
				return err
			}
		}
	}
	var acked uint64
	var known bool
	if q.acks, acked, known, err = openAcks(filepath.Join(q.dir, "acknowledged")); err != nil {
		return err
	}
	l := &q.ledger
	l.next = acked
	if len(q.segments) > 0 {
		l.first, l.next = q.segments[0].first, max(acked, q.segments[len(q.segments)-1].end())
	}
	l.next = max(l.next, q.mark)
	if len(q.segments) == 0 {
		l.first = l.next
	}
	if !known {
		acked = l.first // everything again rather than a loss that was none
	}
	l.acked, l.first = acked, max(acked, l.first)
	q.tidy()
	return nil
}

func (q *Disk) loadSegment(first uint64) error {
	name := q.path(first)
	b, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	records, good, err := scan(b)
	if err != nil {
		q.log.Warn("the end of a segment of the queue is torn and is left out; a process or machine that was cut off does that", "segment", name, "kept_records", records, "left_out_bytes", int64(len(b))-good)
	}
	if records == 0 && err == nil {
		return q.keep(first)
	}
	n := len(q.segments)
	if twice := n > 0 && first < q.segments[n-1].end(); twice || records == 0 {
		if twice {
			q.log.Error("a segment of the queue has the numbers of another and is deleted; keep foreign files out of the folder", "segment", name)
		}
		return os.Remove(name)
	}
	if err != nil {
		if err := os.Truncate(name, good); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	q.segments = append(q.segments, &segment{first, records, good})
	q.bytes += good
	return nil
}

// keep takes over the number of an empty segment.
func (q *Disk) keep(number uint64) error {
	before := q.mark
	q.mark = max(before, number)
	if before == 0 && number != 0 {
		return nil
	}
	return os.Remove(q.path(min(before, number)))
}

// note has an empty segment keep the next number, if records were lost since the last one that was written: after a restart nothing
// else would tell.
func (q *Disk) note() error {
	l := &q.ledger
	if n := len(q.segments); l.next == l.acked || l.next == q.mark || n > 0 && l.next == q.segments[n-1].end() {
		return nil
	}
	if err := os.WriteFile(q.path(l.next), []byte(magic), 0o600); err != nil {
		return fmt.Errorf("spool: noting that records were lost: %w", err)
	}
	return q.keep(l.next)
}

func (q *Disk) path(first uint64) string { return filepath.Join(q.dir, segmentName(first)) }

// Append is [Queue].Append.
func (q *Disk) Append(record []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if err := q.fits(record); err != nil {
		return err
	}
	size, longest := int64(headerSize+len(record)), q.longest()
	if n := len(q.segments); q.tail != nil && q.segments[n-1].size+size > longest {
		q.finish()
	}
	for q.bytes+size+int64(len(magic)) > q.most && len(q.segments) > 1 {
		q.drop()
		q.seek()
	}
	err := q.begin()
	if err == nil {
		err = q.write(record, size)
	}
	if err != nil {
		q.ledger.next++ // without a record: the reader is told of it as of any that is lost
		return fmt.Errorf("spool: the record is lost: %w", err)
	}
	return nil
}

// longest is the longest segment, in bytes.
func (q *Disk) longest() int64 { return q.most / segmentsPerQueue }

// fits refuses a record that a segment has no room for. It needs no lock.
func (q *Disk) fits(record []byte) error {
	if most := min(maxRecord, q.longest()-headerSize-int64(len(magic))); int64(len(record)) > most {
		return tooLong(len(record), most)
	}
	return nil
}

// lose counts records that were never written, between those that were and those that will be. The next one begins a segment, as
// numbers within one have no holes.
func (q *Disk) lose(records uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if q.tail != nil {
		q.finish()
	}
	q.ledger.next += records
}

// begin makes a segment, unless there is one to write to.
func (q *Disk) begin() error {
	if q.tail != nil {
		return nil
	}
	if q.mark != 0 {
		if err := os.Remove(q.path(q.mark)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		q.mark = 0
	}
	name := q.path(q.ledger.next)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(magic); err != nil {
		return errors.Join(err, f.Close(), os.Remove(name))
	}
	if q.sync != SyncNever {
		if err := syncDir(q.dir); err != nil {
			return errors.Join(err, f.Close(), os.Remove(name))
		}
	}
	q.tail = f
	q.segments = append(q.segments, &segment{first: q.ledger.next, size: int64(len(magic))})
	q.bytes += int64(len(magic))
	return nil
}

// write appends a record to the last segment. If that fails, what was written of it is cut off.
func (q *Disk) write(record []byte, size int64) error {
	s := q.segments[len(q.segments)-1]
	q.buffer = appendRecord(q.buffer[:0], record)
	_, err := q.tail.Write(q.buffer)
	if cap(q.buffer) > 64<<10 {
		q.buffer = nil
	}
	if err == nil && q.sync == SyncAlways {
		err = q.tail.Sync()
	}
	if err != nil {
		return errors.Join(err, q.undo(s))
	}
	s.records++
	s.size += size
	q.bytes += size
	q.ledger.next++
	q.unsynced = true
	return nil
}

// undo cuts what a failed write has left, and has the next record begin a segment of its own, for nobody knows what
// else is wrong with this one.
func (q *Disk) undo(s *segment) error {
	err := errors.Join(q.tail.Truncate(s.size), q.tail.Close())
	q.tail = nil
	if s.records == 0 {
		q.segments = q.segments[:len(q.segments)-1]
		q.bytes -= s.size
		err = errors.Join(err, os.Remove(q.path(s.first)))
	}
	return err
}

// finish ends the last segment.
func (q *Disk) finish() {
	if q.sync != SyncNever {
		q.flush(q.tail)
	}
	q.tail.Close()
	q.tail = nil
}

func (q *Disk) flush(f *os.File) {
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) { // who closes it has synced it
		q.log.Error("the queue of events may not survive the machine: its disk refuses to sync", "cause", err)
	}
}

// tick syncs once a second, until Close. Nobody who adds waits for it.
func (q *Disk) tick() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			q.mu.Lock()
			f, unsynced := q.tail, q.unsynced
			q.unsynced = false
			q.mu.Unlock()
			if f != nil && unsynced {
				q.flush(f)
			}
		case <-q.stop:
			return
		}
	}
}

// drop deletes the first segment, and loses what of it was not acknowledged.
func (q *Disk) drop() {
	s := q.segments[0]
	if len(q.segments) == 1 && q.tail != nil {
		q.tail.Close()
		q.tail, q.unsynced = nil, false
	}
	if err := os.Remove(q.path(s.first)); err != nil && !errors.Is(err, os.ErrNotExist) {
		q.log.Error("a segment of the queue cannot be deleted; the queue takes more of the disk than it should", "cause", err)
	}
	q.segments = slices.Delete(q.segments, 0, 1)
	q.bytes -= s.size
	q.ledger.first = max(q.ledger.first, s.end())
	if len(q.segments) > 0 {
		q.ledger.first = max(q.ledger.first, q.segments[0].first) // what is missing between segments is lost, too
	}
}

// Stats is [Queue].Stats.
func (q *Disk) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Stats{Bytes: q.bytes, Lost: q.ledger.lost()}
	for _, one := range q.segments {
		if one.end() > q.ledger.first {
			s.Records += int(one.end() - max(one.first, q.ledger.first))
		}
	}
	return s
}

// Close is [Queue].Close. What is there is there when the queue is opened again.
func (q *Disk) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	if q.tail != nil {
		q.finish()
	}
	err := q.note()
	q.mu.Unlock()
	close(q.stop)
	q.ticking.Wait()
	return errors.Join(err, q.acks.close(), q.lock.Close())
}

// syncDir makes a new file's name survive the machine.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
