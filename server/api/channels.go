// Reading channels: which there are, who is in them, and what they keep.

package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ringdown/ringdown/hub"
	patterns "github.com/ringdown/ringdown/internal/pattern"
)

// stamp is a time as all our JSON has it: RFC 3339 with milliseconds, in UTC.
type stamp struct{ time.Time }

// MarshalJSON implements [json.Marshaler].
func (s stamp) MarshalJSON() ([]byte, error) {
	return s.UTC().AppendFormat([]byte(`"`), `2006-01-02T15:04:05.000Z"`), nil
}

// listed is a channel in a list.
type listed struct {
	Channel     string `json:"channel"`
	Subscribers int    `json:"subscribers"`
}

type channelPage struct {
	Channels []listed `json:"channels"`
	Total    int      `json:"total"`
	Next     string   `json:"next,omitempty"`

	Incomplete []string `json:"incomplete,omitempty"` // nodes that have not answered
}

// listChannels lists the channels with a subscriber, by name.
func (a *Handler) listChannels(r *request) (int, any, error) {
	asked, err := r.parameters("pattern", "after", "limit")
	if err != nil {
		return 0, nil, err
	}
	limit, err := asked.limit(1, defaultPage, MaxPage)
	if err != nil {
		return 0, nil, err
	}
	pattern, given := asked["pattern"]
	if given {
		if err := patterns.Check(pattern); err != nil {
			return 0, nil, hub.Errorf(hub.BadRequest, "the pattern %.60q is none: %w; write it as chat:* or news", pattern, err)
		}
	}
	q := &question{Op: askChannels, Pattern: pattern, Bound: r.key.Channels, After: asked["after"], Limit: limit}
	shares, missing := gather(r.Context(), a, q, func() channelShare { return a.channelsHere(q) })
	page := joinChannels(shares, limit)
	page.Incomplete = missing
	return http.StatusOK, page, nil
}

// member is a session in a channel.
type member struct {
	Session string          `json:"session"`
	User    string          `json:"user,omitempty"`
	Info    json.RawMessage `json:"info,omitempty"`
}

type presence struct {
	Channel  string   `json:"channel"`
	Sessions int      `json:"sessions"`
	Users    int      `json:"users"`
	Members  []member `json:"members"`
}

// presence tells who is in a channel; with limit=0 only how many.
func (a *Handler) presence(r *request) (int, any, error) {
	channel := r.PathValue("channel")
	if err := r.key.checkChannel(channel); err != nil {
		return 0, nil, err
	}
	asked, err := r.parameters("limit")
	if err != nil {
		return 0, nil, err
	}
	limit, err := asked.limit(0, defaultPage, hub.MaxPresence)
	if err != nil {
		return 0, nil, err
	}
	present, err := a.hub.Presence(r.Context(), channel, limit)
	if err != nil {
		return 0, nil, err
	}
	answer := presence{channel, present.Sessions, present.Users, make([]member, 0, len(present.Members))}
	for _, m := range present.Members {
		answer.Members = append(answer.Members, member{m.Session, m.User, m.Info})
	}
	return http.StatusOK, answer, nil
}

// message is a publication.
type message struct {
	Channel  string          `json:"channel"`
	Event    string          `json:"event,omitempty"`
	Data     json.RawMessage `json:"data"`
	Encoding string          `json:"encoding,omitempty"`
	Key      string          `json:"key,omitempty"`
	Offset   uint64          `json:"offset"`
	Cursor   string          `json:"cursor"`
	Time     stamp           `json:"time"`
	User     string          `json:"user,omitempty"`
	Session  string          `json:"session,omitempty"`
}

func messageOf(p *hub.Publication) message {
	m := message{Channel: p.Channel, Event: p.Event, Data: p.Payload, Key: p.Key, Offset: p.Offset, Cursor: p.Position().Cursor(),
		Time: stamp{p.Time}, User: p.User, Session: p.Session}
	switch p.Kind {
	case hub.Text:
		m.Data, _ = json.Marshal(string(p.Payload))
	case hub.Binary:
		m.Encoding = "base64"
		m.Data, _ = json.Marshal(base64.StdEncoding.EncodeToString(p.Payload))
	}
	return m
}

type history struct {
	Messages  []message `json:"messages"`
	Cursor    string    `json:"cursor"` // of the last message, or where the channel is
	More      bool      `json:"more,omitempty"`
	Recovered *bool     `json:"recovered,omitempty"` // with after: everything since the cursor is there
}

// history reads what a channel keeps: what comes after a cursor, or the newest, or from the oldest on.
func (a *Handler) history(r *request) (int, any, error) {
	channel := r.PathValue("channel")
	if err := r.key.checkChannel(channel); err != nil {
		return 0, nil, err
	}
	asked, err := r.parameters("after", "newest", "limit")
	if err != nil {
		return 0, nil, err
	}
	limit, err := asked.limit(1, defaultPage, MaxPage)
	if err != nil {
		return 0, nil, err
	}
	newest, err := asked.flag("newest")
	if err != nil {
		return 0, nil, err
	}
	cursor, err := hub.ParseCursor(asked["after"])
	if err != nil {
		return 0, nil, err
	}
	if newest && len(cursor) > 0 {
		return 0, nil, hub.Errorf(hub.BadRequest, "the request has after and newest; use one of them")
	}
	var answer history
	q := hub.Query{Newest: newest, Limit: limit}
	if len(cursor) > 0 {
		known := false
		if q.After, known, err = a.place(r, channel, cursor); err != nil {
			return 0, nil, err
		}
		answer.Recovered = &known
	}
	got, err := a.hub.History(r.Context(), channel, q)
	if err != nil {
		return 0, nil, err
	}
	answer.fill(got, newest)
	return http.StatusOK, answer, nil
}

// place is the offset that a cursor holds for a channel. It is not known if the channel has another numbering by now, or the cursor
// is another channel's: the history is then read from its beginning.
func (a *Handler) place(r *request, channel string, cursor hub.Cursor) (after uint64, known bool, err error) {
	got, err := a.hub.History(r.Context(), channel, hub.Query{Newest: true, Limit: 1})
	if err != nil {
		return 0, false, err
	}
	if after, known = cursor.In(got.Top.Epoch); after > got.Top.Offset {
		return 0, false, nil
	}
	return after, known, nil
}

func (h *history) fill(got hub.History, newest bool) {
	h.Messages, h.Cursor = make([]message, 0, len(got.Publications)), got.Top.Cursor()
	for _, p := range got.Publications {
		h.Messages = append(h.Messages, messageOf(p))
		h.Cursor = p.Position().Cursor()
	}
	if last := len(got.Publications) - 1; last >= 0 {
		h.More = !newest && got.Publications[last].Offset < got.Top.Offset
	}
	if h.Recovered != nil && got.Lost > 0 {
		*h.Recovered = false
	}
}
