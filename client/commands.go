// What a program asks of the server, and how it is asked again when the connection breaks.

package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// Publication is something to publish.
type Publication struct {
	Channel string
	Event   string // the name of what happened, or ""
	Kind    Kind
	Data    []byte
	Key     string // what the data is the newest value of, for channels that conflate, or ""
	// IdempotencyKey names the publication, so that it is published once however often it is sent. "" has the client choose one.
	IdempotencyKey string
}

// Receipt tells what became of a publication.
type Receipt struct {
	Offset      uint64
	Cursor      string
	Time        time.Time
	Subscribers int  // sessions of the server's node that are subscribed
	Lagging     int  // those of them that read too slowly
	Duplicate   bool // it had been published before; the receipt is that of the first time
}

// Publish publishes, and waits for the receipt. When the connection breaks, it is sent again over the next one, with the same
// idempotency key, until ctx ends; then nobody knows whether it was published, unless it is published again with a key of the
// program's own. The server knows a key for 5 minutes, so 4 minutes after it was first sent a publication is not sent again: the error
// is then [ErrUnknown].
//
// There is no queue: without a connection the caller waits, and ctx bounds for how long. The error is an [*Error] if the server
// refuses.
func (c *Client) Publish(ctx context.Context, p Publication) (Receipt, error) {
	if p.IdempotencyKey == "" {
		p.IdempotencyKey = rand.Text()
	}
	rest := command(nil).text("channel", p.Channel).text("event", p.Event).text("key", p.Key).text("idempotency_key", p.IdempotencyKey)
	rest, err := rest.data(p.Kind, p.Data)
	if err != nil {
		return Receipt{}, err
	}
	h, err := c.ask(ctx, "publish", rest, true)
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{h.Offset, h.Cursor, h.Time, h.Subscribers, h.Lagging, h.Duplicate}, nil
}

// Present is who is in a channel.
type Present struct {
	Members         []Member // at most as many as were asked for
	Sessions, Users int      // all of them
}

// Presence asks who is in a channel to which the client is subscribed, and for at most limit of them by name; the server lists no
// more than 1000. It needs a WebSocket.
func (c *Client) Presence(ctx context.Context, channel string, limit int) (Present, error) {
	rest := command(nil).text("channel", channel).number("limit", uint64(max(0, limit)))
	h, err := c.ask(ctx, "presence", rest, true)
	return Present{h.Members, h.Sessions, h.Users}, err
}

// History is a part of what the server keeps of a channel, oldest first.
type History struct {
	Messages  []*Message
	Cursor    string // after the last one
	Recovered bool   // a cursor was given, and nothing after it is missing
	More      bool   // there is more after Cursor
}

// History asks for what is kept of a channel: after a cursor, or, if that is "", the newest. limit is how many messages at most; 0 means
// 100, and the server gives no more than 1000.
func (c *Client) History(ctx context.Context, channel, cursor string, limit int) (History, error) {
	rest := command(nil).text("channel", channel).text("cursor", cursor)
	if limit > 0 {
		rest = rest.number("limit", uint64(limit))
	}
	h, err := c.ask(ctx, "history", rest, true)
	if err != nil {
		return History{}, err
	}
	all := History{Cursor: h.Cursor, More: h.More, Recovered: h.Recovered != nil && *h.Recovered}
	for i := range h.Messages {
		m, err := h.Messages[i].publication()
		if err != nil {
			return all, err
		}
		all.Messages = append(all.Messages, m)
	}
	return all, nil
}

// Call asks the server's handler for a method. channel may be "". It is not asked again when the connection breaks: the error
// is then [ErrLost]. It needs a WebSocket; over another transport the error is an [*Error] with the code needs_websocket.
func (c *Client) Call(ctx context.Context, method, channel string, kind Kind, data []byte) (Kind, []byte, error) {
	rest := command(nil).text("method", method).text("channel", channel)
	rest, err := rest.data(kind, data)
	if err != nil {
		return 0, nil, err
	}
	h, err := c.ask(ctx, "call", rest, false)
	if err != nil {
		return 0, nil, err
	}
	return h.payload()
}

// Ping asks for an answer, and tells how long it took.
func (c *Client) Ping(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	_, err := c.ask(ctx, "ping", nil, true)
	return time.Since(began), err
}

// ask sends a command and waits for its answer. again tells whether it may be sent more than once.
func (c *Client) ask(ctx context.Context, kind string, rest []byte, again bool) (heard, error) {
	var first time.Time // when it was first sent
	for {
		l, err := c.open(ctx)
		if err != nil {
			return heard{}, err
		}
		if kind == "publish" && !first.IsZero() && time.Since(first) > repeatable {
			return heard{}, ErrUnknown
		}
		asked := time.Now()
		id, p := l.ask(kind, rest)
		select {
		case h := <-p.answer:
			if again && h.Type == "error" && h.Code == "shutting_down" {
				break // it is for the next link
			}
			return h, refusal(&h)
		case <-ctx.Done():
			l.giveUp(id)
			return heard{}, context.Cause(ctx)
		case <-l.dead:
		}
		select {
		case h := <-p.answer: // it came last
			return h, refusal(&h)
		default:
		}
		if err := c.leave(ctx, l); err != nil {
			return heard{}, err
		}
		sent := l.wasSent(p)
		if sent && blames(l.err) {
			return heard{}, fmt.Errorf("client: the server ended the connection instead of answering: %w", l.err)
		}
		if sent && !again {
			return heard{}, ErrLost
		}
		if sent && first.IsZero() {
			first = asked
		}
	}
}

// repeatable is how long a publication may be repeated; the server knows its key for 5 minutes.
const repeatable = 4 * time.Minute

func refusal(h *heard) error {
	if h.Type == "error" {
		return h.err()
	}
	return nil
}

// leave waits until the client knows that a link is dead.
func (c *Client) leave(ctx context.Context, l *link) error {
	for {
		c.mu.Lock()
		current, changed := c.link, c.changed
		c.mu.Unlock()
		if current != l {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
