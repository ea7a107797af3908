package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func open(t *testing.T, dir string, most int64) *Disk {
	t.Helper()
	q, err := OpenDisk(dir, most, SyncNever, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// kinds are the queues, with a bound of 64 KiB.
func kinds(t *testing.T) map[string]Queue {
	return map[string]Queue{"memory": NewMemory(MinDisk), "disk": open(t, t.TempDir(), MinDisk)}
}

func record(i int) []byte {
	return fmt.Appendf(nil, "record %06d %s", i, bytes.Repeat([]byte("x"), 86))
} // 100 bytes

func fill(t *testing.T, q Queue, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := q.Append(record(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// drain reads and acknowledges everything, and returns the records with the losses that came before them as "lost N".
func drain(t *testing.T, q Queue, each int) (got []string) {
	t.Helper()
	for {
		b, err := q.Read(each, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Records) == 0 && b.Lost == 0 {
			return got
		}
		if b.Lost > 0 {
			got = append(got, fmt.Sprint("lost ", b.Lost))
		}
		for _, r := range b.Records {
			got = append(got, string(r[:13]))
		}
		if err := q.Ack(b); err != nil {
			t.Fatal(err)
		}
	}
}

func names(from, to int) (want []string) {
	for i := from; i < to; i++ {
		want = append(want, string(record(i)[:13]))
	}
	return want
}

func TestRecordsComeInOrderUntilTheyAreAcknowledged(t *testing.T) {
	for kind, q := range kinds(t) {
		fill(t, q, 0, 200)
		first, _ := q.Read(10, 1<<20)
		again, _ := q.Read(10, 1<<20)
		if !slices.EqualFunc(first.Records, again.Records, bytes.Equal) || len(first.Records) != 10 {
			t.Errorf("%s: what was not acknowledged did not come again", kind)
		}
		if got := drain(t, q, 7); !slices.Equal(got, names(0, 200)) {
			t.Errorf("%s: got %q", kind, got)
		}
		if s := q.Stats(); s.Records != 0 || s.Lost != 0 {
			t.Errorf("%s: afterwards %+v", kind, s)
		}
		fill(t, q, 200, 203)
		if got := drain(t, q, 7); !slices.Equal(got, names(200, 203)) {
			t.Errorf("%s: later got %q", kind, got)
		}
	}
}

func TestABatchIsBoundedInBytesButNeverEmpty(t *testing.T) {
	for kind, q := range kinds(t) {
		fill(t, q, 0, 5)
		for bytes, want := range map[int]int{1: 1, 99: 1, 200: 2, 299: 2, 300: 3, 1000: 5} {
			if b, _ := q.Read(10, bytes); len(b.Records) != want {
				t.Errorf("%s: %d records in %d bytes, want %d", kind, len(b.Records), bytes, want)
			}
		}
	}
}

func TestPastTheBoundTheOldestAreDroppedAndCounted(t *testing.T) {
	for kind, q := range kinds(t) {
		fill(t, q, 0, 5000)
		s := q.Stats()
		if s.Bytes > MinDisk || s.Records < 300 || uint64(s.Records)+s.Lost != 5000 {
			t.Errorf("%s: %+v", kind, s)
		}
		want := append([]string{fmt.Sprint("lost ", s.Lost)}, names(int(s.Lost), 5000)...)
		if got := drain(t, q, 100); !slices.Equal(got, want) {
			t.Errorf("%s: got %d records, %.40q, want %d, %.40q", kind, len(got), got, len(want), want)
		}
		if after := q.Stats().Lost; after != s.Lost {
			t.Errorf("%s: %d were lost, and %d in the end", kind, s.Lost, after)
		}
	}
}

func TestAFolderTakesNoMoreOfTheDiskThanItMay(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, MinDisk)
	for i := range 50 {
		fill(t, q, i*100, i*100+100)
		var total int64
		files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				total += info.Size()
			}
		}
		if total > MinDisk || total != q.Stats().Bytes {
			t.Fatalf("%d bytes are on the disk, of %d; %+v", total, MinDisk, q.Stats())
		}
	}
}

func TestWhatIsDroppedOnItsWayAndArrivesIsNotLost(t *testing.T) {
	for kind, q := range kinds(t) {
		fill(t, q, 0, 100)
		b, _ := q.Read(50, 1<<20)
		fill(t, q, 100, 5000) // all of the batch is dropped meanwhile
		before := q.Stats().Lost
		q.Ack(b)
		s := q.Stats()
		if s.Lost != before {
			t.Errorf("%s: %d were lost, and %d once the batch had arrived", kind, before, s.Lost)
		}
		want := append([]string{fmt.Sprint("lost ", s.Lost)}, names(int(s.Lost)+50, 5000)...)
		if got := drain(t, q, 100); !slices.Equal(got, want) {
			t.Errorf("%s: got %.60q, want %.60q", kind, got, want)
		}
	}
}

func TestWhatIsTooLongIsRefused(t *testing.T) {
	for kind, q := range kinds(t) {
		if err := q.Append(make([]byte, MinDisk)); !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestAFolderKeepsWhatWasNotAcknowledged(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, 1<<20)
	fill(t, q, 0, 3000)
	for range 7 {
		b, _ := q.Read(100, 1<<20)
		q.Ack(b)
	}
	q.Close()
	if err := q.Append(nil); !errors.Is(err, ErrClosed) {
		t.Error("a closed queue takes records:", err)
	}
	q = open(t, dir, 1<<20)
	fill(t, q, 3000, 3010)
	if got := drain(t, q, 100); !slices.Equal(got, names(700, 3010)) {
		t.Errorf("got %d records, %.60q", len(got), got)
	}
	q.Close()
	q = open(t, dir, 1<<20)
	if got := drain(t, q, 100); got != nil {
		t.Errorf("in the end %.60q", got)
	}
	q.Close()
	if left, _ := filepath.Glob(filepath.Join(dir, "*"+suffix)); len(left) > 1 {
		t.Errorf("files stay: %q", left)
	}
}

func TestALossIsToldEvenAfterARestart(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, MinDisk)
	fill(t, q, 0, 10)
	b, _ := q.Read(10, 1<<20)
	q.Ack(b)
	fill(t, q, 10, 5000)
	lost := q.Stats().Lost
	q.Close()
	want := append([]string{fmt.Sprint("lost ", lost)}, names(10+int(lost), 5000)...)
	if got := drain(t, open(t, dir, MinDisk), 1000); lost == 0 || !slices.Equal(got, want) {
		t.Errorf("got %.60q, want %.60q", got, want)
	}
}

func TestAFolderBelongsToOneQueue(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, MinDisk)
	if q, err := OpenDisk(dir, MinDisk, SyncNever, quiet); err == nil {
		q.Close()
		t.Error("a second one was opened")
	}
}

func TestBrokenFilesCostNoMoreThanWhatIsBroken(t *testing.T) {
	damages := map[string]struct {
		damage func(b []byte) []byte
		want   []string // of records 0 to 9 in this segment, before record 10
	}{
		"cut in a record":         {func(b []byte) []byte { return b[:len(b)-1] }, append(names(0, 9), "lost 1")},
		"cut in a header":         {func(b []byte) []byte { return b[:len(b)-105] }, append(names(0, 9), "lost 1")},
		"zeros at the end":        {func(b []byte) []byte { return append(b, make([]byte, 4096)...) }, names(0, 10)},
		"a wrong byte":            {func(b []byte) []byte { b[8+3*108+50] ^= 1; return b }, append(names(0, 3), "lost 7")},
		"a length beyond the end": {func(b []byte) []byte { b[8+3*108+2] = 0x20; return b }, append(names(0, 3), "lost 7")},
		"a length beyond memory":  {func(b []byte) []byte { b[8+3*108+3] = 0xff; return b }, append(names(0, 3), "lost 7")},
		"no magic":                {func(b []byte) []byte { b[0] = 'x'; return b }, []string{"lost 10"}},
		"empty":                   {func(b []byte) []byte { return nil }, []string{"lost 10"}},
	}
	for name, d := range damages {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			q := open(t, dir, MinDisk)
			fill(t, q, 0, 10)
			q.Close()
			q = open(t, dir, MinDisk) // begins another segment
			fill(t, q, 10, 11)
			q.Close()
			file := filepath.Join(dir, segmentName(0))
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, d.damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			got := drain(t, open(t, dir, MinDisk), 100)
			if want := append(d.want, names(10, 11)...); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestASegmentThatVanishesIsALoss(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, MinDisk)
	fill(t, q, 0, 200) // some segments
	if err := os.Remove(filepath.Join(dir, segmentName(0))); err != nil {
		t.Fatal(err)
	}
	first := int(q.segments[0].end())
	if got := drain(t, q, 1000); !slices.Equal(got, append([]string{fmt.Sprint("lost ", first)}, names(first, 200)...)) {
		t.Errorf("got %.60q", got)
	}
}

func TestAWriteThatFailsIsToldAsALoss(t *testing.T) {
	q := open(t, t.TempDir(), MinDisk)
	fill(t, q, 0, 3)
	q.tail.Close() // what the disk does next is refuse
	if err := q.Append(record(3)); err == nil {
		t.Fatal("a write to a closed file worked")
	}
	fill(t, q, 4, 6)
	if got := drain(t, q, 10); !slices.Equal(got, append(append(names(0, 3), "lost 1"), names(4, 6)...)) {
		t.Errorf("got %q", got)
	}
}

func TestWithoutItsNotesAQueueDeliversAgain(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, MinDisk)
	fill(t, q, 0, 10)
	for range 3 {
		b, _ := q.Read(2, 1<<20)
		q.Ack(b)
	}
	q.Close()
	notes := filepath.Join(dir, "acknowledged")
	b, _ := os.ReadFile(notes)
	b[ackSize*1]++ // of 2, 4 and 6 the second slot has 4
	os.WriteFile(notes, b, 0o600)
	q = open(t, dir, MinDisk)
	if got := drain(t, q, 10); !slices.Equal(got, names(6, 10)) {
		t.Errorf("with one of two notes: %q", got)
	}
	fill(t, q, 10, 12)
	q.Close()
	os.WriteFile(notes, bytes.Repeat([]byte("x"), 2*ackSize), 0o600)
	if got := drain(t, open(t, dir, MinDisk), 10); len(got) == 0 || got[0] == "lost 10" || !slices.Equal(got[len(got)-2:], names(10, 12)) {
		t.Errorf("without any: %q", got)
	}
}

func TestEveryPolicyOfSyncKeepsRecords(t *testing.T) {
	for _, s := range []Sync{SyncEverySecond, SyncAlways, SyncNever} {
		q, err := OpenDisk(t.TempDir(), MinDisk, s, quiet)
		if err != nil {
			t.Fatal(err)
		}
		fill(t, q, 0, 20)
		if got := drain(t, q, 6); !slices.Equal(got, names(0, 20)) {
			t.Errorf("%v: %q", s, got)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAQueueThatIsTooSmallIsRefused(t *testing.T) {
	if _, err := OpenDisk(t.TempDir(), MinDisk-1, SyncNever, quiet); err == nil {
		t.Error("it was opened")
	}
}

// FuzzSegment reads any bytes as a segment: what is taken from it must be what writing the same records gives.
func FuzzSegment(f *testing.F) {
	good := appendRecord(appendRecord([]byte(magic), record(1)), nil)
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(append(slices.Clone(good), 0xff, 0xff, 0xff, 0xff))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		records, end, err := scan(b)
		if end > int64(len(b)) || err == nil && end != int64(len(b)) {
			t.Fatalf("%d of %d bytes, %v", end, len(b), err)
		}
		if end == 0 {
			return
		}
		written := []byte(magic)
		for rest := b[len(magic):end]; records > 0; records-- {
			r, size, err := nextRecord(rest)
			if err != nil {
				t.Fatal(err)
			}
			written, rest = appendRecord(written, r), rest[size:]
		}
		if !bytes.Equal(written, b[:end]) {
			t.Fatal("read otherwise than written")
		}
	})
}

// Numbers that were given to records which the disk did not take are not given again, and the reader is told.
func TestALossAtTheEndSurvivesARestart(t *testing.T) {
	for proves, c := range map[string]struct {
		before, lost, read int // records written, then lost, and of the first those that were read before the restart
		want               []string
	}{
		"nothing was written":     {0, 2, 0, []string{"lost 2", "record 000002"}},
		"what was is read":        {3, 2, 3, []string{"lost 2", "record 000005"}},
		"what was is not read":    {3, 2, 0, []string{"record 000000", "record 000001", "record 000002", "lost 2", "record 000005"}},
		"what was is read partly": {3, 1, 2, []string{"record 000002", "lost 1", "record 000004"}},
		"nothing was lost":        {3, 0, 3, []string{"record 000003"}},
	} {
		t.Run(proves, func(t *testing.T) {
			dir := t.TempDir()
			q := open(t, dir, MinDisk)
			fill(t, q, 0, c.before)
			for range c.lost {
				q.begin()
				q.tail.Close() // the disk fails
				if err := q.Append(record(9)); err == nil {
					t.Fatal("a record was written to a disk that fails")
				}
			}
			if c.read > 0 {
				b, _ := q.Read(c.read, 1<<20)
				q.Ack(b)
			}
			for range 3 { // as often as it is restarted
				q.Close()
				q = open(t, dir, MinDisk)
			}
			fill(t, q, c.before+c.lost, c.before+c.lost+1)
			if got := drain(t, q, 100); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			q.Close()
			if got := drain(t, open(t, dir, MinDisk), 100); len(got) > 0 {
				t.Errorf("once all was told: %q", got)
			}
		})
	}
}

func TestWhatIsSkippedIsLost(t *testing.T) {
	for kind, q := range kinds(t) {
		fill(t, q, 0, 5)
		for range 2 {
			b, err := q.Read(1, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			q.Skip(b)
		}
		if s := q.Stats(); s.Records != 3 || s.Lost != 2 {
			t.Errorf("%s: %+v", kind, s)
		}
		if got, want := drain(t, q, 1), append([]string{"lost 2"}, names(2, 5)...); !slices.Equal(got, want) {
			t.Errorf("%s: got %q", kind, got)
		}
		fill(t, q, 5, 6)
		b, _ := q.Read(1, 1<<20)
		q.Skip(b)
		if got := drain(t, q, 1); !slices.Equal(got, []string{"lost 1"}) || q.Stats().Lost != 3 {
			t.Errorf("%s: the last one: got %q, %+v", kind, got, q.Stats())
		}
	}
}
