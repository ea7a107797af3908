// A socket's trail: what it was sent, in which order. From it and the last offset that the client has seen follows what it has missed.

package socketio

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
	"github.com/ringdown/ringdown/hub"
)

// Bounds of a trail. What is beyond them is forgotten, oldest first; a client that had not got so far begins anew.
const (
	maxRuns       = 256
	maxTrailBytes = 256 << 10 // of events that were sent to the socket alone
	trimFrom      = 16        // runs from which it is looked whether some can be forgotten
)

// trail is guarded by the socket's lock. Offsets are texts: the cursor of a publication's position, or a mark, which is that of an event
// which was no publication.
type trail struct {
	at     string // the offset at which it begins; "" if the client has got nothing
	rooms  []place
	runs   []run
	bytes  int      // of events in runs that are to be sent again
	chosen []string // of rooms, those in which the client is because it asked for that
	answer uint64   // the number of the message that was the answer to CONNECT
}

// place is where a channel was when the trail began, or when the socket came into it, if that was later.
type place struct {
	channel string
	hub.Position
}

// run is publications of one channel without a hole, or one event that was sent to the socket alone.
type run struct {
	channel     string // "" for an event of its own
	epoch       string
	first, last uint64    // offsets; of an event of its own, its mark
	seq         uint64    // of the last message of it
	own         *ownEvent // nil if it is none, or is not to be sent again
	time        time.Time
}

func (r *run) offset() string {
	if r.channel == "" {
		return markText(r.last)
	}
	return hub.Position{Epoch: r.epoch, Offset: r.last}.Cursor()
}

func (r *run) bytes() int {
	if r.own == nil {
		return 0
	}
	n := len(r.own.text)
	for _, a := range r.own.attachments {
		n += len(a)
	}
	return n
}

// ownEvent is an event that is no publication: as a packet, with its mark. It may be in the trails of many sockets.
type ownEvent struct {
	mark        uint64
	time        time.Time
	text        []byte
	attachments [][]byte
}

// prepared is the event made ready for many sockets.
func (e *ownEvent) prepared() *engineio.Message { return engineio.Prepare(e.text, e.attachments...) }

// markText is a mark as an offset. No cursor begins like it.
func markText(mark uint64) string { return "~" + strconv.FormatUint(mark, 36) }

func parseMark(offset string) (mark uint64, ok bool) {
	digits, ok := strings.CutPrefix(offset, "~")
	if !ok {
		return 0, false
	}
	mark, err := strconv.ParseUint(digits, 36, 64)
	return mark, err == nil
}

// enter notes that the socket is in a channel, at a position.
func (t *trail) enter(channel string, at hub.Position) {
	for i := range t.rooms {
		if p := &t.rooms[i]; p.channel == channel {
			if p.Epoch != at.Epoch { // another numbering; what was before cannot be had
				p.Position = at
			}
			return
		}
	}
	t.rooms = append(t.rooms, place{channel, at})
}

// leave notes that the socket is in a channel no more.
func (t *trail) leave(channel string) {
	t.rooms = slices.DeleteFunc(t.rooms, func(p place) bool { return p.channel == channel })
	t.chosen = slices.DeleteFunc(t.chosen, func(c string) bool { return c == channel })
}

func (t *trail) in(channel string) bool {
	return slices.ContainsFunc(t.rooms, func(p place) bool { return p.channel == channel })
}

// published notes a publication that the socket was handed as message seq, or kept from it.
func (t *trail) published(p *hub.Publication, seq uint64) (long bool) {
	if n := len(t.runs) - 1; n >= 0 {
		if r := &t.runs[n]; r.last+1 == p.Offset && r.channel == p.Channel && r.epoch == p.Epoch {
			r.last, r.seq, r.time = p.Offset, seq, p.Time
			return false
		}
	}
	t.runs = append(t.runs, run{channel: p.Channel, epoch: p.Epoch, first: p.Offset, last: p.Offset, seq: seq, time: p.Time})
	return len(t.runs) >= trimFrom
}

// sent notes an event that was no publication, and whether it is to be sent again to a client that has missed it.
func (t *trail) sent(e *ownEvent, again bool, seq uint64) (long bool) {
	r := run{first: e.mark, last: e.mark, seq: seq, time: e.time}
	if again {
		r.own = e
	}
	t.bytes += r.bytes()
	t.runs = append(t.runs, r)
	return len(t.runs) >= trimFrom || t.bytes > maxTrailBytes/2
}

// trim forgets what the client has certainly received, and what is too much. The last run stays, for its offset.
func (t *trail) trim(confirmed uint64) {
	n := 0
	if t.answer <= confirmed {
		for n < len(t.runs)-1 && t.runs[n].seq <= confirmed {
			n++
		}
	}
	if len(t.runs)-n > maxRuns {
		n = len(t.runs) - maxRuns/2
	}
	for bytes := t.bytes; n < len(t.runs) && t.over(bytes, n); n++ {
	}
	t.forget(n)
}

// over tells whether the packets from run n on are too many bytes.
func (t *trail) over(bytes, n int) bool {
	for i := range n {
		bytes -= t.runs[i].bytes()
	}
	return bytes > maxTrailBytes
}

// forget forgets the first n runs.
func (t *trail) forget(n int) {
	if n == 0 {
		return
	}
	for i := range t.runs[:n] {
		r := &t.runs[i]
		t.bytes -= r.bytes()
		t.reach(r, r.last)
	}
	t.at = t.runs[n-1].offset()
	t.runs = slices.Delete(t.runs, 0, n)
}

// reach has the channel of a run begin after an offset of it.
func (t *trail) reach(r *run, offset uint64) {
	for i := range t.rooms {
		if p := &t.rooms[i]; r.channel == p.channel && r.epoch == p.Epoch && p.Offset < offset {
			p.Offset = offset
		}
	}
}

// rewind cuts the trail where the client has got to, and returns what came after it. It reports false, and changes nothing, if that place
// is not known.
func (t *trail) rewind(offset string) (missed []run, ok bool) {
	n, within, ok := t.find(offset)
	if !ok {
		return nil, false
	}
	missed = slices.Clone(t.runs[n:])
	t.runs = t.runs[:n]
	t.forget(n)
	if within > 0 { // in the midst of a run
		r := &missed[0]
		t.reach(r, within)
		r.first = within + 1
	}
	t.at, t.runs, t.bytes = offset, nil, 0
	return missed, true
}

// find returns how many runs come before an offset, and how far it is into the next.
func (t *trail) find(offset string) (runs int, within uint64, ok bool) {
	if offset == t.at {
		return 0, 0, true
	}
	mark, marked := parseMark(offset)
	cursor, err := hub.ParseCursor(offset)
	if !marked && (err != nil || len(cursor) != 1) {
		return 0, 0, false
	}
	for i := range t.runs {
		r := &t.runs[i]
		switch {
		case marked && r.channel == "" && r.last == mark:
			return i + 1, 0, true
		case marked || r.channel == "" || r.epoch != cursor[0].Epoch || cursor[0].Offset < r.first || cursor[0].Offset > r.last:
		case cursor[0].Offset == r.last:
			return i + 1, 0, true
		default:
			return i, cursor[0].Offset, true
		}
	}
	return 0, 0, false
}

// inOrder sorts what was missed by time; of a channel, it was and stays in the order of offsets.
func inOrder(all []replay) {
	slices.SortStableFunc(all, func(a, b replay) int { return cmp.Compare(a.time.UnixNano(), b.time.UnixNano()) })
}

// replay is one event that is sent again: a publication, or a run that is an event of its own.
type replay struct {
	publication *hub.Publication
	own         run
	time        time.Time
}
