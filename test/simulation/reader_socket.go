// Reading over WebSockets: raw, and by the native protocol.

package simulation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// address is a URL of the node, reached through the client's proxy.
func (r *reader) address(scheme, path string, values url.Values) string {
	values.Set("user", r.script.name)
	return fmt.Sprintf("%s://%s%s?%s", scheme, r.proxy.address(), path, values.Encode())
}

func (r *reader) readRaw(ctx context.Context, w *watch) error {
	channel := r.script.channels[0]
	cursor := r.cursor(channel)
	values := url.Values{}
	if cursor != "" {
		values.Set("after", cursor)
	}
	c, _, err := websocket.Dial(ctx, r.address("ws", "/channels/"+channel, values), nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	r.begin(Raw, func(string) string { return cursor })
	for {
		t, payload, err := c.Read(ctx)
		if err != nil {
			if strings.Contains(err.Error(), "cannot be recovered") {
				r.told(channel, false, "")
				r.forget()
			}
			return err
		}
		w.heard()
		r.saw(Entry{Channel: channel, Content: Content{Kind: kindOf(t == websocket.Binary), Payload: payload}})
	}
}

// message is what the native protocol and JSON over HTTP say; the fields that are not there are zero.
type message struct {
	Type      string          `json:"type"`
	ID        int             `json:"id"`
	Channel   string          `json:"channel"`
	Event     string          `json:"event"`
	Data      json.RawMessage `json:"data"`
	Encoding  string          `json:"encoding"`
	Key       string          `json:"key"`
	Offset    uint64          `json:"offset"`
	Cursor    string          `json:"cursor"`
	Conflated bool            `json:"conflated"`
	Recovered *bool           `json:"recovered"`
	From      uint64          `json:"from"`
	To        uint64          `json:"to"`
	Duplicate bool            `json:"duplicate"`
	Code      string          `json:"code"`
	Message   string          `json:"message"`
	Users     int             `json:"users"`
	Members   []struct {
		User string `json:"user"`
	} `json:"members"`
}

// content is what a message carries.
func (m *message) content() (Content, error) {
	c := Content{Event: m.Event, Key: m.Key, Kind: hub.JSON, Payload: m.Data}
	var text string
	if len(m.Data) == 0 || m.Data[0] != '"' {
		return c, nil
	}
	if err := json.Unmarshal(m.Data, &text); err != nil {
		return c, err
	}
	c.Kind, c.Payload = hub.Text, []byte(text)
	if m.Encoding == "base64" {
		payload, err := base64.StdEncoding.DecodeString(text)
		c.Kind, c.Payload = hub.Binary, payload
		return c, err
	}
	return c, nil
}

// sawMessage enters a message object.
func (r *reader) sawMessage(m *message, channel, cursor string) error {
	content, err := m.content()
	if err != nil {
		return err
	}
	r.saw(Entry{Channel: channel, Content: content, Cursor: cursor, Offset: m.Offset, Conflated: m.Conflated})
	return nil
}

// write sends a value as a text message.
func write(ctx context.Context, c *websocket.Conn, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return c.Write(ctx, websocket.Text, text)
}

func (r *reader) readNative(ctx context.Context, w *watch) error {
	c, _, err := websocket.Dial(ctx, r.address("ws", "/connect", url.Values{}), nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	r.begin(Native, func(channel string) string { return r.cursors[channel].text })
	for i, channel := range r.script.channels {
		command := map[string]any{"type": "subscribe", "id": i + 1, "channel": channel}
		if cursor := r.cursor(channel); cursor != "" {
			command["cursor"] = cursor
		}
		if err := write(ctx, c, command); err != nil {
			return err
		}
	}
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return err
		}
		w.heard()
		var m message
		if err := json.Unmarshal(text, &m); err != nil {
			return nonsensef("the node said %.200q: %w", text, err)
		}
		if err := r.heard(&m); err != nil {
			return err
		}
	}
}

// heard takes a message of the native protocol.
func (r *reader) heard(m *message) error {
	switch m.Type {
	case "message":
		return r.sawMessage(m, m.Channel, m.Cursor)
	case "subscribed":
		r.told(m.Channel, m.Recovered != nil && *m.Recovered, m.Cursor)
	case "gap":
		r.missed(m.Channel, m.From, m.To, m.Cursor)
	case "error": // nothing that a reader asks for is refused
		return nonsensef("refused: %s: %s", m.Code, m.Message)
	}
	return nil
}
