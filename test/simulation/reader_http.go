// Reading over plain HTTP: event streams and polls.

package simulation

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/hub"
)

// get asks for something over a connection of its own.
func get(ctx context.Context, address string, header http.Header) (*http.Response, func(), error) {
	transport := &http.Transport{}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header = header
	response, err := transport.RoundTrip(request)
	if err != nil {
		transport.CloseIdleConnections()
		return nil, nil, err
	}
	return response, func() { response.Body.Close(); transport.CloseIdleConnections() }, nil
}

// status is what an answer's status means.
func status(response *http.Response) error {
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusServiceUnavailable: // it shuts down
		return fmt.Errorf("the answer is %s", response.Status)
	}
	return nonsensef("the answer is %s", response.Status)
}

// event is one of an event stream, or only an id when it has no data.
type event struct {
	id, name, encoding string
	data               []string
	hasID              bool
}

func (r *reader) readEvents(ctx context.Context, w *watch, over Transport) error {
	values, cursor := url.Values{}, r.joined()
	if over == SSEMany {
		values["channel"] = r.script.channels[1:]
	}
	header := http.Header{"Accept": {"text/event-stream"}}
	if cursor != "" && r.random.IntN(2) == 0 {
		values.Set("after", cursor)
	} else if cursor != "" {
		header.Set("Last-Event-ID", cursor)
	}
	response, done, err := get(ctx, r.address("http", "/channels/"+r.script.channels[0], values), header)
	if err != nil {
		return err
	}
	defer done()
	if err := status(response); err != nil {
		return err
	}
	r.begin(over, func(string) string { return cursor })
	s := &stream{reader: r, over: over, asked: cursor != "", placed: make(map[string]bool)}
	lines := bufio.NewReader(response.Body)
	var e event
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // an event that is not complete does not count
			return err
		}
		w.heard()
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			e.field(line)
			continue
		}
		if err := s.take(&e); err != nil {
			return err
		}
		e = event{}
	}
}

func (e *event) field(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "id":
		e.id, e.hasID = value, true
	case "event":
		e.name = value
	case "data":
		e.data = append(e.data, value)
	case "encoding":
		e.encoding = value
	}
}

// stream is what a reader knows of the event stream it reads.
type stream struct {
	reader *reader
	over   Transport
	asked  bool
	placed map[string]bool // channels of which something was said
}

func (s *stream) take(e *event) error {
	r := s.reader
	switch {
	case len(e.data) == 0 && e.hasID:
		s.begins(e.id)
	case len(e.data) == 0: // a heartbeat
	case e.name == "gap":
		return s.gap(e)
	case e.name == "end":
		return fmt.Errorf("the stream ends: %s", strings.Join(e.data, "\n"))
	case s.over == SSEMany:
		var m message
		if err := json.Unmarshal([]byte(strings.Join(e.data, "\n")), &m); err != nil {
			return nonsensef("an event's data is %q: %w", e.data, err)
		}
		if m.Event != e.name {
			return nonsensef("the event %q carries the event %q", e.name, m.Event)
		}
		s.placed[m.Channel] = true
		return r.sawMessage(&m, m.Channel, e.id)
	default:
		s.placed[r.script.channels[0]] = true
		content, err := e.content()
		if err != nil {
			return err
		}
		r.saw(Entry{Channel: r.script.channels[0], Content: content, Cursor: e.id})
	}
	return nil
}

// begins takes a cursor without an event: where the stream begins in the channels of which nothing was said yet.
func (s *stream) begins(cursor string) {
	for _, channel := range s.reader.script.channels {
		if !s.placed[channel] {
			s.placed[channel] = true
			s.reader.told(channel, s.asked, cursor)
		}
	}
}

func (s *stream) gap(e *event) error {
	var m message
	if err := json.Unmarshal([]byte(strings.Join(e.data, "\n")), &m); err != nil {
		return nonsensef("a gap is %q: %w", e.data, err)
	}
	if !slices.Contains(s.reader.script.channels, m.Channel) {
		return nonsensef("a gap in %q, which nobody asked for", m.Channel)
	}
	s.placed[m.Channel] = true
	if m.Recovered != nil && !*m.Recovered {
		s.reader.told(m.Channel, false, e.id)
		return nil
	}
	s.reader.missed(m.Channel, m.From, m.To, e.id)
	return nil
}

// content is what an event carries that is the payload itself.
func (e *event) content() (Content, error) {
	c := Content{Event: e.name, Payload: []byte(strings.Join(e.data, "\n"))}
	if e.encoding != "base64" {
		return c, nil
	}
	c.Kind = hub.Binary
	if c.Event == "binary" {
		c.Event = ""
	}
	var err error
	c.Payload, err = base64.StdEncoding.DecodeString(string(c.Payload))
	return c, err
}

func (r *reader) poll(ctx context.Context, over Transport) error {
	channel := r.script.channels[0]
	cursor := r.cursor(channel)
	values := url.Values{"limit": {fmt.Sprint(1 + r.random.IntN(60))}}
	if cursor != "" {
		values.Set("after", cursor)
	}
	if over == LongPoll {
		values.Set("wait", fmt.Sprintf("%dms", 100+r.random.IntN(700)))
	}
	r.begin(over, func(string) string { return cursor })
	response, done, err := get(ctx, r.address("http", "/channels/"+channel, values), http.Header{})
	if err != nil {
		return err
	}
	defer done()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if err := status(response); err != nil {
		return err
	}
	if err := r.answer(text, channel); err != nil {
		return err
	}
	if over == ShortPoll {
		r.pause(ctx, milliseconds(r.random, 10, 50))
	}
	return nil
}

// answer takes the answer to a poll.
func (r *reader) answer(text []byte, channel string) error {
	var a struct {
		Messages  []message `json:"messages"`
		Cursor    string    `json:"cursor"`
		Recovered *bool     `json:"recovered"`
		Gaps      []message `json:"gaps"`
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return nonsensef("the answer to a poll is %.200q: %w", text, err)
	}
	if a.Recovered != nil && !*a.Recovered {
		r.told(channel, false, "")
	}
	for len(a.Messages) > 0 || len(a.Gaps) > 0 {
		if len(a.Gaps) > 0 && (len(a.Messages) == 0 || a.Gaps[0].To < a.Messages[0].Offset) {
			r.missed(channel, a.Gaps[0].From, a.Gaps[0].To, "")
			a.Gaps = a.Gaps[1:]
			continue
		}
		m := &a.Messages[0]
		if err := r.sawMessage(m, channel, m.Cursor); err != nil {
			return err
		}
		a.Messages = a.Messages[1:]
	}
	r.ended(nil, a.Cursor)
	return nil
}
