// The log: what everybody did, was told and saw, in one order, as a reader of a failure and the checker see it.

package simulation

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// What is the kind of an entry.
type What uint8

// The kinds. The comment of each says which fields of its [Entry] count beside At and What.
const (
	NodeStarted What = iota // a node begins with an empty memory; what was numbered before it is forgotten
	Renumbered              // Channel, Cursor, Began: the broker said where a channel is, in a numbering that was not heard of before
	Numbered                // Channel, Content, Cursor, Began, Duplicate: the broker took a publication
	Attempted               // Who, Leg, Channel, Content: a publisher begins to publish; Leg is not 0 where order on one connection holds
	Receipted               // Who, Channel, Content.ID, Cursor, Duplicate: it was told where the publication is
	Refused                 // Who, Channel, Content.ID, Text: it was told that the server does not take it, with this code
	Opened                  // Who, Leg, Channel, Transport, Cursor: a client comes, with a cursor or with none
	Told                    // Who, Leg, Channel, Recovered, Cursor: what it was told about recovery, and where it begins if that was said
	Saw                     // Who, Leg, Channel, Content, Cursor, Offset, Conflated: a publication arrived; without Cursor where the transport has none
	Missed                  // Who, Leg, Channel, From, To, Cursor: a gap was told
	Ended                   // Who, Leg, Channel, Text, Cursor: the connection or poll is over; the cursor is a poll's
	Settled                 // Who, Leg, Channel: at the end, the client says that it is up to date
	Present                 // Channel, Users: at the end, who the server says is there
	Nonsense                // Who, Text: the node said or did what it must not
)

// Transport is how a client reads.
type Transport string

// The transports.
const (
	Raw       Transport = "raw"       // WebSocket at the channel's URL
	Native    Transport = "native"    // /connect
	SSE       Transport = "sse"       // one channel, the payload as it is
	SSEMany   Transport = "sse-many"  // several channels in one stream
	LongPoll  Transport = "longpoll"  // ?wait=
	ShortPoll Transport = "shortpoll" // without
)

// polls tells whether each answer is a connection of its own.
func (t Transport) polls() bool { return t == LongPoll || t == ShortPoll }

// Content is what a publication says.
type Content struct {
	ID      string // found in the payload
	Kind    hub.Kind
	Event   string
	Key     string
	Payload []byte
}

// Entry is one thing that happened.
type Entry struct {
	At        time.Duration // since the run began
	What      What
	Who       string
	Leg       int // counts a client's connections and polls, from 1
	Channel   string
	Transport Transport
	Content   Content
	Cursor    string
	Offset    uint64
	From, To  uint64
	Began     Mark
	Recovered bool
	Duplicate bool
	Conflated bool
	Users     []string
	Text      string
}

// Mark is a place in the log, taken before something that is entered only once it is over.
type Mark struct {
	Index int // entries before it
	At    time.Duration
}

// Log collects entries; all methods may be called from any goroutine.
type Log struct {
	began time.Time

	mu      sync.Mutex // guards what follows
	entries []Entry
}

// NewLog begins a log now.
func NewLog() *Log { return &Log{began: time.Now()} }

// Add enters e at the end, and sets its time.
func (l *Log) Add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.At = time.Since(l.began)
	l.entries = append(l.entries, e)
}

// Mark is the place where the log is.
func (l *Log) Mark() Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Mark{len(l.entries), time.Since(l.began)}
}

// Entries is a copy of the log.
func (l *Log) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

// String is the entry as a line for people.
func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%8.3fs ", e.At.Seconds())
	switch e.What {
	case NodeStarted:
		b.WriteString("a node starts")
	case Renumbered:
		fmt.Fprintf(&b, "broker: %s begins at %s", e.Channel, e.Cursor)
	case Numbered:
		fmt.Fprintf(&b, "broker: %s of %s is %s", e.Content.ID, e.Channel, e.Cursor)
	case Attempted:
		fmt.Fprintf(&b, "%s publishes %s in %s (%v, %d bytes, key %q)", e.Who, e.Content.ID, e.Channel, e.Content.Kind, len(e.Content.Payload), e.Content.Key)
	case Receipted:
		fmt.Fprintf(&b, "%s is told that %s is %s", e.Who, e.Content.ID, e.Cursor)
	case Refused:
		fmt.Fprintf(&b, "%s is refused %s: %s", e.Who, e.Content.ID, e.Text)
	case Opened:
		fmt.Fprintf(&b, "%s/%d opens %s by %s, cursor %q", e.Who, e.Leg, e.Channel, e.Transport, e.Cursor)
	case Told:
		fmt.Fprintf(&b, "%s/%d is told in %s: recovered %v, at %q", e.Who, e.Leg, e.Channel, e.Recovered, e.Cursor)
	case Saw:
		fmt.Fprintf(&b, "%s/%d sees %s in %s, offset %d, cursor %q", e.Who, e.Leg, e.Content.ID, e.Channel, e.Offset, e.Cursor)
	case Missed:
		fmt.Fprintf(&b, "%s/%d is told of a gap in %s, from %d to %d, cursor %q", e.Who, e.Leg, e.Channel, e.From, e.To, e.Cursor)
	case Ended:
		fmt.Fprintf(&b, "%s/%d ends in %s, cursor %q: %s", e.Who, e.Leg, e.Channel, e.Cursor, e.Text)
	case Settled:
		fmt.Fprintf(&b, "%s/%d is up to date in %s", e.Who, e.Leg, e.Channel)
	case Nonsense:
		fmt.Fprintf(&b, "%s cannot make sense of it: %s", e.Who, e.Text)
	case Present:
		fmt.Fprintf(&b, "present in %s: %s", e.Channel, strings.Join(e.Users, " "))
	}
	if e.Duplicate {
		b.WriteString(", a duplicate")
	}
	return b.String()
}

// Excerpt is the part of a log that explains a fault: the last entries up to it about the same client, publication and
// channel, with what the broker did in that channel.
func Excerpt(log []Entry, f Fault, lines int) string {
	var kept []string
	for i := min(f.Index, len(log)-1); i >= 0 && len(kept) < lines; i-- {
		e := &log[i]
		same := e.Channel == f.Channel && (e.Who == "" || e.Who == f.Who || f.Who == "")
		if e.What == NodeStarted || same || f.ID != "" && e.Content.ID == f.ID {
			kept = append(kept, fmt.Sprintf("%6d %s", i, e))
		}
	}
	slices.Reverse(kept)
	return strings.Join(kept, "\n")
}

// Summary is what a run consisted of: a simulation in which nothing happens proves nothing.
func Summary(log []Entry) string {
	count := make(map[What]int)
	recovered, failed, slow, skipped := 0, 0, 0, uint64(0)
	asked := make(map[spot]bool)
	at := make(map[spot]uint64)
	for i := range log {
		e := &log[i]
		count[e.What]++
		s := spot{e.Who, e.Channel}
		switch e.What {
		case Opened:
			asked[s] = e.Cursor != ""
			delete(at, s)
		case Told:
			if e.Recovered {
				recovered++
			} else if asked[s] {
				failed++
			}
		case Saw:
			if e.Conflated && at[s] != 0 && e.Offset > at[s]+1 {
				skipped += e.Offset - at[s] - 1
			}
			at[s] = e.Offset
		case Ended:
			if strings.Contains(e.Text, "slow") {
				slow++
			}
		}
	}
	return fmt.Sprintf("%d lives of the node; %d publications, %d attempts, %d receipts, %d refused; %d connections and polls; "+
		"%d publications seen, %d left out by conflation, %d gaps told, %d times cut as too slow; recovered %d times, in vain %d times",
		count[NodeStarted], count[Numbered], count[Attempted], count[Receipted], count[Refused], count[Opened],
		count[Saw], skipped, count[Missed], slow, recovered, failed)
}
