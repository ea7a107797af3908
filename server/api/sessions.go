// Reading sessions.

package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/ringdown/ringdown/hub"
)

// session is one client of this node.
type session struct {
	Session       string          `json:"session"`
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
}

func sessionOf(s *hub.Session) session {
	who, about := s.Identity(), s.Connection()
	found := session{Session: s.ID(), User: who.User, Info: who.Info, Since: stamp{s.Since()}, Transport: about.Transport,
		Protocol: about.Protocol, Remote: about.Remote, Subscriptions: s.Subscriptions(), Lag: lag{s.Lag(), about.Waiting}}
	if !who.Expires.IsZero() {
		found.Expires = &stamp{who.Expires}
	}
	slices.Sort(found.Subscriptions)
	return found
}

func noSession(id string) error {
	return hub.Errorf(hub.NotFound, "there is no session %.60q on this node; it may have ended", id)
}

// session describes one.
func (a *Handler) session(r *request) (int, any, error) {
	if _, err := r.parameters(); err != nil {
		return 0, nil, err
	}
	s := a.hub.Session(r.PathValue("session"))
	if s == nil {
		return 0, nil, noSession(r.PathValue("session"))
	}
	return http.StatusOK, sessionOf(s), nil
}

// sessions describes those of a user on this node, by id.
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
	all := a.hub.SessionsOf(user)
	page := sessionPage{User: user, Sessions: []session{}, Total: len(all)}
	all = slices.DeleteFunc(all, func(s *hub.Session) bool { return s.ID() <= asked["after"] })
	slices.SortFunc(all, func(x, y *hub.Session) int { return strings.Compare(x.ID(), y.ID()) })
	if len(all) > limit {
		all = all[:limit]
		page.Next = all[limit-1].ID()
	}
	for _, s := range all {
		page.Sessions = append(page.Sessions, sessionOf(s))
	}
	return http.StatusOK, page, nil
}

// checkUser refuses what cannot be the name of a user, which is what cannot be that of a channel.
func checkUser(user string) error {
	if hub.CheckChannel(user) != nil {
		return hub.Errorf(hub.BadRequest, "the user is %.60q; name it with 1 to %d bytes of printable UTF-8", user, hub.MaxChannelName)
	}
	return nil
}
