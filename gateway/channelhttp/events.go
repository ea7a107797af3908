// Server-Sent Events: what a listener is sent, whatever carries it.

package channelhttp

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ringdown/ringdown/gateway/internal/line"
	"github.com/ringdown/ringdown/hub"
)

const (
	// heartbeat is a comment, which shows proxies and peers that the stream lives.
	heartbeat = ":\n\n"
	// heartbeatPace is how long a stream may be quiet; proxies give up after a minute, some after thirty seconds.
	heartbeatPace = 20 * time.Second
	// retryLeast and retryMost are what a client is asked to wait before it reconnects, drawn anew for each so that they do not
	// all come back at once.
	retryLeast = 1000 * time.Millisecond
	retryMost  = 3000 * time.Millisecond
	// leastRetry is what a browser is asked to wait at least: it keeps to that as long as it finds no server, with no pause that grows.
	leastRetry = 500 * time.Millisecond
)

// carrier takes what is sent to a listener: a line of the event loop, or a flow on a goroutine of HTTP.
type carrier interface {
	hub.Receiver
	Send(own, shared []byte) hub.Reception
	Session() *hub.Session
}

// listener is what is known of a client of an event stream.
type listener struct {
	gateway *Gateway
	objects bool    // the data are objects that name their channel
	places  *places // where the client is in several channels; nil if there is only one, whose publications have their cursor
}

// places are where a client is in each of its channels.
type places struct {
	mu       sync.Mutex // held while something is sent, so that the cursors come in order
	cursor   hub.Cursor
	channels []string // whose position is at the same index; "" if it is not known whose it is
	left     int      // channels that the client is in
}

func (g *Gateway) newListener(q *request) listener {
	l := listener{gateway: g, objects: q.json || q.several()}
	if q.several() {
		l.places = &places{cursor: slices.Clone(q.after), channels: make([]string, len(q.after)), left: len(q.channels)}
	}
	return l
}

// serveEvents answers with an event stream: on the event loop, where the connection can be taken over, otherwise on this goroutine.
func (g *Gateway) serveEvents(w http.ResponseWriter, r *http.Request, q *request) error {
	eventHeader(w.Header())
	if r.ProtoMajor == 1 && r.ProtoMinor == 1 && hijackable(w) {
		return g.streamEvents(w, r, q)
	}
	return g.flowEvents(w, r, q)
}

func eventHeader(header http.Header) {
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
}

// hijackable tells whether a connection can be taken over, as [http.ResponseController] would find it.
func hijackable(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}

// join subscribes the client to its channels. What it is told meanwhile waits for the answer to begin. An error is one that can still
// be answered in words.
func (l *listener) join(r *http.Request, to carrier, q *request) error {
	wait := retryLeast + rand.N(retryMost-retryLeast)
	to.Send(fmt.Appendf(nil, "retry: %d\n", wait.Milliseconds()), nil)
	for _, channel := range q.channels {
		err := to.Session().Subscribe(r.Context(), channel, hub.SubscribeOptions{Recover: q.resume, After: q.after})
		if err != nil {
			return err
		}
	}
	if l.places != nil {
		l.places.settle(to)
	}
	return nil
}

// receive sends a publication.
func (l *listener) receive(to carrier, p *hub.Publication) hub.Reception {
	if l.places != nil {
		return l.places.send(to, p.Channel, p.Position(), withoutID(l.gateway.forms.objectEvents.Of(p)))
	}
	if l.objects {
		return to.Send(nil, l.gateway.forms.objectEvents.Of(p))
	}
	return to.Send(nil, events.Of(p))
}

// notify sends what else the client is to know.
func (l *listener) notify(to carrier, n *hub.Notice) {
	switch {
	case n.Type == hub.Subscribed && n.Asked && !n.Recovered:
		recovered := false
		l.tell(to, n.Position, "gap", notice{Channel: n.Channel, From: new(uint64), Recovered: &recovered})
	case n.Type == hub.Subscribed && l.places != nil:
		l.places.at(n.Channel, n.Position)
	case n.Type == hub.Subscribed: // from here on the client can come back without loss
		to.Send(append(appendID(nil, n.Position.Cursor()), '\n'), nil)
	case n.Type == hub.Gap:
		l.tell(to, n.Position, "gap", notice{Channel: n.Channel, From: &n.From, To: &n.To})
	case n.Type == hub.Unsubscribed:
		l.left(to, n)
	}
}

// notice is what is told beside publications.
type notice struct {
	Channel   string   `json:"channel,omitempty"`
	From      *uint64  `json:"from,omitempty"`
	To        *uint64  `json:"to,omitempty"`
	Recovered *bool    `json:"recovered,omitempty"`
	Code      hub.Code `json:"code,omitempty"`
	Message   string   `json:"message,omitempty"`

	RetryAfter float64 `json:"retry_after,omitempty"` // seconds
}

func (n notice) body(event string) []byte {
	data, _ := json.Marshal(n)
	return appendBody(nil, event, data)
}

// tell sends a notice about a channel, after which the client is at a position.
func (l *listener) tell(to carrier, at hub.Position, event string, n notice) {
	if l.places != nil {
		l.places.send(to, n.Channel, at, n.body(event))
		return
	}
	to.Send(append(appendID(nil, at.Cursor()), n.body(event)...), nil)
}

// left tells that the server has taken the client out of a channel; out of the last one, the stream ends.
func (l *listener) left(to carrier, n *hub.Notice) {
	if l.places == nil || l.places.leave() {
		to.End(hub.Errorf(hub.NotAllowed, "%s", n.Reason))
		return
	}
	to.Send(notice{Channel: n.Channel, Code: hub.NotAllowed, Message: n.Reason}.body("end"), nil)
}

// lastWords is the event that tells why a stream ends, and when to come back if it ends with the server: browsers go by the field
// retry, programs may go by either.
func (g *Gateway) lastWords(cause error) []byte {
	refusal, sentence := hub.RefusalOf(line.Refusal(cause))
	n := notice{Code: refusal.Code, Message: sentence}
	if refusal.Code != hub.ShuttingDown {
		return n.body("end")
	}
	wait := g.lines.ComeBack().Round(time.Millisecond)
	n.RetryAfter = max(wait, time.Millisecond).Seconds()
	return append(fmt.Appendf(nil, "retry: %d\n", max(wait, leastRetry).Milliseconds()), n.body("end")...)
}

// settle forgets the positions in channels that the client is not in, and tells it the cursor.
func (p *places) settle(to carrier) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := 0
	for i, channel := range p.channels {
		if channel != "" {
			p.cursor[kept], p.channels[kept] = p.cursor[i], channel
			kept++
		}
	}
	p.cursor, p.channels = p.cursor[:kept], p.channels[:kept]
	to.Send(append(appendID(nil, p.cursor.String()), '\n'), nil)
}

// at notes where the client is in a channel.
func (p *places) at(channel string, position hub.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(channel, position)
}

// note is at with the lock.
func (p *places) note(channel string, position hub.Position) {
	at := slices.IndexFunc(p.cursor, func(known hub.Position) bool { return known.Epoch == position.Epoch })
	if at < 0 {
		at = slices.Index(p.channels, channel) // its numbering has changed
	}
	if at < 0 {
		p.cursor, p.channels = append(p.cursor, position), append(p.channels, channel)
		return
	}
	p.cursor[at], p.channels[at] = position, channel
}

// send sends an event without id in a channel, with the cursor of all channels as its id.
func (p *places) send(to carrier, channel string, at hub.Position, event []byte) hub.Reception {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(channel, at)
	return to.Send(appendID(make([]byte, 0, 32*len(p.cursor)), p.cursor.String()), event)
}

// leave counts a channel that the client has left, and reports whether it was the last.
func (p *places) leave() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left--
	return p.left == 0
}
