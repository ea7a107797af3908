// Listening over plain HTTP: Server-Sent Events and long polls.

package main

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

	"github.com/ringdown/ringdown/client"
)

// maxEventLine is the longest line of an event stream that is taken, in bytes.
const maxEventLine = longestReceived

// pollWait is how long a poll waits for something.
const pollWait = "30s"

// get asks for all channels at once, from where the listening has got to.
func (l *listening) get(ctx context.Context, c *http.Client, accept string, values url.Values) (*http.Response, error) {
	values["channel"] = l.channels
	if l.cursor != "" {
		values.Set("after", l.cursor)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.node.at(values, "channels").String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header = l.node.header.Clone()
	request.Header.Set("Accept", accept)
	response, err := c.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, client.Refusal(response)
	}
	return response, nil
}

// found is something that HTTP brought beside messages.
type found struct {
	Channel   string `json:"channel"`
	From      uint64 `json:"from"`
	To        uint64 `json:"to"`
	Recovered *bool  `json:"recovered"`
	Offset    uint64 `json:"offset"` // which only a message has
	Code      string `json:"code"`
	Message   string `json:"message"`
}

func (f *found) gap(l *listening) {
	if f.Channel == "" {
		f.Channel = strings.Join(l.channels, ", ")
	}
	l.gap(&client.Gap{Channel: f.Channel, From: f.From, To: f.To, Unrecovered: f.Recovered != nil && !*f.Recovered})
}

// listenEvents reads event streams.
func listenEvents(ctx context.Context, l *listening) error {
	c := l.node.httpClient()
	defer c.CloseIdleConnections()
	return l.always(ctx, func() error {
		response, err := l.get(ctx, c, "text/event-stream", url.Values{"format": {"json"}})
		if err != nil {
			return err
		}
		defer response.Body.Close()
		l.connected()
		return l.events(response.Body)
	})
}

// event is one of a stream, as it is being read.
type event struct {
	id, name string
	data     []byte
	hasData  bool
}

// events reads a stream to its end (WHATWG HTML, "Server-sent events": interpreting an event stream).
func (l *listening) events(stream io.Reader) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxEventLine)
	e := event{}
	for lines.Scan() {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if line == "" {
			if more, err := l.event(&e); !more || err != nil {
				return err
			}
			e = event{}
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			if e.hasData {
				e.data = append(e.data, '\n')
			}
			e.data, e.hasData = append(e.data, value...), true
		}
	}
	return lines.Err()
}

// event takes a whole one, and reports whether more are wanted.
func (l *listening) event(e *event) (more bool, err error) {
	if !e.hasData {
		if e.id != "" {
			l.at(e.id)
		}
		return true, nil
	}
	var f found
	if err := json.Unmarshal(e.data, &f); err != nil {
		return false, fmt.Errorf("the stream holds an event that is no object of the server's: %w", err)
	}
	switch {
	case f.Offset != 0:
		m := new(client.Message)
		if err := json.Unmarshal(e.data, m); err != nil {
			return false, err
		}
		return l.show(m, e.id), nil
	case e.name == "gap":
		f.gap(l)
	case e.name == "end":
		return false, fmt.Errorf("ended by the server: %s (%s)", f.Message, f.Code)
	}
	if e.id != "" {
		l.at(e.id)
	}
	return true, nil
}

// listenPolls asks again as soon as there is an answer.
func listenPolls(ctx context.Context, l *listening) error {
	c := l.node.httpClient()
	defer c.CloseIdleConnections()
	told := false
	return l.always(ctx, func() error {
		for {
			values := url.Values{"wait": {pollWait}}
			if l.cursor == "" { // the first one asks where the channels are, and is not interested in what was
				values = url.Values{"limit": {"1"}}
			}
			begins := l.cursor == ""
			response, err := l.get(ctx, c, "application/json", values)
			if err != nil {
				told = false
				return err
			}
			more, err := l.answer(response, begins)
			if !more || err != nil {
				return err
			}
			if !told {
				told = true
				l.connected()
			}
		}
	})
}

// answer takes the answer to a poll. begins has its messages let go by.
func (l *listening) answer(response *http.Response, begins bool) (more bool, err error) {
	defer response.Body.Close()
	var answer struct {
		Messages  []*client.Message
		Cursor    string
		Recovered *bool
		Gaps      []found
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, longestReceived)).Decode(&answer); err != nil {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	if begins && answer.Cursor == "" {
		return false, errors.New("the answer has no cursor; is this a node?")
	}
	if answer.Recovered != nil && !*answer.Recovered {
		(&found{Recovered: answer.Recovered}).gap(l)
	}
	for i := range answer.Gaps {
		answer.Gaps[i].gap(l)
	}
	if !begins {
		for i, m := range answer.Messages {
			if m.Channel == "" {
				m.Channel = l.channels[0]
			}
			if !l.show(m, l.after(answer.Messages[:i+1], answer.Cursor)) {
				return false, nil
			}
		}
	}
	l.at(answer.Cursor)
	return true, nil
}

// after is where to go on after some messages of an answer: as long as there is one channel, each has a cursor of its own.
func (l *listening) after(shown []*client.Message, whole string) string {
	if len(l.channels) == 1 {
		return shown[len(shown)-1].Cursor
	}
	return whole
}
