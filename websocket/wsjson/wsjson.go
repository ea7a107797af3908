// Package wsjson reads and writes JSON messages on a WebSocket connection: one value a message.
package wsjson

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ringdown/ringdown/websocket"
)

// Read waits for the next message and stores its JSON value in v, as [json.Unmarshal] does. A message that is not JSON,
// or does not fit v, is an error that leaves the connection open: the caller decides whether to go on.
func Read(ctx context.Context, c *websocket.Conn, v any) error {
	_, data, err := c.Read(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("wsjson: message of %d bytes: %w", len(data), err)
	}
	return nil
}

// Write writes v as one text message of JSON, as [json.Marshal] encodes it.
func Write(ctx context.Context, c *websocket.Conn, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("wsjson: encoding %T: %w", v, err)
	}
	return c.Write(ctx, websocket.Text, data)
}

// Prepare encodes v once, to be written to many connections with [websocket.Conn.WritePrepared].
func Prepare(v any) (*websocket.PreparedMessage, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("wsjson: encoding %T: %w", v, err)
	}
	return websocket.Prepare(websocket.Text, data), nil
}
