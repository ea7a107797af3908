//go:build unix

// Readers: clients that come back when they are told to, with their cursor, and log what they see.

package restart

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/simulation"
	"github.com/ringdown/ringdown/websocket"
)

// reader is one client. Its goroutine is the only one that uses what is above the lock.
type reader struct {
	crowd   *crowd
	name    string
	channel string
	over    simulation.Transport
	leg     int
	open    bool // the leg is
	cursor  string

	mu    sync.Mutex    // guards what follows
	last  string        // id of what was seen last
	place string        // the cursor then
	wait  time.Duration // before it comes back, as it was told last
	told  time.Duration // the same when it was told first: it may come back to a node that has others left to tell
	gone  time.Time     // when that was
	back  time.Time     // when it first tried to come back after that
}

// crowd are all readers.
type crowd struct {
	address string
	log     *simulation.Log
	readers []*reader
}

// message is an object of the native protocol, or of an answer to a poll; the fields that are not there are zero.
type message struct {
	Type, Data, Cursor, Code string
	Offset                   uint64
	Recovered                *bool
	RetryAfter               float64 `json:"retry_after"`
	Messages                 []message
	Gaps                     []any
}

// furtherTransports are those that only some of the tests use.
var furtherTransports = make(map[simulation.Transport]func(*reader, context.Context) error)

// errTold is how a connection ends on which the server says goodbye.
var errTold = errors.New("the server says goodbye")

// run reads until ctx ends.
func (r *reader) run(ctx context.Context, t *testing.T) {
	if r.over == goClient {
		r.library(ctx, t)
		return
	}
	read := map[simulation.Transport]func(context.Context) error{
		simulation.Raw: r.raw, simulation.Native: r.native, simulation.SSE: r.events, simulation.LongPoll: r.poll}[r.over]
	if read == nil {
		read = func(ctx context.Context) error { return furtherTransports[r.over](r, ctx) }
	}
	for ctx.Err() == nil {
		err := read(ctx)
		r.note(simulation.Entry{What: simulation.Ended, Text: fmt.Sprint(err)})
		wait := 200*time.Millisecond + rand.N(800*time.Millisecond) // as long as nobody is there
		if errors.Is(err, errTold) {
			wait = r.toldTime()
		} else if err == nil { // the next poll
			continue
		}
		select {
		case <-time.After(wait):
			r.attempts()
		case <-ctx.Done():
		}
	}
}

// note enters something into the log; Ended only for a leg that has begun.
func (r *reader) note(e simulation.Entry) {
	if e.What == simulation.Opened {
		r.leg++
		r.open = true
		e.Transport = r.over
		if furtherTransports[r.over] != nil { // whose messages say as much as those of the native protocol
			e.Transport = simulation.Native
		}
	}
	if e.What == simulation.Ended {
		if !r.open {
			return
		}
		r.open = false
	}
	e.Who, e.Leg, e.Channel = r.name, r.leg, r.channel
	r.crowd.log.Add(e)
}

// saw enters a publication, whose payload is its id between two marks.
func (r *reader) saw(payload, cursor string, offset uint64) {
	id := strings.Trim(payload, "#")
	r.note(simulation.Entry{What: simulation.Saw, Cursor: cursor, Offset: offset,
		Content: simulation.Content{ID: id, Kind: hub.Text, Payload: []byte(payload)}})
	if cursor != "" {
		r.cursor = cursor
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.place = id, r.cursor
}

// goodbye notes when to come back.
func (r *reader) goodbye(within time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wait = within
	if r.gone.IsZero() {
		r.told, r.gone = within, time.Now()
	}
	return errTold
}

func (r *reader) toldTime() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wait
}

// attempts notes that the reader tries to come back.
func (r *reader) attempts() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.back.IsZero() && !r.gone.IsZero() {
		r.back = time.Now()
	}
}

func (r *reader) seen() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *reader) url(scheme, path string, values url.Values) string {
	values.Set("user", r.name)
	return fmt.Sprintf("%s://%s%s?%s", scheme, r.crowd.address, path, values.Encode())
}

// raw counts where it is, for its messages do not say. It is told to come back by a close code alone, and draws the time itself.
func (r *reader) raw(ctx context.Context) error {
	c, _, err := websocket.Dial(ctx, r.url("ws", "/channels/"+r.channel, url.Values{"after": {r.cursor}}), nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	r.note(simulation.Entry{What: simulation.Opened, Cursor: r.cursor})
	for {
		_, payload, err := c.Read(ctx)
		if websocket.CloseStatus(err) == websocket.StatusServiceRestart {
			return r.goodbye(rand.N(window))
		}
		if err != nil {
			return err
		}
		r.saw(string(payload), "", 0)
		at, err := hub.ParseCursor(r.cursor)
		if err != nil {
			return err
		}
		at[0].Offset++
		r.cursor = at.String()
	}
}

func (r *reader) native(ctx context.Context) error {
	c, _, err := websocket.Dial(ctx, r.url("ws", "/connect", url.Values{}), nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	r.note(simulation.Entry{What: simulation.Opened, Cursor: r.cursor})
	subscribe, _ := json.Marshal(map[string]any{"type": "subscribe", "id": 1, "channel": r.channel, "cursor": r.cursor})
	if err := c.Write(ctx, websocket.Text, subscribe); err != nil {
		return err
	}
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return err
		}
		var m message
		if err := json.Unmarshal(text, &m); err != nil {
			return err
		}
		switch m.Type {
		case "subscribed":
			r.note(simulation.Entry{What: simulation.Told, Recovered: m.Recovered != nil && *m.Recovered, Cursor: m.Cursor})
			r.cursor = m.Cursor
		case "message":
			r.saw(m.Data, m.Cursor, m.Offset)
		case "disconnect":
			return r.goodbye(seconds(m.RetryAfter))
		case "error":
			if m.Code != "unavailable" {
				r.note(simulation.Entry{What: simulation.Nonsense, Text: string(text)})
			}
			return fmt.Errorf("the answer is %s", text)
		case "gap":
			r.note(simulation.Entry{What: simulation.Nonsense, Text: string(text)})
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// get asks over a connection of its own.
func (r *reader) get(ctx context.Context, values url.Values, accept string, read func(*http.Response) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url("http", "/channels/"+r.channel, values), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", accept)
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s", response.Status)
	}
	return read(response)
}

func (r *reader) events(ctx context.Context) error {
	return r.get(ctx, url.Values{"after": {r.cursor}}, "text/event-stream", func(response *http.Response) error {
		r.note(simulation.Entry{What: simulation.Opened, Cursor: r.cursor})
		lines := bufio.NewScanner(response.Body)
		placed, field := false, make(map[string]string)
		for lines.Scan() {
			if name, value, found := strings.Cut(lines.Text(), ": "); found {
				field[name] = value
				continue
			}
			switch {
			case field["event"] == "end":
				retry, err := time.ParseDuration(field["retry"] + "ms")
				return errors.Join(err, r.goodbye(retry))
			case field["event"] != "":
				r.note(simulation.Entry{What: simulation.Nonsense, Text: fmt.Sprint(field)})
			case field["data"] != "":
				r.saw(field["data"], field["id"], 0)
			case field["id"] != "" && !placed:
				r.note(simulation.Entry{What: simulation.Told, Recovered: true, Cursor: field["id"]})
			}
			placed = placed || field["id"] != ""
			clear(field)
		}
		return errors.New("the stream has ended without a word")
	})
}

// poll asks once.
func (r *reader) poll(ctx context.Context) error {
	r.note(simulation.Entry{What: simulation.Opened, Cursor: r.cursor})
	return r.get(ctx, url.Values{"after": {r.cursor}, "wait": {"30s"}}, "application/json", func(response *http.Response) error {
		var a message
		if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
			return err
		}
		if a.Recovered != nil || len(a.Gaps) > 0 {
			r.note(simulation.Entry{What: simulation.Nonsense, Text: "a poll was answered with a gap"})
		}
		for _, m := range a.Messages {
			r.saw(m.Data, m.Cursor, m.Offset)
		}
		r.note(simulation.Entry{What: simulation.Ended, Cursor: a.Cursor})
		r.cursor = a.Cursor
		if a.RetryAfter > 0 {
			return r.goodbye(seconds(a.RetryAfter))
		}
		return nil
	})
}

// goClient is package client, which the checker takes for one connection that never ends.
const goClient simulation.Transport = "client"

func (r *reader) library(ctx context.Context, t *testing.T) {
	c := client.New(r.url("ws", "/connect", url.Values{}), client.Options{
		Prepare: func(context.Context, *websocket.DialOptions) error { r.attempts(); return nil },
		Observe: func(change client.Change) {
			if change.To == client.Waiting && r.first() {
				r.goodbye(change.Wait)
			}
		},
	})
	defer c.Close()
	r.crowd.log.Add(simulation.Entry{What: simulation.Opened, Who: r.name, Leg: 1, Channel: r.channel, Transport: simulation.Native, Cursor: r.cursor})
	r.leg = 1
	s, err := c.Subscribe(ctx, r.channel, client.SubscribeOptions{Cursor: r.cursor})
	if err != nil {
		t.Error(err)
		return
	}
	for e, err := range s.Events(ctx) {
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("%s: %v", r.name, err)
			}
			return
		}
		switch e := e.(type) {
		case *client.Message:
			r.saw(e.Text(), e.Cursor, e.Offset)
		case *client.Gap:
			r.note(simulation.Entry{What: simulation.Nonsense, Text: fmt.Sprintf("a gap: %+v", e)})
		}
	}
}

// first tells whether the reader has not been told to go before.
func (r *reader) first() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone.IsZero()
}
