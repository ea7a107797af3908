// Events: the service is told what happened, at least once and in order.

package backend

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/backend/internal/spool"
)

// EventKind is what happened.
type EventKind string

// What can happen.
const (
	Joined    EventKind = "joined"    // a session subscribed to a channel
	Left      EventKind = "left"      // it is there no more
	Occupied  EventKind = "occupied"  // the first session came
	Vacated   EventKind = "vacated"   // the last one left
	Published EventKind = "published" // somebody published
)

// Event is something that happened in a channel.
type Event struct {
	Kind    EventKind
	Time    time.Time // zero means now
	Channel string
	Session string          // joined, left, published; "" if the server itself published
	User    string          // "" if it is not known
	Info    json.RawMessage // joined, left: what others may know of the user; or nil

	// Of published only.
	Event  string
	Key    string
	Epoch  string
	Offset uint64
	Data   Payload
}

// wireEvent is an event without its id.
type wireEvent struct {
	Kind     EventKind       `json:"kind"`
	Time     string          `json:"time"`
	Channel  string          `json:"channel"`
	Session  string          `json:"session,omitempty"`
	User     string          `json:"user,omitempty"`
	Info     json.RawMessage `json:"info,omitempty"`
	Event    string          `json:"event,omitempty"`
	Key      string          `json:"key,omitempty"`
	Epoch    string          `json:"epoch,omitempty"`
	Offset   uint64          `json:"offset,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Encoding string          `json:"encoding,omitempty"`
}

// Sync says when events in a queue on disk are made to survive the machine. The end of the process they survive once they are
// written; with SyncAlways that is before Add returns, otherwise right after it.
type Sync = spool.Sync

// When.
const (
	SyncEverySecond = spool.SyncEverySecond
	SyncAlways      = spool.SyncAlways // before Add returns: each event waits for the disk, and for those before it
	SyncNever       = spool.SyncNever  // when the operating system likes to
)

// What fields of [EventsOptions] are when they are left zero.
const (
	DefaultMemory       = 16 << 20  // bytes
	DefaultDisk         = 256 << 20 // bytes
	DefaultMaxBatch     = 500
	DefaultBatchBytes   = 512 << 10
	DefaultEventTimeout = 10 * time.Second
	DefaultMinBackoff   = 200 * time.Millisecond
	DefaultMaxBackoff   = 30 * time.Second
	maxEvent            = 1 << 20 // bytes, as JSON
)

// EventsOptions say whom to tell, and how much to keep meanwhile.
type EventsOptions struct {
	URL     string
	Secrets []Secret // at least one, as for hooks

	// Dir is the folder of the queue, which belongs to this process alone. "" keeps it in memory, and what was not delivered is
	// lost with the process.
	Dir string
	// Sync is of the folder. Unless it is SyncAlways, events are written by a goroutine, and at most 8 MiB of them are on their way to the
	// disk. One that does not keep up loses what comes on top of that, and the service is told how much.
	Sync Sync
	// MaxBytes is how much may wait; past it the oldest events are dropped. 0 means DefaultMemory, or DefaultDisk with Dir. On
	// disk, an event may take an eighth of it, and it is at least 64 KiB.
	MaxBytes int64

	// MaxBatch events, of together BatchBytes, are sent at a time, and one at least. 0 means the defaults.
	MaxBatch, BatchBytes int
	// Timeout is how long the service may take for a batch. 0 means DefaultEventTimeout.
	Timeout time.Duration
	// After a failure it is tried again until it works, at random times below a bound that doubles from MinBackoff to MaxBackoff.
	// 0 means the defaults.
	MinBackoff, MaxBackoff time.Duration

	TLS  *tls.Config // for https; nil means the system's roots
	Wrap func(http.RoundTripper) http.RoundTripper
	// Log is told of failures, when it works again, and of losses. nil means slog.Default.
	Log *slog.Logger
}

// Events delivers. Make it with [NewEvents].
type Events struct {
	service service
	options EventsOptions
	queue   spool.Queue
	handed  *spool.Handover // the queue, if it is one that is written to later
	log     *slog.Logger
	run     string // begins the ids of this process's events

	ctx     context.Context // ends when Close gives up
	cancel  context.CancelFunc
	closing chan struct{}
	wake    chan struct{} // holds one: there is something to send
	sending sync.WaitGroup

	mu     sync.Mutex // held while an event gets its number and its place
	number uint64
	closed bool

	delivered, failures atomic.Uint64
}

// NewEvents opens the queue and begins to deliver what an earlier process has left in it.
func NewEvents(o EventsOptions) (*Events, error) {
	problems := []error{checkSecrets(o.Secrets)}
	name, err := checkURL(o.URL)
	problems = append(problems, err)
	bytes := int64(DefaultMemory)
	if o.Dir != "" {
		bytes = DefaultDisk
	}
	o.MaxBytes = or(&problems, "MaxBytes", o.MaxBytes, bytes)
	o.MaxBatch = or(&problems, "MaxBatch", o.MaxBatch, DefaultMaxBatch)
	o.BatchBytes = or(&problems, "BatchBytes", o.BatchBytes, DefaultBatchBytes)
	o.Timeout = or(&problems, "Timeout", o.Timeout, DefaultEventTimeout)
	o.MinBackoff = or(&problems, "MinBackoff", o.MinBackoff, DefaultMinBackoff)
	o.MaxBackoff = or(&problems, "MaxBackoff", o.MaxBackoff, max(DefaultMaxBackoff, o.MinBackoff))
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	e := &Events{options: o, log: o.Log, run: strings.ToLower(rand.Text()[:12]),
		closing: make(chan struct{}), wake: make(chan struct{}, 1)}
	e.service = service{url: o.URL, name: name, secrets: slices.Clone(o.Secrets), client: newClient(1, o.TLS, o.Wrap), max: 64 << 10}
	if e.queue = spool.Queue(spool.NewMemory(o.MaxBytes)); o.Dir != "" {
		disk, err := spool.OpenDisk(o.Dir, o.MaxBytes, o.Sync, o.Log)
		if err != nil {
			return nil, fmt.Errorf("backend: the queue of events: %w", err)
		}
		if e.queue = disk; o.Sync != SyncAlways {
			e.handed = spool.NewHandover(disk, e.rouse)
			e.queue = e.handed
		}
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.sending.Go(e.deliver) // ends with Close
	return e, nil
}

// Add has an event delivered, after all that were added before. It waits neither for the service nor, unless Sync is SyncAlways, for
// a disk, so that it may be called under a lock. An error means that this event will not be delivered: it is not valid, or longer
// than 1 MiB, or Close was called, or with SyncAlways the disk refuses.
func (e *Events) Add(event Event) error {
	record, err := event.encode()
	if err != nil {
		return err
	}
	if len(record) > maxEvent {
		return fmt.Errorf("backend: the event has %d bytes; at most %d are told", len(record), maxEvent)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errors.New("backend: the events are closed, for the server is shutting down")
	}
	e.number++
	id := `{"id":"` + e.run + "-" + strconv.FormatUint(e.number, 10) + `",`
	if err := e.queue.Append(append([]byte(id), record[1:]...)); err != nil {
		return fmt.Errorf("backend: the event cannot be kept: %w", err)
	}
	e.rouse()
	return nil
}

// rouse tells who delivers that there may be something to deliver.
func (e *Events) rouse() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// encode writes an event without its id.
func (e *Event) encode() ([]byte, error) {
	at := e.Time
	if at.IsZero() {
		at = time.Now()
	}
	w := wireEvent{Kind: e.Kind, Time: at.UTC().Format(rfc3339), Channel: e.Channel, Session: e.Session, User: e.User, Info: e.Info}
	switch e.Kind {
	case Joined, Left, Occupied, Vacated:
	case Published:
		w.Event, w.Key, w.Epoch, w.Offset = e.Event, e.Key, e.Epoch, e.Offset
		var err error
		if w.Data, w.Encoding, err = e.Data.wire(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("backend: there is no event %.40q", string(e.Kind))
	}
	record, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("backend: the event cannot be written: %w", err)
	}
	return record, nil
}

// EventStats say how delivery goes.
type EventStats struct {
	Waiting   int    // events
	Bytes     int64  // of them, or of the files that hold them
	Delivered uint64 // events that were acknowledged
	Lost      uint64 // events that were dropped because too much waited, or that could not be read or written any more
	Failures  uint64 // batches that were not acknowledged
}

// Stats says how delivery goes.
func (e *Events) Stats() EventStats {
	s := e.queue.Stats()
	return EventStats{s.Records, s.Bytes, e.delivered.Load(), s.Lost, e.failures.Load()}
}

// Close takes no more events and delivers those that wait, trying again without long pauses. When ctx ends first, delivery is given
// up and the error says how many wait: with Dir they are delivered by the next process, otherwise lost. Another call returns at once.
func (e *Events) Close(ctx context.Context) error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	if e.handed != nil {
		_ = e.handed.Flush(ctx) // if ctx ends it, what is left is written by the queue's Close below, and delivered by the next process
	}
	close(e.closing)
	stop := context.AfterFunc(ctx, e.cancel)
	e.sending.Wait()
	stop()
	e.cancel()
	e.service.close()
	left := e.queue.Stats().Records
	err := e.queue.Close()
	if e.options.Dir != "" {
		left = e.queue.Stats().Records // for that wrote what was on its way to the folder
	}
	switch {
	case left > 0 && e.options.Dir == "":
		return errors.Join(fmt.Errorf("backend: %d events were not delivered and are lost: %w", left, context.Cause(ctx)), err)
	case left > 0:
		return errors.Join(fmt.Errorf("backend: %d events were not delivered; the next process does that: %w", left, context.Cause(ctx)), err)
	}
	return err
}
