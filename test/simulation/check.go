// The checker: reads a log and finds what must not be in it. It has no clock and no socket, so that it is tested by itself, with
// logs that it must reject.

package simulation

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ringdown/ringdown/hub"
)

// Fault is something that must not have happened.
type Fault struct {
	Index   int // of the entry at which it was noticed
	Who     string
	Channel string
	ID      string // of the publication, if it is about one
	Text    string
}

func (f Fault) String() string {
	return fmt.Sprintf("entry %d: %s in %q: %s", f.Index, cmp.Or(f.Who, "broker"), f.Channel, f.Text)
}

// Check returns the faults of a log, in the order in which they were noticed; rule is what holds in a channel.
func Check(rule func(channel string) hub.Rule, log []Entry) []Fault {
	c := &checker{
		rule:     rule,
		log:      log,
		intents:  make(map[string]*intent),
		epochs:   make(map[string]*numbering),
		channels: make(map[string][]*numbering),
		legs:     make(map[spot]*leg),
		have:     make(map[spot]*place),
	}
	c.count()
	c.publishing()
	c.numbers()
	c.receipts()
	c.order()
	c.reading()
	slices.SortStableFunc(c.faults, func(a, b Fault) int { return cmp.Compare(a.Index, b.Index) })
	return c.faults
}

type checker struct {
	rule   func(string) hub.Rule
	log    []Entry
	lives  []int // of the node, begun before each entry
	faults []Fault

	intents  map[string]*intent
	epochs   map[string]*numbering
	channels map[string][]*numbering // in the order in which they began

	legs map[spot]*leg // of each client and channel, the latest
	have map[spot]*place
}

// intent is what somebody wanted to publish.
type intent struct {
	channel string
	content Content
	at      []place // where the broker put it
	answers map[string]int
}

// numbering is what an epoch stands for.
type numbering struct {
	epoch    string
	channel  string
	life     int // of the node, counted
	began    Mark
	top      uint64
	at       map[uint64]*numbered
	begun    []*numbered       // by Began
	newestOf map[string]uint64 // by key
}

// numbered is a publication that the broker took.
type numbered struct {
	id     string
	key    string
	offset uint64
	index  int
	began  Mark
	toptop uint64 // the highest offset among those that began no later
}

// place is a position of a channel.
type place struct {
	*numbering
	offset uint64
}

// String is the place as a cursor.
func (p place) String() string {
	if p.numbering == nil {
		return "nowhere"
	}
	return fmt.Sprintf("%s-%d", p.epoch, p.offset)
}

// name is String for a place that may not be known.
func (p *place) name() string {
	if p == nil {
		return "nowhere"
	}
	return p.String()
}

// spot is a client in a channel.
type spot struct{ who, channel string }

func (c *checker) fault(index int, format string, values ...any) {
	e := &c.log[index]
	c.faults = append(c.faults, Fault{index, e.Who, e.Channel, e.Content.ID, fmt.Sprintf(format, values...)})
}

// count counts the lives of the node.
func (c *checker) count() {
	c.lives = make([]int, len(c.log))
	for i := 1; i < len(c.log); i++ {
		if c.lives[i] = c.lives[i-1]; c.log[i-1].What == NodeStarted {
			c.lives[i]++
		}
	}
}

// publishing gathers what was to be published and what the broker made of it.
func (c *checker) publishing() {
	life := 0
	for i := range c.log {
		switch e := &c.log[i]; e.What {
		case NodeStarted:
			life++
		case Attempted:
			if c.intents[e.Content.ID] == nil {
				c.intents[e.Content.ID] = &intent{channel: e.Channel, content: e.Content, answers: make(map[string]int)}
			}
		case Renumbered:
			c.numbering(i, life)
		case Numbered:
			c.took(i, life)
		}
	}
}

func (c *checker) numbering(index, life int) *numbering {
	e := &c.log[index]
	epoch, _, ok := split(e.Cursor)
	if !ok {
		c.fault(index, "the cursor %q is no position", e.Cursor)
		return nil
	}
	if n := c.epochs[epoch]; n != nil {
		if n.channel != e.Channel || n.life != life && n.life != life-1 { // an answer may be entered just after the restart
			c.fault(index, "the epoch of %q was given again", n.channel)
		}
		n.began = earlier(n.began, e.Began)
		return n
	}
	n := &numbering{epoch: epoch, channel: e.Channel, life: life, began: e.Began, at: make(map[uint64]*numbered), newestOf: make(map[string]uint64)}
	c.epochs[epoch] = n
	c.channels[e.Channel] = append(c.channels[e.Channel], n)
	return n
}

func earlier(a, b Mark) Mark {
	if b.Index < a.Index {
		return b
	}
	return a
}

// split takes a cursor of a single position apart.
func split(cursor string) (epoch string, offset uint64, ok bool) {
	epoch, digits, found := strings.Cut(cursor, "-")
	offset, err := strconv.ParseUint(digits, 10, 64)
	return epoch, offset, found && err == nil
}

func (c *checker) took(index, life int) {
	e := &c.log[index]
	n := c.numbering(index, life)
	in := c.intents[e.Content.ID]
	if n == nil {
		return
	}
	if in == nil {
		c.fault(index, "the broker was given %q, which nobody published", cut(e.Content.Payload))
		return
	}
	if in.channel != e.Channel {
		c.fault(index, "it was published in %q", in.channel)
	}
	if why := in.content.differs(&e.Content, Native); why != "" && !e.Duplicate {
		c.fault(index, "the broker was given something else than was published: %s", why)
	}
	_, offset, _ := split(e.Cursor)
	known := n.at[offset]
	switch {
	case known != nil && known.id != e.Content.ID:
		c.fault(index, "offset %d belongs to %s", offset, known.id)
	case known != nil && !e.Duplicate:
		c.fault(index, "it was numbered twice")
	case known == nil:
		n.at[offset] = &numbered{id: e.Content.ID, key: e.Content.Key, offset: offset, index: index, began: e.Began}
		for _, p := range in.at {
			if p.life == n.life {
				c.fault(index, "it was published before, as %v", p)
			}
		}
		in.at = append(in.at, place{n, offset})
	case known.began.Index > e.Began.Index: // the answer to a duplicate was entered first
		known.began = e.Began
	}
}

// numbers checks that offsets count up by one, and prepares what others ask for.
func (c *checker) numbers() {
	for _, all := range c.channels {
		for _, n := range all {
			for offset, p := range n.at {
				n.begun = append(n.begun, p)
				n.top = max(n.top, offset)
				n.newestOf[p.key] = max(n.newestOf[p.key], offset)
			}
			slices.SortFunc(n.begun, func(a, b *numbered) int { return cmp.Compare(a.began.Index, b.began.Index) })
			high := uint64(0)
			for _, p := range n.begun {
				high = max(high, p.offset)
				p.toptop = high
				if p.offset > 1 && n.at[p.offset-1] == nil {
					c.fault(p.index, "offset %d was left out", p.offset-1)
				}
			}
		}
		slices.SortFunc(all, func(a, b *numbering) int { return cmp.Compare(a.began.Index, b.began.Index) })
		c.renumberings(all)
	}
}

// renumberings checks that a numbering is not given up while history is promised.
func (c *checker) renumberings(all []*numbering) {
	for i := 1; i < len(all); i++ {
		old, n := all[i-1], all[i]
		rule := c.rule(n.channel)
		if old.life != n.life || rule.History.Count == 0 {
			continue
		}
		used := old.began.At
		for _, p := range old.begun {
			used = max(used, p.began.At)
		}
		if rule.History.Age == 0 || n.began.At-used < rule.History.Age {
			c.fault(min(n.began.Index, len(c.log)-1), "the numbering of %q began anew while its history was to be kept", n.channel)
		}
	}
}

// topAt is the highest offset that the channel can have had when an entry was made.
func (n *numbering) topAt(index int) uint64 {
	at, _ := slices.BinarySearchFunc(n.begun, index, func(p *numbered, index int) int { return cmp.Compare(p.began.Index, index) })
	if at == 0 {
		return 0
	}
	return n.begun[at-1].toptop
}

// receipts checks what publishers were told.
func (c *checker) receipts() {
	attempts := make(map[string]int)
	for i := range c.log {
		e := &c.log[i]
		switch e.What {
		case Attempted:
			attempts[e.Content.ID]++
		case Refused:
			if e.Text != string(hub.ShuttingDown) && e.Text != string(hub.Unavailable) {
				c.fault(i, "a publication that is in order was refused: %s", e.Text)
			}
		case Receipted:
			c.receipt(i, attempts[e.Content.ID])
		}
	}
}

func (c *checker) receipt(index, attempts int) {
	e := &c.log[index]
	in := c.intents[e.Content.ID]
	if in == nil {
		c.fault(index, "a receipt for what was never published")
		return
	}
	if !slices.ContainsFunc(in.at, func(p place) bool { return p.String() == e.Cursor }) {
		c.fault(index, "the receipt says %s; the broker has it at %v", e.Cursor, in.at)
		return
	}
	if _, offset, _ := split(e.Cursor); e.Offset != offset {
		c.fault(index, "the receipt's offset is %d, its cursor %s", e.Offset, e.Cursor)
	}
	if e.Duplicate && attempts < 2 {
		c.fault(index, "called a duplicate, but it was published only once")
	}
	if !e.Duplicate {
		if in.answers[e.Cursor]++; in.answers[e.Cursor] > 1 {
			c.fault(index, "published twice, and neither receipt says that it is a duplicate")
		}
	}
}

// order checks that what was published later has the higher offset: after a receipt, and on one connection.
func (c *checker) order() {
	type connection struct {
		who     string
		leg     int
		channel string
	}
	receipted := make(map[*numbering]uint64) // the highest that somebody knew of
	sent := make(map[connection][]string)
	floors := make(map[string]map[*numbering]uint64)
	for i := range c.log {
		e := &c.log[i]
		switch e.What {
		case Receipted:
			if epoch, offset, ok := split(e.Cursor); ok && c.epochs[epoch] != nil {
				n := c.epochs[epoch]
				receipted[n] = max(receipted[n], offset)
			}
		case Attempted:
			if floors[e.Content.ID] != nil {
				continue // again
			}
			floors[e.Content.ID] = make(map[*numbering]uint64)
			for _, n := range c.channels[e.Channel] {
				floors[e.Content.ID][n] = receipted[n]
			}
			if e.Leg != 0 {
				at := connection{e.Who, e.Leg, e.Channel}
				sent[at] = append(sent[at], e.Content.ID)
			}
		}
	}
	for id, floor := range floors {
		for _, p := range c.intents[id].at {
			if p.offset <= floor[p.numbering] {
				c.fault(p.at[p.offset].index, "it was published after the receipt of offset %d was there", floor[p.numbering])
			}
		}
	}
	for _, ids := range sent {
		c.pipelined(ids)
	}
}

// pipelined checks publications that were sent over one connection.
func (c *checker) pipelined(ids []string) {
	last := make(map[*numbering]place)
	for _, id := range ids {
		for _, p := range c.intents[id].at {
			if before, ok := last[p.numbering]; ok && before.offset > p.offset {
				c.fault(p.at[p.offset].index, "it was sent after %s over the same connection", before.at[before.offset].id)
			}
			last[p.numbering] = p
		}
	}
}
