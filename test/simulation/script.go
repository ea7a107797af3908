// The script: who does what, drawn from a seed before anything runs.

package simulation

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// rules are what holds in the channels of a simulation.
func rules() []hub.Rule {
	all := []hub.Rule{
		{Pattern: "plain", Presence: true},
		{Pattern: "kept", History: hub.Retention{Count: 20}},
		{Pattern: "brief", History: hub.Retention{Count: 500, Age: 600 * time.Millisecond}},
		{Pattern: "long", History: hub.Retention{Count: 100_000}},
		{Pattern: "drop", History: hub.Retention{Count: 30}, Slow: hub.DropOldest, Backlog: 16 << 10},
		{Pattern: "newest", History: hub.Retention{Count: 200}, Slow: hub.Conflate, Last: true, Presence: true},
		{Pattern: "room", History: hub.Retention{Count: 1000, Age: time.Minute}, Presence: true},
	}
	for i := range all {
		all[i].Publish = hub.Everyone
	}
	return all
}

// ruleOf is the rule of a channel.
func ruleOf(channel string) hub.Rule {
	for _, r := range rules() {
		if r.Pattern == channel {
			return r
		}
	}
	return hub.Rule{}
}

// keys are what publications in any channel may be the newest value of.
var keys = []string{"", "north", "south", "east"}

// script is all that a seed decides.
type script struct {
	seed       uint64
	readers    []readerScript
	publishers []publisherScript
	restarts   []restart
}

type readerScript struct {
	name     string
	channels []string
	stints   []stint
	finale   Transport // how it reads in the end
}

// stint is a time over one transport, with as many connections as it takes.
type stint struct {
	over   Transport
	lasts  time.Duration
	away   time.Duration // before it
	forget bool          // the cursor, before it
}

type publisherScript struct {
	name  string
	over  publishing
	items []item
}

// publishing is how a publisher publishes.
type publishing uint8

const (
	byPost publishing = iota
	byNative
	byRaw
)

// item is something to be published.
type item struct {
	pause      time.Duration // before it
	channel    string
	content    Content
	idempotent bool // it may be sent again
	again      int  // how often it is sent once more in any case
	batch      bool // together with the next one, where the transport can
}

type restart struct {
	after  time.Duration // since the one before, or the beginning
	down   time.Duration
	abrupt bool
}

// source is a stream of random numbers of its own for each purpose, so that they do not depend on each other's use.
func source(seed uint64, purpose string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

const (
	readers    = 24
	publishers = 8
	items      = 50 // of a publisher
)

func newScript(seed uint64) *script {
	s := &script{seed: seed}
	for i := range readers {
		s.readers = append(s.readers, newReader(source(seed, fmt.Sprint("reader ", i)), fmt.Sprintf("r%d", i)))
	}
	for i := range publishers {
		over := []publishing{byPost, byPost, byNative, byRaw}[i%4]
		s.publishers = append(s.publishers, newPublisher(source(seed, fmt.Sprint("publisher ", i)), fmt.Sprintf("p%d", i), over))
	}
	r := source(seed, "restarts")
	for range r.IntN(3) {
		s.restarts = append(s.restarts, restart{
			after: milliseconds(r, 300, 1200), down: milliseconds(r, 0, 150), abrupt: r.IntN(2) == 0})
	}
	return s
}

func milliseconds(r *rand.Rand, least, most int) time.Duration {
	return time.Duration(least+r.IntN(most-least+1)) * time.Millisecond
}

func newReader(r *rand.Rand, name string) readerScript {
	s := readerScript{name: name}
	all := rules()
	count := []int{1, 1, 1, 2, 3}[r.IntN(5)]
	for _, i := range r.Perm(len(all))[:count] {
		s.channels = append(s.channels, all[i].Pattern)
	}
	transports := []Transport{Raw, Native, SSE, LongPoll, ShortPoll}
	if count > 1 {
		transports = []Transport{Native, SSEMany}
	}
	pick := func() Transport { return transports[r.IntN(len(transports))] }
	for range 2 + r.IntN(3) {
		st := stint{over: pick(), lasts: milliseconds(r, 200, 900), forget: r.IntN(6) == 0}
		switch r.IntN(4) {
		case 0:
			st.away = milliseconds(r, 700, 1100) // longer than "brief" keeps, and often more than "kept" holds
		case 1:
			st.away = milliseconds(r, 0, 200)
		}
		s.stints = append(s.stints, st)
	}
	s.finale = pick()
	return s
}

func newPublisher(r *rand.Rand, name string, over publishing) publisherScript {
	s := publisherScript{name: name, over: over}
	all := rules()
	favourite := all[r.IntN(len(all))].Pattern
	for n := range items {
		it := item{channel: favourite, pause: milliseconds(r, 0, 40), batch: r.IntN(3) == 0}
		if r.IntN(3) == 0 {
			it.channel = all[r.IntN(len(all))].Pattern
		}
		kind := hub.Kind(r.IntN(3))
		if over == byRaw {
			it.channel = favourite // a connection is one channel
			kind = []hub.Kind{hub.Text, hub.Binary}[r.IntN(2)]
		}
		it.content = newContent(r, fmt.Sprintf("%s-%d", name, n), kind)
		if over != byRaw {
			it.content.Event = []string{"", "", "price", "été"}[r.IntN(4)]
			it.content.Key = keys[r.IntN(len(keys))]
			it.idempotent = r.IntN(2) == 0
			if it.idempotent && r.IntN(4) == 0 {
				it.again = 1 + r.IntN(2)
			}
		}
		s.items = append(s.items, it)
		if r.IntN(16) == 0 {
			s.items = append(s.items, burst(r, it, over)...)
		}
	}
	return s
}

// burst is many large ones at once, more than a slow reader's outbox takes.
func burst(r *rand.Rand, like item, over publishing) []item {
	var all []item
	size := 40
	if over == byPost { // a connection each
		size = 10
	}
	for n := range size {
		it := like
		it.pause, it.again, it.batch = 0, 0, true
		it.content = newContent(r, fmt.Sprintf("%s.%d", like.content.ID, n), hub.Text)
		it.content.Payload = append(it.content.Payload, strings.Repeat("0123456789abcdef", 256)...)
		if over != byRaw {
			it.content.Event, it.content.Key = like.content.Event, keys[r.IntN(len(keys))]
		}
		all = append(all, it)
	}
	return all
}

// mark stands around the id in a payload.
const mark = "#"

func newContent(r *rand.Rand, id string, kind hub.Kind) Content {
	c := Content{ID: id, Kind: kind}
	size := r.IntN(300)
	if r.IntN(10) == 0 {
		size = r.IntN(8 << 10)
	}
	switch kind {
	case hub.Text:
		c.Payload = []byte(mark + id + mark + words(r, size, true))
	case hub.JSON:
		space := []string{"", " ", "\n\t"}[r.IntN(3)]
		c.Payload = fmt.Appendf(nil, `{"id":%s"%s%s%s",%[1]s"big":12345678901234567890,"real":1.50e3,"list":[null,true,{}],"text":"%[5]s"}`,
			space, mark, id, mark, words(r, size, false))
	case hub.Binary:
		c.Payload = []byte(mark + id + mark)
		for range size {
			c.Payload = append(c.Payload, byte(r.Uint32()))
		}
	}
	return c
}

// words are hard to carry: all ends of lines, quotes, controls, characters of every length. With free they need not fit into a
// JSON string.
func words(r *rand.Rand, size int, free bool) string {
	hard := []string{"\n", "\r", "\r\n", `"`, `\`, "\t", "\x00", "\x7f", ": ", "\n\ndata: x", " "}
	if !free {
		hard = []string{`\n`, `\"`, `\\`, `\u0000`, `\/`, `\ud83d\ude00`}
	}
	soft := []string{"a", "bc", " ", "é", "日本", "😀", "<b>&", "\u2028", "\ufeff", "'"}
	var b strings.Builder
	for b.Len() < size {
		if r.IntN(8) == 0 {
			b.WriteString(hard[r.IntN(len(hard))])
		} else {
			b.WriteString(soft[r.IntN(len(soft))])
		}
	}
	return b.String()
}

// identify finds the id in a payload; "" if there is none.
func identify(payload []byte) string {
	_, rest, _ := strings.Cut(string(payload), mark)
	id, _, found := strings.Cut(rest, mark)
	if !found {
		return ""
	}
	return id
}
