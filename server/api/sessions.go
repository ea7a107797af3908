// Reading sessions.

package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/hub"
)

// session is one client.
type session struct {
	Session       string          `json:"session"`
	Node          string          `json:"node,omitempty"` // where it is, if there are several
	User          string          `json:"user,omitempty"`
	Info          json.RawMessage `json:"info,omitempty"`
	Since         stamp           `json:"since"`
	Expires       *stamp          `json:"expires,omitempty"`
	Transport     string          `json:"transport,omitempty"`
	Protocol      string          `json:"protocol,omitempty"`
	Remote        string          `json:"remote,omitempty"`
	Subscriptions []string        `json:"subscriptions"`
	Lag           lag             `json:"lag"`
}

// lag is how far a client is behind.
type lag struct {
	Publications int `json:"publications"` // held back by the hub
	Bytes        int `json:"bytes"`        // in the outbox of its connection
}

type sessionPage struct {
	User     string    `json:"user"`
	Sessions []session `json:"sessions"`
	Total    int       `json:"total"`
	Next     string    `json:"next,omitempty"`

	Incomplete []string `json:"incomplete,omitempty"` // nodes that have not answered
}

func (a *Handler) describe(s *hub.Session) session {
	who, about := s.Identity(), s.Connection()
	found := session{Session: s.ID(), Node: a.name(), User: who.User, Info: who.Info, Since: stamp{s.Since()}, Transport: about.Transport,
		Protocol: about.Protocol, Remote: about.Remote, Subscriptions: s.Subscriptions(), Lag: lag{s.Lag(), about.Waiting}}
	if address := s.Address(); address.IsValid() { // what the gateway sees may be a proxy
		found.Remote = address.String()
	}
	if !who.Expires.IsZero() {
		found.Expires = &stamp{who.Expires}
	}
	slices.Sort(found.Subscriptions)
	return found
}

func noSession(id string) error {
	return hub.Errorf(hub.NotFound, "there is no session %.60q; it may have ended", id)
}

// session describes one.
func (a *Handler) session(r *request) (int, any, error) {
	if _, err := r.parameters(); err != nil {
		return 0, nil, err
	}
	q := &question{Op: askSession, Session: r.PathValue("session")}
	all, missing := gatherFor(r.Context(), a, q, func() *session { return a.sessionHere(q) })
	for _, found := range all {
		if found != nil {
			return http.StatusOK, found, nil
		}
	}
	return 0, nil, notAnywhere(q.Session, missing)
}

// sessionHere is the session that is asked for, or nil.
func (a *Handler) sessionHere(q *question) *session {
	s := a.hub.Session(q.Session)
	if s == nil {
		return nil
	}
	found := a.describe(s)
	return &found
}

// sessions describes those of a user, by id.
func (a *Handler) sessions(r *request) (int, any, error) {
	user := r.PathValue("user")
	if err := checkUser(user); err != nil {
		return 0, nil, err
	}
	asked, err := r.parameters("after", "limit")
	if err != nil {
		return 0, nil, err
	}
	limit, err := asked.limit(1, defaultPage, MaxPage)
	if err != nil {
		return 0, nil, err
	}
	q := &question{Op: askSessions, User: user, After: asked["after"], Limit: limit}
	pages, missing := gather(r.Context(), a, q, func() sessionPage { return a.sessionsHere(q) })
	page := joinSessions(pages, limit)
	page.Incomplete = missing
	return http.StatusOK, page, nil
}

// sessionsHere are those of a user on this node.
func (a *Handler) sessionsHere(q *question) sessionPage {
	all := a.hub.SessionsOf(q.User)
	page := sessionPage{User: q.User, Sessions: []session{}, Total: len(all)}
	all = slices.DeleteFunc(all, func(s *hub.Session) bool { return s.ID() <= q.After })
	slices.SortFunc(all, func(x, y *hub.Session) int { return strings.Compare(x.ID(), y.ID()) })
	if len(all) > q.Limit {
		all = all[:q.Limit]
		page.Next = all[q.Limit-1].ID()
	}
	for _, s := range all {
		page.Sessions = append(page.Sessions, a.describe(s))
	}
	return page
}

// checkUser refuses what cannot be the name of a user, which is what cannot be that of a channel.
func checkUser(user string) error {
	if hub.CheckChannel(user) != nil {
		return hub.Errorf(hub.BadRequest, "the user is %.60q; name it with 1 to %d bytes of printable UTF-8", user, hub.MaxChannelName)
	}
	return nil
}
