//go:build unix

// Reading over WebSockets: raw, by the native protocol, and with package client.

package faults

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/simulation"
	"github.com/ringdown/ringdown/websocket"
)

// raw counts where it is, for its messages do not say. It is told to come back by a close code alone, and draws the time itself.
func (r *reader) raw(ctx context.Context) error {
	if r.cursor == "" {
		if err := r.ask(ctx); err != nil {
			return err
		}
	}
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
			if strings.Contains(err.Error(), "cannot be recovered") {
				r.begins(false, "")
				r.cursor = ""
			}
			return err
		}
		at, err := hub.ParseCursor(r.cursor)
		if err != nil {
			return err
		}
		at[0].Offset++
		r.cursor = at.String()
		r.saw(string(payload), "", 0)
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
			r.begins(m.Recovered != nil && *m.Recovered, m.Cursor)
		case "message":
			r.saw(m.Data, m.Cursor, m.Offset)
		case "gap":
			r.missed(m.From, m.To, m.Cursor)
		case "disconnect":
			return r.goodbye(seconds(m.RetryAfter))
		case "error":
			return r.refused(m.Code, string(text))
		}
	}
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
	r.note(simulation.Entry{What: simulation.Opened, Cursor: r.cursor})
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
			r.missed(e.From, e.To, e.Cursor)
		}
	}
}

// first tells whether the reader has not been told to go before.
func (r *reader) first() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone.IsZero()
}
