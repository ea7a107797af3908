// Server-Sent Events: what is published comes as a stream.

package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	streamFirst = 8 * time.Second  // for the first event, which the server sends at once; proxies that hold streams back let nothing pass
	streamQuiet = 45 * time.Second // without a byte until a stream is dead; the server sends something every 20 s
)

func openEventStream(ctx context.Context, to *route) (wire, error) {
	return openHTTP(ctx, to, eventStream{})
}

type eventStream struct{}

func (eventStream) receive(ctx context.Context, w *httpWire, channels []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cursors := make([]string, 0, len(channels)+1)
	for _, channel := range channels {
		if p := w.place(channel); p != nil && !p.begun {
			cursors = append(cursors, p.cursor)
		}
	}
	parameters := url.Values{"transport": {"sse"}, "format": {"json"}, "channel": channels}
	if after := joined(append(cursors, w.position())...); after != "" {
		parameters.Set("after", after)
	}
	silent := fmt.Errorf("%w: the event stream passes nothing", ErrSilent)
	quiet := time.AfterFunc(opening, func() { cancel(silent) })
	defer quiet.Stop()
	response, err := w.send(ctx, http.MethodGet, "/channels", parameters, http.Header{"Accept": {"text/event-stream"}}, nil)
	if refused := refusedChannel(err); refused != nil {
		quiet.Stop()
		return w.examine(ctx, channels, refused)
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if !isOf(response, "text/event-stream") {
		return errNotRingdown
	}
	w.alive()
	err = w.events(ctx, channels, newEventReader(&livelyReader{response.Body, quiet, streamFirst, w.alive}, int(w.limit)))
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	for _, channel := range channels {
		if w.place(channel) != nil {
			return errors.New("client: the event stream broke")
		}
	}
	return nil // the server has ended each channel of it
}

// examine asks for each channel alone: one of them is refused, and so the whole request was.
func (w *httpWire) examine(ctx context.Context, channels []string, why *RefusedError) error {
	found := false
	for _, channel := range channels {
		_, err := w.ask(ctx, http.MethodGet, pathOf(channel), url.Values{"limit": {"1"}}, nil, nil, patience)
		refused := refusedChannel(err)
		if refused == nil && err != nil {
			return err
		}
		if refused != nil {
			w.drop(channel, refused)
			found = true
		}
	}
	if !found {
		return why
	}
	return nil
}

// events tells what a stream of channels says.
func (w *httpWire) events(ctx context.Context, channels []string, events *eventReader) error {
	for {
		e, err := events.next()
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		w.welcome()
		at := w.position()
		if e.hasID {
			at = e.id
		}
		if e.hasData {
			if err := w.told(&e, channels, at); err != nil {
				return err
			}
		}
		w.goOn(at)
		if e.hasData {
			continue
		}
		for _, channel := range channels {
			if p := w.place(channel); p != nil && !p.begun {
				w.begin(channel, p, at, true)
			}
		}
	}
}

// told takes an event with data. The error is the end of the wire.
func (w *httpWire) told(e *streamEvent, channels []string, at string) error {
	h := new(heard)
	if err := unmarshal(e.data, h); err != nil {
		return err
	}
	if e.name == "end" && h.Code != "" && h.Offset == 0 {
		return w.ended(h, channels)
	}
	p := w.place(h.Channel)
	if p == nil {
		return nil // left meanwhile
	}
	begun := p.begun
	if !begun {
		w.begin(h.Channel, p, at, !h.denied())
	}
	switch {
	case h.Offset != 0:
		h.Type = "message"
		w.say(h)
	case begun || !h.denied():
		w.say(&heard{Type: "gap", Channel: h.Channel, From: h.From, To: h.To, Cursor: at, Recovered: h.Recovered})
	}
	return nil
}

// ended takes the server's word that the stream ends, or a channel of it.
func (w *httpWire) ended(h *heard, channels []string) error {
	of := h.Channel
	if of == "" && h.Code == "not_allowed" && len(channels) == 1 {
		of = channels[0]
	}
	if of == "" {
		return told(h.Code, h.Message, h.RetryAfter)
	}
	w.mu.Lock()
	delete(w.places, of)
	w.mu.Unlock()
	w.say(&heard{Type: "unsubscribed", Channel: of, Reason: h.Message})
	return nil
}

// livelyReader watches a stream. The time in which nobody reads does not count.
type livelyReader struct {
	stream io.Reader
	quiet  *time.Timer
	within time.Duration
	alive  func()
}

func (r *livelyReader) Read(b []byte) (int, error) {
	r.quiet.Reset(r.within)
	n, err := r.stream.Read(b)
	r.quiet.Stop()
	r.within = streamQuiet
	if n > 0 {
		r.alive()
	}
	return n, err
}

// streamEvent is an event. Each field is there if the stream had it, so that one with an id alone is seen, too.
type streamEvent struct {
	id, name       string
	data           json.RawMessage
	hasID, hasData bool
}

// eventReader reads events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
type eventReader struct{ lines *bufio.Scanner }

// newEventReader takes no line that is longer than limit, in bytes.
func newEventReader(stream io.Reader, limit int) *eventReader {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, max(limit, 64<<10))
	return &eventReader{lines}
}

// next is the next event with an id or data. The error is io.EOF at the end of the stream; an event that is not complete then is none.
func (r *eventReader) next() (e streamEvent, err error) {
	for r.lines.Scan() {
		line := strings.TrimSuffix(r.lines.Text(), "\r")
		if line == "" {
			if e.hasID || e.hasData {
				return e, nil
			}
			e = streamEvent{}
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			e.id, e.hasID = value, true
		case "event":
			e.name = value
		case "data":
			if e.hasData {
				e.data = append(e.data, '\n')
			}
			e.data, e.hasData = append(e.data, value...), true
		}
	}
	if err := r.lines.Err(); err != nil {
		return e, fmt.Errorf("client: reading the event stream: %w", err)
	}
	return e, io.EOF
}
