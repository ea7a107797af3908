//go:build unix

// Reading over plain HTTP: event streams and polls.

package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ringdown/ringdown/test/simulation"
)

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
				r.notice(field)
			case field["data"] != "":
				r.saw(field["data"], field["id"], 0)
			case field["id"] != "" && !placed:
				r.begins(true, field["id"])
			}
			placed = placed || field["id"] != ""
			clear(field)
		}
		return errors.New("the stream has ended without a word")
	})
}

// notice takes an event of the node's own.
func (r *reader) notice(field map[string]string) {
	var m message
	switch err := json.Unmarshal([]byte(field["data"]), &m); {
	case err != nil || field["event"] != "gap":
		r.note(simulation.Entry{What: simulation.Nonsense, Text: fmt.Sprint(field)})
	case m.lost():
		r.begins(false, field["id"])
	default:
		r.missed(m.From, m.To, field["id"])
	}
}

// poll asks once.
func (r *reader) poll(ctx context.Context) error {
	r.note(simulation.Entry{What: simulation.Opened, Cursor: r.cursor})
	return r.get(ctx, url.Values{"after": {r.cursor}, "wait": {"30s"}}, "application/json", func(response *http.Response) error {
		var a message
		if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
			return err
		}
		if a.lost() {
			r.begins(false, "")
		}
		for len(a.Gaps) > 0 || len(a.Messages) > 0 {
			if len(a.Gaps) > 0 && (len(a.Messages) == 0 || a.Gaps[0].To < a.Messages[0].Offset) {
				r.missed(a.Gaps[0].From, a.Gaps[0].To, "")
				a.Gaps = a.Gaps[1:]
				continue
			}
			r.saw(a.Messages[0].Data, a.Messages[0].Cursor, a.Messages[0].Offset)
			a.Messages = a.Messages[1:]
		}
		r.note(simulation.Entry{What: simulation.Ended, Cursor: a.Cursor})
		r.cursor = a.Cursor
		if a.RetryAfter > 0 {
			return r.goodbye(seconds(a.RetryAfter))
		}
		return nil
	})
}

// ask gets the cursor of the channel's end, as who has lost track does.
func (r *reader) ask(ctx context.Context) error {
	mark := r.crowd.log.Mark()
	return r.get(ctx, url.Values{}, "application/json", func(response *http.Response) error {
		var a message
		if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
			return err
		}
		r.crowd.log.Add(simulation.Entry{What: simulation.Renumbered, Channel: r.channel, Cursor: a.Cursor, Began: mark})
		r.cursor = a.Cursor
		return nil
	})
}
