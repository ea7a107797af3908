// What the checker knows of readers: each connection or poll of a client in a channel is a leg, which continues where the cursor
// says that the one before ended.

package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/hub"
)

// leg is how far a client has got in a channel over one connection.
type leg struct {
	number    int
	opened    int // index
	life      int // of the node, when it was opened
	transport Transport
	ended     bool
	after     *place // what it asked to go on from
	begun     bool   // something was seen or told that says where it is
	unsure    bool   // a gap of unknown extent was told; what comes next is where it is
	at        *place // nil while it is not known
	start     *place // what it cannot have seen is up to here
	newest    map[string]uint64
}

// reading walks all legs.
func (c *checker) reading() {
	life := 0
	for i := range c.log {
		e := &c.log[i]
		s := spot{e.Who, e.Channel}
		switch e.What {
		case NodeStarted:
			life++
		case Opened:
			c.opened(i, life)
		case Told, Saw, Missed, Ended, Settled:
			l := c.legs[s]
			if l == nil || l.number != e.Leg || l.ended && e.What != Settled {
				c.fault(i, "the log is wrong: %v without an open leg", e)
				continue
			}
			c.heard(i, s, l)
		case Present:
			c.present(i)
		case Nonsense:
			c.fault(i, "%s", e.Text)
		}
	}
}

func (c *checker) opened(index, life int) {
	e := &c.log[index]
	s := spot{e.Who, e.Channel}
	l := &leg{number: e.Leg, opened: index, life: life, transport: e.Transport, newest: make(map[string]uint64)}
	c.legs[s] = l
	if e.Cursor == "" {
		delete(c.have, s)
		return
	}
	l.after = c.in(e.Cursor, e.Channel)
	l.at, l.start = l.after, l.after
	if have := c.have[s]; have != nil && (l.after == nil || *l.after != *have) {
		c.fault(index, "the cursor that the client was given says %s; it has got to %s", l.after.name(), have.name())
	}
}

// in finds the place of a channel in a cursor of one or many positions; the newest numbering counts.
func (c *checker) in(cursor, channel string) (found *place) {
	for part := range strings.SplitSeq(cursor, ".") {
		epoch, offset, ok := split(part)
		n := c.epochs[epoch]
		if ok && n != nil && n.channel == channel && (found == nil || n.began.Index > found.began.Index) {
			found = &place{n, offset}
		}
	}
	return found
}

func (c *checker) heard(index int, s spot, l *leg) {
	e := &c.log[index]
	switch e.What {
	case Told:
		c.told(index, l)
	case Saw:
		c.saw(index, l)
	case Missed:
		c.missed(index, l)
	case Ended:
		c.ended(index, l)
	case Settled:
		c.settled(index, l)
	}
	if e.Cursor != "" && l.at != nil {
		at := *l.at
		c.have[s] = &at
	}
}

// told checks what was said about recovery, and where the leg begins.
func (c *checker) told(index int, l *leg) {
	e := &c.log[index]
	if l.begun {
		c.fault(index, "told about recovery after something else")
	}
	at := c.in(e.Cursor, e.Channel)
	if e.Cursor != "" && at == nil {
		c.fault(index, "the cursor %q says nothing of the channel", e.Cursor)
	}
	asked := c.log[l.opened].Cursor != ""
	switch {
	case asked && e.Recovered:
		if at != nil && (l.after == nil || *at != *l.after) {
			c.fault(index, "recovered, but from %s instead of %s", at.name(), l.after.name())
		}
		return
	case asked:
		if why := c.recoverable(l.after, index); why != "" {
			c.fault(index, "told that %s cannot be recovered, but %s", l.after.name(), why)
		}
	case e.Recovered:
		c.fault(index, "recovered without having asked for it")
	}
	l.at, l.start = at, at
}

// recoverable says why everything after a place was still there when an entry was made; "" if it need not have been.
func (c *checker) recoverable(p *place, index int) string {
	switch {
	case p == nil || c.dead(p.numbering, index):
		return ""
	case p.offset > p.top:
		return "" // nobody ever was there
	case p.offset == p.topAt(index):
		return "nothing had been published since"
	}
	return c.kept(p.numbering, p.offset+1, index)
}

// kept says why an offset was still in history when an entry was made; "" if it need not have been.
func (c *checker) kept(n *numbering, offset uint64, index int) string {
	keep, p := c.rule(n.channel).History, n.at[offset]
	switch {
	case c.dead(n, index) || keep.Count == 0:
		return ""
	case p == nil:
		return fmt.Sprintf("offset %d was never published", offset)
	case n.topAt(index)-offset >= uint64(keep.Count):
		return ""
	case keep.Age > 0 && c.log[index].At-p.began.At >= keep.Age:
		return ""
	}
	return fmt.Sprintf("offset %d was within the history of %d", offset, keep.Count)
}

// dead tells whether a numbering may have ended before an entry was made: its node was restarted, or another has begun.
func (c *checker) dead(n *numbering, index int) bool {
	for _, other := range c.channels[n.channel] {
		if other != n && other.began.Index > n.began.Index && other.began.Index < index {
			return true
		}
	}
	return c.lives[index] > n.life
}

// saw checks a publication that a client received.
func (c *checker) saw(index int, l *leg) {
	e := &c.log[index]
	in := c.intents[e.Content.ID]
	if in == nil {
		c.fault(index, "saw %q, which nobody published", cut(e.Content.Payload))
		return
	}
	if why := in.content.differs(&e.Content, l.transport); why != "" {
		c.fault(index, "what arrived is not what was published: %s", why)
	}
	at := c.position(index, l, in)
	if at == nil {
		return
	}
	if p := at.at[at.offset]; p.began.Index > index {
		c.fault(index, "it arrived before it was published")
	}
	conflates := c.rule(e.Channel).Slow == hub.Conflate
	if e.Conflated && !conflates {
		c.fault(index, "marked as conflated in a channel that does not conflate")
	}
	c.follows(index, l, at, conflates)
	l.at, l.begun, l.unsure = at, true, false
	if l.start == nil {
		l.start = &place{at.numbering, at.offset - 1}
	}
	l.newest[at.at[at.offset].key] = at.offset
}

// position is where the publication that was seen is.
func (c *checker) position(index int, l *leg, in *intent) *place {
	e := &c.log[index]
	if e.Cursor == "" { // the transport does not say
		for _, p := range in.at {
			if len(in.at) == 1 || l.begun && l.at != nil && p.numbering == l.at.numbering || !l.begun && p.life == l.life {
				return &p
			}
		}
		c.fault(index, "it arrived although the broker never had it, or in another life of the node")
		return nil
	}
	at := c.in(e.Cursor, e.Channel)
	switch {
	case at == nil:
		c.fault(index, "the cursor %q says nothing of the channel", e.Cursor)
		return nil
	case !slices.Contains(in.at, *at):
		c.fault(index, "it arrived as %v; the broker has it at %v", at, in.at)
		return nil
	case e.Offset != 0 && e.Offset != at.offset:
		c.fault(index, "its offset is %d, its cursor %v", e.Offset, at)
	}
	return at
}

// follows checks that what is at a place may come next.
func (c *checker) follows(index int, l *leg, at *place, conflates bool) {
	switch {
	case l.at == nil || l.unsure:
	case at.numbering != l.at.numbering:
		c.fault(index, "from %v to %v, a numbering of its own, and the client was not told", l.at, at)
	case at.offset <= l.at.offset:
		c.fault(index, "after offset %d comes %d: a duplicate, or out of order", l.at.offset, at.offset)
	case at.offset == l.at.offset+1:
	case conflates:
		c.superseded(index, l.at.offset+1, at)
	default:
		c.fault(index, "offsets %d to %d never came, and the client was not told", l.at.offset+1, at.offset-1)
	}
}

// superseded checks that what a conflating channel left out has a newer value.
func (c *checker) superseded(index int, from uint64, to *place) {
	for offset := from; offset < to.offset; offset++ {
		if p := to.at[offset]; p != nil && to.newestOf[p.key] == offset {
			c.fault(index, "offset %d never came, although it is the newest with the key %q", offset, p.key)
		}
	}
}

// missed checks a gap.
func (c *checker) missed(index int, l *leg) {
	e := &c.log[index]
	at := c.in(e.Cursor, e.Channel)
	if e.From == 0 { // a new numbering
		if l.at != nil && !c.dead(l.at.numbering, index) {
			c.fault(index, "told of a gap of unknown extent, although %v still counted", l.at)
		}
		l.at, l.begun, l.unsure = at, true, true
		return
	}
	l.begun = true
	if l.at == nil {
		if at != nil {
			l.at, l.start = at, at
		}
		return
	}
	n := l.at.numbering
	if e.From != l.at.offset+1 || e.To < e.From || e.To > n.topAt(index) {
		c.fault(index, "told of a gap from %d to %d; the client is at %v of %d", e.From, e.To, l.at, n.topAt(index))
	}
	if at != nil && (at.numbering != n || at.offset != e.To) {
		c.fault(index, "after a gap up to %d the cursor is %v", e.To, at)
	}
	if c.rule(e.Channel).Slow == hub.Disconnect {
		if why := c.kept(n, e.To, index); why != "" {
			c.fault(index, "told of a gap up to %d, but %s", e.To, why)
		}
	}
	l.at = &place{n, e.To}
	l.start = l.at
}

func (c *checker) ended(index int, l *leg) {
	e := &c.log[index]
	l.ended = true
	if e.Cursor == "" {
		return
	}
	at := c.in(e.Cursor, e.Channel)
	switch {
	case at == nil:
		c.fault(index, "the cursor %q says nothing of the channel", e.Cursor)
	case l.at == nil || l.unsure:
		l.at = at
	case *l.at != *at:
		c.fault(index, "the cursor says %s; the client has got to %s", at.name(), l.at.name())
	}
}

// settled checks that a client has got to the end.
func (c *checker) settled(index int, l *leg) {
	e := &c.log[index]
	all := c.channels[e.Channel]
	if len(all) == 0 {
		return
	}
	n := all[len(all)-1]
	if l.at == nil || l.at.numbering != n || l.at.offset != n.top {
		c.fault(index, "in the end the client is at %s; the channel is at %v", l.at.name(), place{n, n.top})
		return
	}
	if c.rule(e.Channel).Slow != hub.Conflate || l.start == nil || l.start.numbering != n || l.transport.polls() {
		return
	}
	for key, offset := range n.newestOf {
		if offset > l.start.offset && l.newest[key] != offset {
			c.fault(index, "the newest with the key %q is offset %d; the client has %d", key, offset, l.newest[key])
		}
	}
}

// present checks that those are present who are there. Who polls is there now and then.
func (c *checker) present(index int) {
	e := &c.log[index]
	missing := make(map[string]bool)
	extra := make(map[string]bool)
	for _, user := range e.Users {
		extra[user] = true
	}
	for s, l := range c.legs {
		if s.channel == e.Channel && (!l.ended || l.transport.polls()) {
			if !extra[s.who] && !l.transport.polls() {
				missing[s.who] = true
			}
			delete(extra, s.who)
		}
	}
	if len(missing)+len(extra) > 0 {
		c.fault(index, "present are %v; missing are %v, and not there are %v", e.Users,
			slices.Sorted(maps.Keys(missing)), slices.Sorted(maps.Keys(extra)))
	}
}
