// What a log says: a state that every node computes from the same records, and so computes the same. Nothing here looks at a clock, at
// the network or at chance.

package rabbitmq

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// state is all that follows from a log up to a position. Its fields are exported for the encoding of snapshots.
type state struct {
	Incarnation string // changes when the log is found to have lost something
	At          uint64 // the position of the last record
	Now         int64  // the latest time of any record: the clock of the log
	Channels    map[string]*channel
	Keys        map[string]answer // idempotency keys
	Rooms       map[string]*room
	Owners      map[string]*owner
	Stored      map[string]stored
}

// channel is a numbering and what is kept of it.
type channel struct {
	Epoch   string
	Top     uint64
	Time    int64 // of the publication at Top
	Expires int64
	Kept    []entry // up to Top, without holes
}

type entry struct {
	Offset  uint64
	Time    int64
	Content []byte
}

// answer is what a publisher was told.
type answer struct {
	Epoch         string
	Offset        uint64
	Time, Expires int64
}

// owner is a run of a node.
type owner struct {
	Alive bool
	Heard int64  // its last record, by the clock of the log
	Last  uint64 // where that is
	Seq   uint64 // its number
	Info  []byte
}

type stored struct {
	Value   []byte
	Expires int64
}

// ownerMemory is for how long an owner is remembered that is not alive any more, in microseconds: a record of it that was long on its way must not
// be taken for a new one.
const ownerMemory = int64(time.Hour / time.Microsecond)

// anyIncarnation stands for whatever incarnation there is.
const anyIncarnation = "*"

// outcome is what a record has brought about.
type outcome struct {
	repeated  bool // it had been applied before, or is older than one that was; it did nothing
	published hub.Published
	fresh     *channel // of a publication that is to be delivered; it is the last that is there
	content   []byte
	events    []hub.PresenceEvent
	value     []byte
	ok        bool // there was a value
	renewed   bool // everything was reset
	rejected  error
}

func newState() *state {
	s := new(state)
	s.fill()
	return s
}

// fill makes the maps that an encoding leaves out when they are empty.
func (s *state) fill() {
	if s.Channels == nil {
		s.Channels = make(map[string]*channel)
	}
	if s.Keys == nil {
		s.Keys = make(map[string]answer)
	}
	if s.Rooms == nil {
		s.Rooms = make(map[string]*room)
	}
	if s.Owners == nil {
		s.Owners = make(map[string]*owner)
	}
	if s.Stored == nil {
		s.Stored = make(map[string]stored)
	}
}

// apply takes the record at a position.
func (s *state) apply(at uint64, r *record) (out outcome) {
	s.At = at
	if r.Kind == reset && (r.Key == s.Incarnation || r.Key == anyIncarnation) {
		*s = state{Incarnation: r.Epoch, At: at, Now: r.Time}
		s.fill()
		out.renewed = true
	}
	s.Now = max(s.Now, r.Time)
	if !s.hear(at, r) {
		out.repeated = true
		return out
	}
	switch r.Kind {
	case publish:
		s.publish(r, &out)
	case touch:
		c := s.numbering(r)
		out.published = hub.Published{Position: hub.Position{Epoch: c.Epoch, Offset: c.Top}, Time: time.UnixMicro(c.Time)}
	case join:
		out.rejected = s.join(r, &out)
	case depart:
		if at := s.Rooms[r.Channel]; at != nil && at.Members[r.Key].Owner == r.Owner { // otherwise it has come back on another node
			s.leave(r.Channel, r.Key, &out)
		}
	case beat:
		s.Owners[r.Owner].Info = r.Body
	case bury:
		s.bury(r, &out)
	case keep:
		s.Stored[r.Channel] = stored{r.Body, s.Now + r.Window}
	case take:
		v, ok := s.Stored[r.Channel]
		delete(s.Stored, r.Channel)
		if ok && v.Expires > s.Now {
			out.value, out.ok = v.Value, true
		}
	}
	return out
}

// hear notes that an owner has written something, and reports whether it is new. The records of an owner are sent in order, those without an answer
// again after an outage; so what comes with a number that is not higher than all before has come before, or is given up by its owner.
func (s *state) hear(at uint64, r *record) bool {
	o := s.Owners[r.Owner]
	if o == nil || s.forgotten(o) {
		o = new(owner)
		s.Owners[r.Owner] = o
	}
	if r.Seq <= o.Seq {
		return false
	}
	o.Alive, o.Heard, o.Last, o.Seq = true, s.Now, at, r.Seq
	return true
}

func (s *state) forgotten(o *owner) bool { return !o.Alive && s.Now-o.Heard > ownerMemory }

// find is a channel that is not over, or nil.
func (s *state) find(name string) *channel {
	if c := s.Channels[name]; c != nil && c.Expires > s.Now {
		return c
	}
	return nil
}

// numbering is the channel of a record, which may begin it.
func (s *state) numbering(r *record) *channel {
	c := s.find(r.Channel)
	if c == nil {
		c = &channel{Epoch: r.Epoch}
		s.Channels[r.Channel] = c
	}
	c.Expires = max(c.Expires, s.Now+r.Lifetime)
	return c
}

func keyOf(channel, key string) string { return strconv.Itoa(len(channel)) + ":" + channel + key }

// earlier is the answer to a key that is not forgotten.
func (s *state) earlier(channel, key string) (hub.Published, bool) {
	a, ok := s.Keys[keyOf(channel, key)]
	if !ok || a.Expires <= s.Now {
		return hub.Published{}, false
	}
	return hub.Published{Position: hub.Position{Epoch: a.Epoch, Offset: a.Offset}, Time: time.UnixMicro(a.Time), Duplicate: true}, true
}

func (s *state) publish(r *record, out *outcome) {
	keyed := r.Key != "" && r.Window > 0
	if keyed {
		if earlier, ok := s.earlier(r.Channel, r.Key); ok {
			out.published = earlier
			return
		}
	}
	c := s.numbering(r)
	c.Top++
	c.Time = max(c.Time+1, r.Time)
	if keyed {
		s.Keys[keyOf(r.Channel, r.Key)] = answer{c.Epoch, c.Top, c.Time, s.Now + r.Window}
	}
	c.retain(entry{c.Top, c.Time, r.Body}, r.Count, oldest(s.Now, r.Age))
	out.published = hub.Published{Position: hub.Position{Epoch: c.Epoch, Offset: c.Top}, Time: time.UnixMicro(c.Time)}
	out.fresh, out.content = c, r.Body
}

// oldest is the time before which nothing is kept.
func oldest(now, age int64) int64 {
	if age <= 0 {
		return math.MinInt64
	}
	return now - age
}

// retain adds what is to be kept, and drops what is not.
func (c *channel) retain(e entry, count, since int64) {
	if count <= 0 {
		c.Kept = nil
		return
	}
	c.Kept = append(c.Kept, e)
	drop := max(0, len(c.Kept)-int(min(count, math.MaxInt32)))
	for drop < len(c.Kept) && c.Kept[drop].Time < since {
		drop++
	}
	clear(c.Kept[:drop])
	c.Kept = c.Kept[drop:]
}

// history answers a query; now is in microseconds.
func (c *channel) history(q hub.Query, now int64) (kept []entry, lost uint64) {
	all := c.Kept[max(0, len(c.Kept)-max(0, q.Count)):]
	since := oldest(now, q.Age.Microseconds())
	for len(all) > 0 && all[0].Time < since {
		all = all[1:]
	}
	before := c.Top // the last that is not kept
	if len(all) > 0 {
		before = all[0].Offset - 1
	}
	if before > q.After {
		lost = before - q.After
	}
	if q.Newest {
		return all[max(0, len(all)-q.Limit):], lost
	}
	for len(all) > 0 && all[0].Offset <= q.After {
		all = all[1:]
	}
	return all[:min(q.Limit, len(all))], lost
}

// bury has the members of a dead owner leave, unless it has said something since it was held for dead.
func (s *state) bury(r *record, out *outcome) {
	o := s.Owners[r.Key]
	if o == nil || r.Count >= 0 && o.Last != uint64(r.Count) {
		return
	}
	o.Alive, o.Info = false, nil
	for _, name := range slices.Sorted(maps.Keys(s.Rooms)) {
		for _, session := range slices.Sorted(maps.Keys(s.Rooms[name].Members)) {
			if room := s.Rooms[name]; room != nil && room.Members[session].Owner == r.Key {
				s.leave(name, session, out)
			}
		}
	}
}

// nodes are those that are alive and were heard within a time, in microseconds; the one heard last if a name is there twice.
func (s *state) nodes(expiry int64) []hub.Node {
	newest := make(map[string]hub.Node)
	for name, o := range s.Owners {
		short, _, _ := strings.Cut(name, ".")
		n := hub.Node{Name: short, Info: o.Info, Heard: time.UnixMicro(o.Heard)}
		if o.Alive && s.Now-o.Heard <= expiry && n.Heard.After(newest[short].Heard) {
			newest[short] = n
		}
	}
	return slices.SortedFunc(maps.Values(newest), func(a, b hub.Node) int { return strings.Compare(a.Name, b.Name) })
}

// sweep drops what is over. Whether it has been swept cannot be seen from outside.
func (s *state) sweep() {
	maps.DeleteFunc(s.Channels, func(_ string, c *channel) bool { return c.Expires <= s.Now })
	maps.DeleteFunc(s.Keys, func(_ string, a answer) bool { return a.Expires <= s.Now })
	maps.DeleteFunc(s.Stored, func(_ string, v stored) bool { return v.Expires <= s.Now })
	maps.DeleteFunc(s.Owners, func(_ string, o *owner) bool { return s.forgotten(o) })
}
