package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestHandingOverWaitsForNoDisk(t *testing.T) {
	q := open(t, t.TempDir(), 1<<20)
	h := NewHandover(q, nil)
	q.mu.Lock() // the disk hangs
	fill(t, h, 0, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("flushing to a disk that hangs: %v", err)
	}
	q.mu.Unlock()
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := drain(t, h, 100); !slices.Equal(got, names(0, 1000)) {
		t.Errorf("got %d, %.60q", len(got), got)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := h.Append(record(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("appending to what is closed: %v", err)
	}
}

func TestClosingWritesWhatWasHandedOver(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, 1<<20)
	h := NewHandover(q, nil)
	q.mu.Lock()
	fill(t, h, 0, 500)
	closed := make(chan error)
	go func() { closed <- h.Close() }()
	q.mu.Unlock()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if got := drain(t, open(t, dir, 1<<20), 100); !slices.Equal(got, names(0, 500)) {
		t.Errorf("the next process finds %d, %.60q", len(got), got)
	}
}

// A record is in a list, in the hands of the goroutine that writes, or in a file; once, those in its hands were in no count.
func TestARecordOnItsWayIsCountedWhereverItIs(t *testing.T) {
	h := NewHandover(open(t, t.TempDir(), 1<<20), nil)
	for i := range 1000 {
		fill(t, h, i, i+1)
		if s := h.Stats(); s.Records < i+1 {
			t.Fatalf("%d records were appended, %d are counted", i+1, s.Records)
		}
	}
	if err := h.Close(); err != nil || h.Stats().Records != 1000 {
		t.Errorf("closed with %d records, %v", h.Stats().Records, err)
	}
}

func TestWhatTheHandoverHasNoRoomForIsToldAsALossInItsPlace(t *testing.T) {
	const size = 64 << 10
	record := func(i int) []byte {
		return append(fmt.Appendf(nil, "record %06d", i), bytes.Repeat([]byte("x"), size)...)
	}
	q := open(t, t.TempDir(), 64<<20)
	h := NewHandover(q, nil)
	defer h.Close()
	q.mu.Lock()
	room, all := MaxHanded/size-1, 2*MaxHanded/size
	for i := range all {
		if err := h.Append(record(i)); err != nil {
			t.Fatal(err)
		}
	}
	if s := h.bytes; s > MaxHanded {
		t.Errorf("%d bytes are on their way", s)
	}
	q.mu.Unlock()
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := all; i < all+2; i++ {
		if err := h.Append(record(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(names(0, room), []string{fmt.Sprint("lost ", all-room)}, names(all, all+2))
	if got := drain(t, h, 1000); !slices.Equal(got, want) {
		t.Errorf("got %d, want %d: %.200q", len(got), len(want), got)
	}
	if s := h.Stats(); s.Lost != uint64(all-room) || s.Records != 0 {
		t.Errorf("%+v", s)
	}
}

func TestTheHandoverRefusesAtOnceWhatIsTooLong(t *testing.T) {
	h := NewHandover(open(t, t.TempDir(), MinDisk), nil)
	defer h.Close()
	if err := h.Append(make([]byte, MinDisk)); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
}

func TestWhoeverReadsIsToldOnceItIsWritten(t *testing.T) {
	q := open(t, t.TempDir(), MinDisk)
	synctest.Test(t, func(t *testing.T) {
		told := make(chan Batch, 1)
		h := NewHandover(q, func() {
			b, _ := q.Read(10, 1<<20)
			told <- b
		})
		fill(t, h, 0, 1)
		select {
		case b := <-told:
			if len(b.Records) != 1 {
				t.Errorf("%d records are there", len(b.Records))
			}
		case <-time.After(time.Minute):
			t.Error("nobody was told")
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}
