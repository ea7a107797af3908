// Channels: which there are, what holds in one, what it keeps, and publishing into it.

package console

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/ringdown/ringdown/hub"
	patterns "github.com/ringdown/ringdown/internal/pattern"
)

// listed is a channel in a list.
type listed struct {
	Channel     string `json:"channel"`
	Subscribers int    `json:"subscribers"`
}

type channelPage struct {
	Channels []listed `json:"channels"`
	Total    int      `json:"total"` // that match
	Next     string   `json:"next"`  // after of the next page; "" on the last
}

// order is how channels are listed.
type order func(x, y listed) int

func byName(x, y listed) int { return strings.Compare(x.Channel, y.Channel) }

// bySubscribers has the largest first.
func bySubscribers(x, y listed) int {
	return cmp.Or(cmp.Compare(y.Subscribers, x.Subscribers), byName(x, y))
}

// listChannels lists those of this node with somebody subscribed.
func (c *Handler) listChannels(r *request) (any, error) {
	asked, err := r.parameters("pattern", "after", "limit", "sort")
	if err != nil {
		return nil, err
	}
	limit, err := asked.limit()
	if err != nil {
		return nil, err
	}
	sort, err := asked.choice("sort", "name", "subscribers")
	if err != nil {
		return nil, err
	}
	pattern, given := asked["pattern"]
	if err := patterns.Check(pattern); given && err != nil {
		return nil, hub.Errorf(hub.BadRequest, "the pattern %.60q is none: %w; write it as chat:* or news", pattern, err)
	}
	after, further, err := placeIn(asked["after"], sort)
	if err != nil {
		return nil, err
	}
	less := order(byName)
	if sort == "subscribers" {
		less = bySubscribers
	}
	done, err := c.scan(r)
	if err != nil {
		return nil, err
	}
	defer done()
	page := channelPage{}
	first := newSelection(limit+1, less)
	c.hub.Channels(func(name string, subscribers int) bool {
		if given && !hub.Matches(pattern, name) {
			return true
		}
		page.Total++
		if one := (listed{name, subscribers}); !further || less(one, after) > 0 {
			first.offer(one)
		}
		return page.Total%scanSlice != 0 || r.Context().Err() == nil
	})
	page.Channels = first.sorted()
	if len(page.Channels) > limit {
		page.Channels = page.Channels[:limit]
		page.Next = cursorOf(page.Channels[limit-1], sort)
	}
	return page, r.gone()
}

// cursorOf is where a list goes on after a channel: its name, with its place in front of it if that is not the name itself.
func cursorOf(last listed, sort string) string {
	if sort == "subscribers" {
		return strconv.Itoa(last.Subscribers) + ":" + last.Channel
	}
	return last.Channel
}

// placeIn is the inverse of cursorOf; further is false for "", which is the beginning.
func placeIn(cursor, sort string) (after listed, further bool, err error) {
	if cursor == "" {
		return listed{}, false, nil
	}
	if sort != "subscribers" {
		return listed{Channel: cursor}, true, nil
	}
	count, name, ok := strings.Cut(cursor, ":")
	n, bad := strconv.ParseUint(count, 10, 31)
	if !ok || bad != nil {
		return listed{}, false, hub.Errorf(hub.BadRequest, "after is %.60q; hand back what next was on the page before, with the same sort", cursor)
	}
	return listed{name, int(n)}, true, nil
}

type channelAnswer struct {
	Channel     string    `json:"channel"`
	Subscribers int       `json:"subscribers"` // of this node
	Presence    *presence `json:"presence"`    // null where the rule has none
	Policy      policy    `json:"policy"`
	Epoch       string    `json:"epoch"`  // "" where no history is kept
	Offset      uint64    `json:"offset"` // of the last publication
	First       uint64    `json:"first"`  // offset of the oldest that is kept; 0 if none is
	Kept        uint64    `json:"kept"`   // publications
}

type presence struct {
	Sessions int `json:"sessions"`
	Users    int `json:"users"`
}

// policy is the rule that holds.
type policy struct {
	Pattern           string  `json:"pattern"`
	Subscribe         string  `json:"subscribe"`
	Publish           string  `json:"publish"`
	Presence          bool    `json:"presence"`
	Last              bool    `json:"last"`
	Slow              string  `json:"slow"`
	HistoryCount      int     `json:"history_count"`
	HistoryAgeSeconds float64 `json:"history_age_seconds"` // 0 is for ever
	BacklogBytes      int     `json:"backlog_bytes"`
	PayloadBytes      int     `json:"payload_bytes"`
}

// channel describes one, whether anybody is subscribed or not.
func (c *Handler) channel(r *request) (any, error) {
	if _, err := r.parameters(); err != nil {
		return nil, err
	}
	name := r.PathValue("channel")
	if err := hub.CheckChannel(name); err != nil {
		return nil, err
	}
	rule := c.hub.Rule(name)
	answer := channelAnswer{Channel: name, Subscribers: c.hub.Subscribers(name), Policy: policyOf(rule)}
	if rule.Presence {
		present, err := c.hub.Presence(r.Context(), name, 0)
		if err != nil {
			return nil, err
		}
		answer.Presence = &presence{present.Sessions, present.Users}
	}
	got, err := c.hub.History(r.Context(), name, hub.Query{Limit: 1})
	if codeOf(err) == hub.NoHistory {
		return answer, nil
	} else if err != nil {
		return nil, err
	}
	answer.Epoch, answer.Offset = got.Top.Epoch, got.Top.Offset
	if len(got.Publications) > 0 {
		answer.First = got.Publications[0].Offset
		answer.Kept = got.Top.Offset - answer.First + 1
	}
	return answer, nil
}

func policyOf(rule *hub.Rule) policy {
	return policy{
		Pattern: rule.Pattern, Subscribe: accessName(rule.Subscribe), Publish: accessName(rule.Publish), Presence: rule.Presence, Last: rule.Last,
		Slow:         [...]string{hub.Disconnect: "disconnect", hub.DropOldest: "drop_oldest", hub.Conflate: "conflate"}[rule.Slow],
		HistoryCount: rule.History.Count, HistoryAgeSeconds: rule.History.Age.Seconds(), BacklogBytes: rule.Backlog, PayloadBytes: rule.MaxPayload,
	}
}

func accessName(a hub.Access) string {
	return [...]string{hub.ByDefault: "", hub.Everyone: "everyone", hub.Users: "users", hub.Server: "server"}[a]
}

func codeOf(err error) hub.Code {
	if e, ok := errors.AsType[*hub.Error](err); ok {
		return e.Code
	}
	return ""
}

// message is a publication.
type message struct {
	Offset   uint64          `json:"offset"`
	Cursor   string          `json:"cursor"`
	Time     stamp           `json:"time"`
	Event    string          `json:"event,omitempty"`
	Data     json.RawMessage `json:"data"`
	Encoding string          `json:"encoding,omitempty"` // base64: data stands for bytes
	Bytes    int             `json:"bytes"`              // of payload
	Key      string          `json:"key,omitempty"`
	User     string          `json:"user,omitempty"`
	Session  string          `json:"session,omitempty"`
}

func messageOf(p *hub.Publication) message {
	m := message{Offset: p.Offset, Cursor: p.Position().Cursor(), Time: stamp{p.Time}, Event: p.Event, Data: p.Payload, Bytes: len(p.Payload),
		Key: p.Key, User: p.User, Session: p.Session}
	switch p.Kind {
	case hub.Text:
		m.Data, _ = json.Marshal(string(p.Payload)) // a text can always be written
	case hub.Binary:
		m.Encoding = "base64"
		m.Data, _ = json.Marshal(base64.StdEncoding.EncodeToString(p.Payload))
	}
	return m
}

type historyAnswer struct {
	Channel  string    `json:"channel"`
	Epoch    string    `json:"epoch"`
	Offset   uint64    `json:"offset"`   // of the channel's last publication
	Messages []message `json:"messages"` // oldest first
	Before   uint64    `json:"before"`   // before of the page with older ones; 0 if none are kept
	After    string    `json:"after"`    // after of the page with newer ones; "" if there are none
	Lost     bool      `json:"lost"`     // what was asked for is not kept any more, in whole or in part
}

// maxHistory bounds the payload of one answer, in bytes; past it the rest is left for the next page.
const maxHistory = 1 << 20

// history reads a page of what a channel keeps: the newest, those before an offset, or those after a cursor.
func (c *Handler) history(r *request) (any, error) {
	name := r.PathValue("channel")
	asked, err := r.parameters("before", "after", "limit")
	if err != nil {
		return nil, err
	}
	limit, err := asked.limit()
	if err != nil {
		return nil, err
	}
	before, back, err := asked.number("before")
	if err != nil {
		return nil, err
	}
	cursor, err := hub.ParseCursor(asked["after"])
	switch {
	case err != nil:
		return nil, err
	case back && len(cursor) > 0:
		return nil, hub.Errorf(hub.BadRequest, "the request has before and after; use one of them")
	case len(cursor) > 0:
		return c.historyAfter(r, name, cursor, limit)
	case !back:
		got, err := c.hub.History(r.Context(), name, hub.Query{Newest: true, Limit: limit})
		if err != nil {
			return nil, err
		}
		return pageBack(name, got), nil
	}
	return c.historyBefore(r, name, before, limit)
}

// historyBefore is the page that ends before an offset.
func (c *Handler) historyBefore(r *request, name string, before uint64, limit int) (any, error) {
	before = max(before, 1)
	page := min(uint64(limit), before-1)
	got, err := c.hub.History(r.Context(), name, hub.Query{After: before - 1 - page, Limit: limit})
	if err != nil {
		return nil, err
	}
	if before > got.Top.Offset+1 { // beyond the end, as after a restart
		if got, err = c.hub.History(r.Context(), name, hub.Query{Newest: true, Limit: limit}); err != nil {
			return nil, err
		}
		return pageBack(name, got), nil
	}
	got.Publications = slices.DeleteFunc(slices.Clone(got.Publications), func(p *hub.Publication) bool { return p.Offset >= before })
	answer := pageBack(name, got)
	answer.Lost = got.Lost > 0 && page > 0
	return answer, nil
}

// historyAfter is the page that begins after a cursor.
func (c *Handler) historyAfter(r *request, name string, cursor hub.Cursor, limit int) (any, error) {
	top, err := c.hub.History(r.Context(), name, hub.Query{Newest: true, Limit: 1})
	if err != nil {
		return nil, err
	}
	after, known := cursor.In(top.Top.Epoch)
	if after > top.Top.Offset {
		after, known = 0, false
	}
	got, err := c.hub.History(r.Context(), name, hub.Query{After: after, Limit: limit})
	if err != nil {
		return nil, err
	}
	bytes, fits := 0, 0
	for _, p := range got.Publications {
		if bytes += len(p.Payload); fits > 0 && bytes > maxHistory {
			break
		}
		fits++
	}
	got.Publications = got.Publications[:fits]
	answer := pageOf(name, got)
	answer.Lost = !known || got.Lost > 0
	return answer, nil
}

// pageBack is a page of the newest of what was got that fit.
func pageBack(name string, got hub.History) historyAnswer {
	bytes, from := 0, len(got.Publications)
	for from > 0 {
		if bytes += len(got.Publications[from-1].Payload); from < len(got.Publications) && bytes > maxHistory {
			break
		}
		from--
	}
	got.Publications = got.Publications[from:]
	return pageOf(name, got)
}

func pageOf(name string, got hub.History) historyAnswer {
	answer := historyAnswer{Channel: name, Epoch: got.Top.Epoch, Offset: got.Top.Offset, Messages: make([]message, 0, len(got.Publications))}
	for _, p := range got.Publications {
		answer.Messages = append(answer.Messages, messageOf(p))
	}
	if n := len(answer.Messages); n > 0 {
		if first := answer.Messages[0].Offset; first > 1 {
			answer.Before = first
		}
		if answer.Messages[n-1].Offset < got.Top.Offset {
			answer.After = answer.Messages[n-1].Cursor
		}
	}
	return answer
}

type publishAnswer struct {
	Channel     string `json:"channel"`
	Offset      uint64 `json:"offset"`
	Cursor      string `json:"cursor"`
	Time        stamp  `json:"time"`
	Subscribers int    `json:"subscribers"` // of this node
	Lagging     int    `json:"lagging"`     // of them, those that read more slowly than is published
}

// publish publishes on behalf of the server.
func (c *Handler) publish(r *request) (any, error) {
	if _, err := r.parameters(); err != nil {
		return nil, err
	}
	var asked struct {
		Data  json.RawMessage `json:"data"`
		Event string          `json:"event"`
		Key   string          `json:"key"`
	}
	if err := r.read(&asked); err != nil {
		return nil, err
	}
	if len(asked.Data) == 0 {
		return nil, hub.Errorf(hub.BadRequest, `there is no "data"; it is what is published, any JSON value, of which a string is published as text`)
	}
	p := &hub.Publication{Channel: r.PathValue("channel"), Event: asked.Event, Key: asked.Key, Kind: hub.JSON, Payload: bytes.Clone(asked.Data)}
	if text := ""; asked.Data[0] == '"' && json.Unmarshal(asked.Data, &text) == nil {
		p.Kind, p.Payload = hub.Text, []byte(text)
	}
	got, err := c.hub.Publish(r.Context(), p, hub.PublishOptions{})
	if err != nil {
		return nil, err
	}
	c.did(r, "published", "channel", p.Channel, "offset", got.Offset)
	return publishAnswer{p.Channel, got.Offset, got.Cursor(), stamp{got.Time}, got.Subscribers, got.Lagging}, nil
}
