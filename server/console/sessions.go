// Sessions: who is connected, one of them in full, and ending it.

package console

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ringdown/ringdown/hub"
)

// sessionAnswer is one client.
type sessionAnswer struct {
	ID          string  `json:"id"`
	Node        string  `json:"node"`
	User        string  `json:"user"`
	Address     string  `json:"address"`
	Transport   string  `json:"transport"`
	Protocol    string  `json:"protocol"`
	Subprotocol string  `json:"subprotocol"`
	Compression bool    `json:"compression"`
	Connected   stamp   `json:"connected"`
	AgeSeconds  float64 `json:"age_seconds"`
	Expires     *stamp  `json:"expires"` // when its token does; null is never
	Queue       queue   `json:"queue"`
}

// queue is what waits for a client.
type queue struct {
	Items int `json:"items"` // publications that the hub holds back
	Bytes int `json:"bytes"` // in the outbox of its connection
}

type sessionPage struct {
	Sessions []sessionAnswer `json:"sessions"` // by id
	Total    int             `json:"total"`    // that match
	Next     string          `json:"next"`     // after of the next page; "" on the last
}

// listSessions lists those of this node, or those that a text finds: the user, or the beginning of an id or an address.
func (c *Handler) listSessions(r *request) (any, error) {
	asked, err := r.parameters("find", "after", "limit")
	if err != nil {
		return nil, err
	}
	limit, err := asked.limit()
	if err != nil {
		return nil, err
	}
	found, total, err := c.findSessions(r, asked["find"], asked["after"], limit+1)
	if err != nil {
		return nil, err
	}
	page := sessionPage{Sessions: make([]sessionAnswer, 0, len(found)), Total: total}
	if len(found) > limit {
		found = found[:limit]
		page.Next = found[limit-1].ID()
	}
	node := c.name(r)
	for _, s := range found {
		page.Sessions = append(page.Sessions, describe(s, node))
	}
	return page, nil
}

func byID(x, y *hub.Session) int { return strings.Compare(x.ID(), y.ID()) }

// findSessions returns the first few after an id that a text finds, and how many it finds in all.
func (c *Handler) findSessions(r *request, find, after string, most int) (found []*hub.Session, total int, err error) {
	first := newSelection(most, byID)
	offer := func(s *hub.Session) {
		if total++; s.ID() > after {
			first.offer(s)
		}
	}
	if find != "" && !beginsID(find) && !beginsAddress(find) {
		for _, s := range c.hub.SessionsOf(find) {
			offer(s)
		}
		return first.sorted(), total, nil
	}
	done, err := c.scan(r)
	if err != nil {
		return nil, 0, err
	}
	defer done()
	walked := 0
	for s := range c.hub.All {
		if walked++; walked%scanSlice == 0 && r.Context().Err() != nil {
			break
		}
		if find == "" || matches(s, find) {
			offer(s)
		}
	}
	return first.sorted(), total, r.gone()
}

// matches tells whether a text finds a session: it is its user, or begins its id or its address.
func matches(s *hub.Session, find string) bool {
	if strings.HasPrefix(s.ID(), find) || s.User() == find {
		return true
	}
	address := s.Address()
	if !address.IsValid() {
		return beginsAddress(find) && strings.HasPrefix(s.Connection().Remote, find)
	}
	var text [64]byte
	return strings.HasPrefix(string(address.Unmap().AppendTo(text[:0])), find)
}

// beginsID and beginsAddress tell whether a text may begin an id or an address. One that does neither can only be a user, who is found
// without walking over all sessions.
func beginsID(text string) bool {
	return len(text) <= 20 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

func beginsAddress(text string) bool { return strings.Trim(text, "abcdef0123456789.:[]%") == "" }

// name is that of this node, or "".
func (c *Handler) name(r *request) string {
	if c.options.Node == nil {
		return ""
	}
	return c.options.Node(r.Context()).Name
}

func describe(s *hub.Session, node string) sessionAnswer {
	about := s.Connection()
	return sessionAnswer{
		ID: s.ID(), Node: node, User: s.User(), Address: addressOf(s.Address(), about.Remote), Transport: transportOf(about), Protocol: about.Protocol,
		Subprotocol: about.Subprotocol, Compression: about.Compression, Connected: stamp{s.Since()}, AgeSeconds: seconds(time.Since(s.Since())),
		Expires: stampOf(s.Identity().Expires), Queue: queue{s.Lag(), about.Waiting},
	}
}

// transportOf is what a client is connected by. Socket.IO's is called as in the samples: after what it rides on.
func transportOf(about hub.Description) string {
	if about.Carrier != "" {
		return "socketio_" + about.Carrier
	}
	return about.Transport
}

// addressOf is where a client is: what the gateway sees may be a proxy.
func addressOf(client netip.Addr, remote string) string {
	if client.IsValid() {
		return client.Unmap().String()
	}
	return remote
}

// maxListed is how many channels of a session are named.
const maxListed = 100

type sessionDetail struct {
	sessionAnswer
	RoundTrip     *float64 `json:"round_trip_seconds"` // of a ping that is sent now; null if no answer came soon, or the transport has none
	Channels      []string `json:"channels"`           // the first by name
	ChannelsTotal int      `json:"channels_total"`
}

// pingWait is how long the answer to a ping is waited for.
const pingWait = 2 * time.Second

// session describes one, and pings it.
func (c *Handler) session(r *request) (any, error) {
	if _, err := r.parameters(); err != nil {
		return nil, err
	}
	s, err := c.find(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), pingWait)
	defer cancel()
	answer := sessionDetail{}
	if took, ok := s.RoundTrip(ctx); ok {
		answer.RoundTrip = new(took.Seconds())
	}
	answer.sessionAnswer = describe(s, c.name(r))
	answer.Channels = s.Subscriptions()
	answer.ChannelsTotal = len(answer.Channels)
	slices.Sort(answer.Channels)
	answer.Channels = answer.Channels[:min(answer.ChannelsTotal, maxListed)]
	return answer, nil
}

// find returns the session that the path names.
func (c *Handler) find(r *request) (*hub.Session, error) {
	id := r.PathValue("session")
	if s := c.hub.Session(id); s != nil {
		return s, nil
	}
	return nil, hub.Errorf(hub.NotFound, "there is no session %.60q on this node; it may have ended (see ended), or be on another", id)
}

// Close codes that an operator may choose, beside those of the field that he may mean.
const (
	firstOwnClose = 4000
	lastOwnClose  = 4999
	maxReason     = 123 // bytes, which is what a Close frame has room for
)

type disconnectAnswer struct {
	Session string `json:"session"`
	Ended   bool   `json:"ended"`
}

// disconnect ends a session. Its client is told the reason.
func (c *Handler) disconnect(r *request) (any, error) {
	if _, err := r.parameters(); err != nil {
		return nil, err
	}
	asked := struct {
		Code   int    `json:"code"`
		Reason string `json:"reason"`
	}{Reason: "disconnected by an operator"}
	if err := r.read(&asked); err != nil {
		return nil, err
	}
	switch code := asked.Code; {
	case code != 0 && code != 1000 && code != 1008 && code != 1012 && code != 1013 && (code < firstOwnClose || code > lastOwnClose):
		return nil, hub.Errorf(hub.BadRequest, "the close code is %d; it can be 1000, 1008, 1012, 1013, or one of your own from %d to %d", code, firstOwnClose, lastOwnClose)
	case len(asked.Reason) > maxReason || !utf8.ValidString(asked.Reason):
		return nil, hub.Errorf(hub.BadRequest, "the reason has %d bytes; it is at most %d bytes of UTF-8", len(asked.Reason), maxReason)
	}
	s, err := c.find(r)
	if err != nil {
		return nil, err
	}
	again := asked.Code == 1012 || asked.Code == 1013
	c.did(r, "disconnected", "session", s.ID(), "user", s.User(), "reason", asked.Reason)
	s.End(&hub.Dismissal{Close: asked.Code, Reason: asked.Reason, Reconnect: again})
	return disconnectAnswer{s.ID(), true}, nil
}
