//go:build unix

// Readers: clients that come back when they are told to, with their cursor, and log what they see and what they are told they miss. Whether
// they had to miss it is for the checker to say.

package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/simulation"
)

// reader is one client. Its goroutine is the only one that uses what is above the lock.
type reader struct {
	crowd   *crowd
	address string // of one node; "" is that of the crowd
	name    string
	channel string
	over    simulation.Transport
	open    bool // the leg is
	cursor  string

	mu    sync.Mutex    // guards what follows
	leg   int           // of its connections, from 1
	last  string        // id of what was seen last
	place string        // the cursor then
	wait  time.Duration // before it comes back, as it was told last
	told  time.Duration // the same when it was told first: it may come back to a node that has others left to tell
	gone  time.Time     // when that was
	back  time.Time     // when it first tried to come back after that
}

// crowd are all readers.
type crowd struct {
	address string
	log     *simulation.Log
	readers []*reader
}

// message is an object of the native protocol, of an event or of an answer to a poll; the fields that are not there are zero.
type message struct {
	Type, Data, Cursor, Code string
	Offset, From, To         uint64
	Recovered                *bool
	RetryAfter               float64 `json:"retry_after"`
	Messages, Gaps           []message
}

// lost tells whether m says that what came after a cursor cannot be had.
func (m *message) lost() bool { return m.Recovered != nil && !*m.Recovered }

// transports are the ways to read, by name.
var transports = map[simulation.Transport]func(*reader, context.Context) error{
	simulation.Raw: (*reader).raw, simulation.Native: (*reader).native, simulation.SSE: (*reader).events, simulation.LongPoll: (*reader).poll,
	socketIO: (*reader).socketIO, socketIOPolling: (*reader).socketIOPolling,
}

// errTold is how a connection ends on which the server says goodbye.
var errTold = errors.New("the server says goodbye")

// run reads until ctx ends.
func (r *reader) run(ctx context.Context, t *testing.T) {
	if r.over == goClient {
		r.library(ctx, t)
		return
	}
	for ctx.Err() == nil {
		err := transports[r.over](r, ctx)
		r.note(simulation.Entry{What: simulation.Ended, Text: fmt.Sprint(err)})
		wait := 200*time.Millisecond + rand.N(800*time.Millisecond) // as long as nobody is there
		if errors.Is(err, errTold) {
			wait = r.toldTime()
		} else if err == nil { // the next poll
			continue
		}
		select {
		case <-time.After(wait):
			r.attempts()
		case <-ctx.Done():
		}
	}
}

// checked are the transports that the checker knows; the messages of the others say as much as those of the native protocol.
var checked = []simulation.Transport{simulation.Raw, simulation.Native, simulation.SSE, simulation.LongPoll}

// note enters something into the log; Ended only for a leg that has begun.
func (r *reader) note(e simulation.Entry) {
	r.mu.Lock()
	if e.What == simulation.Opened {
		r.leg++
		r.open = true
		if e.Transport = r.over; !slices.Contains(checked, r.over) {
			e.Transport = simulation.Native
		}
	}
	if e.What == simulation.Ended {
		if !r.open {
			r.mu.Unlock()
			return
		}
		r.open = false
	}
	e.Who, e.Leg, e.Channel = r.name, r.leg, r.channel
	r.mu.Unlock()
	r.crowd.log.Add(e)
}

// saw enters a publication, whose payload is its id between two marks.
func (r *reader) saw(payload, cursor string, offset uint64) {
	id := strings.Trim(payload, "#")
	r.note(simulation.Entry{What: simulation.Saw, Cursor: cursor, Offset: offset,
		Content: simulation.Content{ID: id, Kind: hub.Text, Payload: []byte(payload)}})
	r.cursor = cmp.Or(cursor, r.cursor)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.place = id, r.cursor
}

// begins enters what was said about recovery.
func (r *reader) begins(recovered bool, cursor string) {
	r.note(simulation.Entry{What: simulation.Told, Recovered: recovered, Cursor: cursor})
	r.cursor = cmp.Or(cursor, r.cursor)
}

// missed enters a gap.
func (r *reader) missed(from, to uint64, cursor string) {
	r.note(simulation.Entry{What: simulation.Missed, From: from, To: to, Cursor: cursor})
	r.cursor = cmp.Or(cursor, r.cursor)
}

// refused is how a connection ends on which the node has refused what was asked for, which it may do only while it cannot do it.
func (r *reader) refused(code, text string) error {
	if code != string(hub.Unavailable) && code != string(hub.ShuttingDown) {
		r.note(simulation.Entry{What: simulation.Nonsense, Text: text})
	}
	return fmt.Errorf("refused: %s", text)
}

// goodbye notes when to come back.
func (r *reader) goodbye(within time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wait = within
	if r.gone.IsZero() {
		r.told, r.gone = within, time.Now()
	}
	return errTold
}

func (r *reader) toldTime() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wait
}

// attempts notes that the reader tries to come back.
func (r *reader) attempts() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.back.IsZero() && !r.gone.IsZero() {
		r.back = time.Now()
	}
}

func (r *reader) seen() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *reader) url(scheme, path string, values url.Values) string {
	values.Set("user", r.name)
	return fmt.Sprintf("%s://%s%s?%s", scheme, cmp.Or(r.address, r.crowd.address), path, values.Encode())
}
