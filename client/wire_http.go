// A wire made of HTTP requests to /channels (docs/channels.md): publications are POSTed, histories asked for. How publications come is the
// matter of a receiver, an event stream or polls.

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
)

const maxChannels = 32 // of one request

// httpWire looks like a connection that speaks the native protocol.
type httpWire struct {
	requester
	receiver receiver
	cancel   context.CancelCauseFunc // of every request; the cause is the wire's end
	heard    chan *heard
	changed  chan struct{} // the channels are others
	posted   chan struct{} // there is something in posts
	greeted  chan struct{} // closed when the welcome was told
	working  sync.WaitGroup

	mu         sync.Mutex // guards what follows
	places     map[string]*place
	turn       context.CancelFunc // of the requests by which publications come
	posts      []*order           // one after the other, to keep their order
	welcomed   bool
	unanswered int    // pings before the welcome
	cursor     string // of all channels that have begun
}

// receiver is how publications come.
type receiver interface {
	// receive takes what has been published in channels, and returns when it is to be called again: after an answer, when ctx is
	// over, or with an error that ends the wire.
	receive(ctx context.Context, w *httpWire, channels []string) error
}

// place is a channel that is subscribed to.
type place struct {
	id     json.RawMessage // of the command
	cursor string          // where to go on: from the subscription; of no use once it has begun
	begun  bool            // the client was told that it is subscribed
}

// order is a command, as it is obeyed here.
type order struct {
	Type           string          `json:"type"`
	ID             json.RawMessage `json:"id"`
	Channel        string          `json:"channel"`
	Cursor         string          `json:"cursor"`
	Limit          int             `json:"limit"`
	Event          string          `json:"event"`
	Key            string          `json:"key"`
	IdempotencyKey string          `json:"idempotency_key"`
	Data           json.RawMessage `json:"data"`
	Encoding       string          `json:"encoding"`
	Token          string          `json:"token"`
}

func openHTTP(ctx context.Context, to *route, r receiver) (wire, error) {
	w := &httpWire{receiver: r, requester: newRequester(to), heard: make(chan *heard), changed: make(chan struct{}, 1),
		posted: make(chan struct{}, 1), greeted: make(chan struct{}), places: make(map[string]*place)}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.working.Go(w.receive)
	w.working.Go(w.post)
	return w, nil
}

func (w *httpWire) read() (*heard, error) {
	select {
	case h := <-w.heard:
		return h, nil
	case <-w.ctx.Done():
		return nil, context.Cause(w.ctx)
	}
}

func (w *httpWire) write(commands [][]byte) error {
	changed := false
	for _, text := range commands {
		o := new(order)
		if err := json.Unmarshal(text, o); err != nil {
			return err
		}
		changed = w.obey(o) || changed
	}
	if changed {
		w.turnOver()
	}
	return nil
}

func (w *httpWire) close() { w.closeNow() }

func (w *httpWire) closeNow() {
	w.end(ErrClosed)
	w.working.Wait()
	w.http.CloseIdleConnections()
}

// end is the end; the first cause counts.
func (w *httpWire) end(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel(cause)
}

// aside does something while the wire goes on.
func (w *httpWire) aside(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() == nil {
		w.working.Go(f)
	}
}

func (w *httpWire) say(h *heard) {
	select {
	case w.heard <- h:
	case <-w.ctx.Done():
	}
}

// refuse answers a command that is not obeyed.
func (w *httpWire) refuse(id json.RawMessage, channel, code, sentence string) {
	w.say(&heard{Type: "error", ID: id, Channel: channel, Code: code, Message: sentence})
}

// refuseHere is refuse without asking the server, once it is known that it answers.
func (w *httpWire) refuseHere(o *order, code, sentence string) {
	w.aside(func() {
		select {
		case <-w.greeted:
			w.refuse(o.ID, o.Channel, code, sentence)
		case <-w.ctx.Done():
		}
	})
}

// welcome is to be called with the first thing that shows that answers pass. It returns when all that were owed have been told.
func (w *httpWire) welcome() {
	w.mu.Lock()
	first, pongs := !w.welcomed, w.unanswered
	w.welcomed, w.unanswered = true, 0
	w.mu.Unlock()
	if !first {
		select {
		case <-w.greeted:
		case <-w.ctx.Done():
		}
		return
	}
	w.say(&heard{Type: "welcome"})
	for range pongs {
		w.say(&heard{Type: "pong"})
	}
	close(w.greeted)
}

// obey reports whether the request for publications has to be another one.
func (w *httpWire) obey(o *order) (changed bool) {
	switch o.Type {
	case "subscribe":
		return w.subscribe(o)
	case "unsubscribe":
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.places, o.Channel)
		if len(w.places) == 0 {
			w.cursor = "" // whoever comes back brings his own
		}
		return true
	case "authenticate":
		w.authenticate(o.Token)
		return true // the server ends a stream with its token
	case "ping":
		w.aside(func() { w.ping(o.ID) })
	case "publish":
		w.mu.Lock()
		w.posts = append(w.posts, o)
		w.mu.Unlock()
		signal(w.posted)
	case "history":
		w.aside(func() { w.answer(o, w.history) })
	default:
		w.refuseHere(o, "needs_websocket", o.Type+" needs a WebSocket, and this client found no way to open one; try again later")
	}
	return false
}

func (w *httpWire) subscribe(o *order) bool {
	w.mu.Lock()
	room := len(w.places) < maxChannels
	if room {
		w.places[o.Channel] = &place{id: o.ID, cursor: o.Cursor}
	}
	w.mu.Unlock()
	if !room {
		w.refuseHere(o, "too_many_subscriptions", fmt.Sprintf("without a WebSocket there are at most %d channels; leave some", maxChannels))
	}
	return room
}

// turnOver has the request for publications made anew.
func (w *httpWire) turnOver() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.turn != nil {
		w.turn()
	}
	signal(w.changed)
}

// receive has publications come until the wire ends.
func (w *httpWire) receive() {
	for w.ctx.Err() == nil {
		ctx, cancel := context.WithCancel(w.ctx)
		w.mu.Lock()
		w.turn = cancel
		channels := slices.Sorted(maps.Keys(w.places))
		w.mu.Unlock()
		if len(channels) == 0 {
			select {
			case <-w.changed:
			case <-w.ctx.Done():
			}
		} else if err := w.receiver.receive(ctx, w, channels); err != nil && ctx.Err() == nil {
			w.end(err)
		}
		cancel()
	}
}

// place is that of a channel, nil if it was left meanwhile.
func (w *httpWire) place(channel string) *place {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.places[channel]
}

// begin tells that a channel has begun. recovered counts if there was a cursor.
func (w *httpWire) begin(channel string, p *place, cursor string, recovered bool) {
	p.begun = true
	h := &heard{Type: "subscribed", ID: p.id, Channel: channel, Cursor: cursor, unnumbered: true}
	if p.cursor != "" {
		h.Recovered = &recovered
	}
	w.say(h)
}

// drop tells that a channel was refused.
func (w *httpWire) drop(channel string, why *RefusedError) {
	w.mu.Lock()
	p := w.places[channel]
	delete(w.places, channel)
	w.mu.Unlock()
	w.welcome()
	if p != nil {
		w.refuse(p.id, channel, why.Code, why.Message)
	}
}
