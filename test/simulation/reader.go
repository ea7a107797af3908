// A reader: a client that follows its script, comes back whenever it is cut, and logs what it is told.

package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// reader is one client. Its methods belong to its goroutine, but for upToDate and settle.
type reader struct {
	script readerScript
	log    *Log
	proxy  *proxy
	random *rand.Rand

	mu      sync.Mutex // guards what follows
	leg     int
	cursors map[string]held   // by channel
	last    map[string]string // by channel: the id of what was seen last
	open    []string          // channels of the leg
	over    Transport
	coming  bool // a leg is open
}

// held is a cursor as the client got it.
type held struct {
	text string
	many bool // it speaks for all channels
}

func startReader(s readerScript, seed uint64, log *Log, p *proxy) *reader {
	return &reader{script: s, log: log, proxy: p, random: source(seed, "pace of "+s.name),
		cursors: make(map[string]held), last: make(map[string]string)}
}

// run plays the script, and then reads until ctx ends.
func (r *reader) run(ctx context.Context, played func()) {
	for _, s := range r.script.stints {
		if s.forget {
			r.forget()
		}
		r.pause(ctx, s.away)
		r.stint(ctx, s.over, s.lasts)
	}
	played()
	r.stint(ctx, r.script.finale, 0)
}

func (r *reader) pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// stint reads over one transport for a while, 0 being until ctx ends.
func (r *reader) stint(ctx context.Context, over Transport, lasts time.Duration) {
	if lasts > 0 {
		limited, cancel := context.WithTimeout(ctx, lasts)
		defer cancel()
		ctx = limited
	}
	for ctx.Err() == nil {
		err := r.read(ctx, r.possible(over))
		if over.polls() && err == nil {
			continue
		}
		r.pause(ctx, milliseconds(r.random, 2, 60))
	}
}

// possible is the transport, unless the client's cursors cannot be put into one: then it asks for each channel.
func (r *reader) possible(over Transport) Transport {
	if over != SSEMany {
		return over
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	many := 0
	for _, c := range r.cursors {
		if c.many {
			many++
		}
	}
	if many != 0 && many != len(r.script.channels) {
		return Native
	}
	return over
}

// read is one connection or poll, from its opening to its end.
func (r *reader) read(ctx context.Context, over Transport) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := newWatch(r.proxy, cancel, r.random)
	defer w.stop()
	var err error
	switch over {
	case Raw:
		err = r.readRaw(ctx, w)
	case Native:
		err = r.readNative(ctx, w)
	case SSE, SSEMany:
		err = r.readEvents(ctx, w, over)
	default:
		err = r.poll(ctx, over)
	}
	r.ended(err, "")
	return err
}

// watch ends a connection on which nothing has come for a while, as long as the network is not calm: it may be dead without saying.
type watch struct {
	proxy    *proxy
	patience time.Duration
	timer    *time.Timer
}

func newWatch(p *proxy, cancel func(), r *rand.Rand) *watch {
	w := &watch{proxy: p, patience: milliseconds(r, 300, 900)}
	w.timer = time.AfterFunc(w.patience, func() {
		if !p.isCalm() {
			cancel()
		}
	})
	return w
}

// heard is called whenever something has come.
func (w *watch) heard() { w.timer.Reset(w.patience) }
func (w *watch) stop()  { w.timer.Stop() }

// begin opens a leg: it enters for each channel the cursor that is sent.
func (r *reader) begin(over Transport, cursor func(channel string) string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leg++
	r.over, r.coming, r.open = over, true, slices.Clone(r.script.channels)
	for _, channel := range r.open {
		if over == Raw {
			delete(r.last, channel)
		}
		r.log.Add(Entry{What: Opened, Who: r.script.name, Leg: r.leg, Channel: channel, Transport: over, Cursor: cursor(channel)})
	}
	return r.leg
}

// cursor is what the client holds for a channel.
func (r *reader) cursor(channel string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cursors[channel].text
}

// joined is one cursor for all channels; see possible.
func (r *reader) joined() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var texts []string
	for _, channel := range r.script.channels {
		if c := r.cursors[channel]; c.text != "" && !slices.Contains(texts, c.text) {
			texts = append(texts, c.text)
		}
	}
	return strings.Join(texts, ".")
}

// got notes a cursor that came for a channel, or for all of them.
func (r *reader) got(channel, cursor string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over != SSEMany {
		r.cursors[channel] = held{text: cursor}
		return
	}
	for _, channel := range r.script.channels {
		r.cursors[channel] = held{text: cursor, many: true}
	}
}

func (r *reader) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.cursors)
}

func (r *reader) saw(e Entry) {
	r.mu.Lock()
	e.What, e.Who, e.Leg = Saw, r.script.name, r.leg
	e.Content.ID = identify(e.Content.Payload)
	r.last[e.Channel] = e.Content.ID
	r.log.Add(e)
	r.mu.Unlock()
	if e.Cursor != "" {
		r.got(e.Channel, e.Cursor)
	}
}

func (r *reader) told(channel string, recovered bool, cursor string) {
	r.log.Add(Entry{What: Told, Who: r.script.name, Leg: r.leg, Channel: channel, Recovered: recovered, Cursor: cursor})
	if cursor != "" {
		r.got(channel, cursor)
	}
}

func (r *reader) missed(channel string, from, to uint64, cursor string) {
	r.log.Add(Entry{What: Missed, Who: r.script.name, Leg: r.leg, Channel: channel, From: from, To: to, Cursor: cursor})
	if cursor != "" {
		r.got(channel, cursor)
	}
}

// ended closes the leg, unless it is closed. The cursor is a poll's.
func (r *reader) ended(err error, cursor string) {
	r.mu.Lock()
	if !r.coming {
		r.mu.Unlock()
		return
	}
	r.coming = false
	if n, is := errors.AsType[nonsense](err); is {
		r.log.Add(Entry{What: Nonsense, Who: r.script.name, Text: n.Error()})
	}
	for _, channel := range r.open {
		r.log.Add(Entry{What: Ended, Who: r.script.name, Leg: r.leg, Channel: channel, Text: fmt.Sprint(err), Cursor: cursor})
	}
	r.mu.Unlock()
	if cursor != "" {
		r.got(r.script.channels[0], cursor)
	}
}

// upToDate tells whether the client is, in each of its channels, where the last publication is: it has seen that last, or in a
// poll has been given its cursor, which is all that polls are sure of in a channel without history.
func (r *reader) upToDate(last map[string]final) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, channel := range r.script.channels {
		if f := last[channel]; r.last[channel] != f.id && (!r.over.polls() || r.cursors[channel].text != f.cursor) {
			return false
		}
	}
	return true
}

// settle enters that the client is up to date.
func (r *reader) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, channel := range r.script.channels {
		r.log.Add(Entry{What: Settled, Who: r.script.name, Leg: r.leg, Channel: channel})
	}
}

// nonsense is what a node that works never says.
type nonsense struct{ error }

func nonsensef(format string, values ...any) error { return nonsense{fmt.Errorf(format, values...)} }

// kindOf is what a payload is where a transport tells only text and bytes apart.
func kindOf(binary bool) hub.Kind {
	if binary {
		return hub.Binary
	}
	return hub.Text
}
