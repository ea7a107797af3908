// Managing clients: taking them into channels and out of them, ending their sessions, revoking their tokens.

package api

import (
	"context"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/ringdown/ringdown/hub"
)

// whom names one session, or all of a user.
type whom struct {
	Session string `json:"session"`
	User    string `json:"user"`
}

// touched tells what was done.
type touched struct {
	Sessions int       `json:"sessions"`         // that were found
	Changed  int       `json:"changed"`          // subscriptions begun or ended, or sessions ended
	Errors   []blocked `json:"errors,omitempty"` // at most maxErrors of them

	Incomplete []string `json:"incomplete,omitempty"` // nodes that have not answered, and may or may not have done it
}

// blocked is a session for which something could not be done.
type blocked struct {
	Session string   `json:"session"`
	Channel string   `json:"channel,omitempty"`
	Error   *failure `json:"error"`
}

const maxErrors = 100

// maxReason is the longest reason, in bytes: as much as fits into a Close frame (RFC 6455 §5.5).
const maxReason = 123

// check refuses a request that names neither or both.
func (w whom) check() error {
	switch {
	case (w.Session == "") == (w.User == ""):
		return hub.Errorf(hub.BadRequest, `the request names neither or both of "session" and "user"; name one`)
	case w.User != "":
		return checkUser(w.User)
	}
	return nil
}

// find returns the sessions of this node that are meant.
func (a *Handler) find(q *question) []*hub.Session {
	if q.User != "" {
		return a.hub.SessionsOf(q.User)
	}
	if s := a.hub.Session(q.Session); s != nil {
		return []*hub.Session{s}
	}
	return nil
}

// manage has a question answered by whom it is about. A user may have no sessions; a session that is named must be there.
func (a *Handler) manage(r *request, q *question, here func() touched) (touched, error) {
	all, missing := gatherFor(r.Context(), a, q, here)
	done := join(all, missing)
	if q.Session != "" && done.Sessions == 0 {
		return done, notAnywhere(q.Session, missing)
	}
	if q.Session != "" {
		done.Incomplete = nil // there is but one of it
	}
	return done, nil
}

// blame notes an error.
func (t *touched) blame(s *hub.Session, channel string, err error) {
	if len(t.Errors) < maxErrors {
		t.Errors = append(t.Errors, blocked{s.ID(), channel, failureOf(err)})
	}
}

// entrance is a request to take sessions into channels, or out of them.
type entrance struct {
	whom
	Channels []string `json:"channels"`
	Reason   string   `json:"reason"`
}

func (a *Handler) readEntrance(r *request) (asked entrance, err error) {
	if err := r.read(&asked); err != nil {
		return asked, err
	}
	if err := countChannels(asked.Channels); err != nil {
		return asked, err
	}
	for _, channel := range asked.Channels {
		if err := r.key.checkChannel(channel); err != nil {
			return asked, err
		}
	}
	if err := checkReason(asked.Reason); err != nil {
		return asked, err
	}
	return asked, asked.whom.check()
}

func checkReason(reason string) error {
	if len(reason) > maxReason || !utf8.ValidString(reason) {
		return hub.Errorf(hub.BadRequest, "the reason has %d bytes; give it at most %d, in UTF-8", len(reason), maxReason)
	}
	return nil
}

// subscribe takes sessions into channels, whatever the rules say. Those that are there already stay as they are.
func (a *Handler) subscribe(r *request) (int, any, error) {
	asked, err := a.readEntrance(r)
	if err != nil {
		return 0, nil, err
	}
	if asked.Reason != "" {
		return 0, nil, hub.Errorf(hub.BadRequest, `a "reason" is not told to whom is subscribed; leave it out`)
	}
	q := &question{Op: askSubscribe, Session: asked.Session, User: asked.User, Channels: asked.Channels}
	done, err := a.manage(r, q, func() touched { return a.subscribeHere(r.Context(), q) })
	if err != nil {
		return 0, nil, err
	}
	a.managed(r, "subscribed", "session", asked.Session, "user", asked.User, "channels", len(asked.Channels), "changed", done.Changed)
	return http.StatusOK, done, nil
}

func (a *Handler) subscribeHere(ctx context.Context, q *question) touched {
	sessions := a.find(q)
	done := touched{Sessions: len(sessions)}
	for _, s := range sessions {
		for _, channel := range q.Channels {
			err := s.Subscribe(ctx, channel, hub.SubscribeOptions{Forced: true})
			if refused, ok := errors.AsType[*hub.Error](err); ok && refused.Code == hub.AlreadySubscribed {
				continue
			}
			if err != nil {
				done.blame(s, channel, err)
				continue
			}
			done.Changed++
		}
	}
	return done
}

// unsubscribe takes sessions out of channels. Those that are not there stay as they are.
func (a *Handler) unsubscribe(r *request) (int, any, error) {
	asked, err := a.readEntrance(r)
	if err != nil {
		return 0, nil, err
	}
	if asked.Reason == "" {
		asked.Reason = "taken out of the channel by the server"
	}
	q := &question{Op: askUnsubscribe, Session: asked.Session, User: asked.User, Channels: asked.Channels, Reason: asked.Reason}
	done, err := a.manage(r, q, func() touched { return a.unsubscribeHere(q) })
	if err != nil {
		return 0, nil, err
	}
	a.managed(r, "unsubscribed", "session", asked.Session, "user", asked.User, "channels", len(asked.Channels), "changed", done.Changed)
	return http.StatusOK, done, nil
}

func (a *Handler) unsubscribeHere(q *question) touched {
	sessions := a.find(q)
	done := touched{Sessions: len(sessions)}
	for _, s := range sessions {
		for _, channel := range q.Channels {
			if s.Expel(channel, q.Reason) == nil { // otherwise it is not subscribed
				done.Changed++
			}
		}
	}
	return done
}

// The close codes that may be asked for: those of applications (RFC 6455 §7.4.2), and the four that a server may mean.
const (
	firstOwnClose = 4000
	lastOwnClose  = 4999
)

func checkClose(code int) error {
	switch {
	case code == 0, code == 1000, code == 1008, code == 1012, code == 1013, code >= firstOwnClose && code <= lastOwnClose:
		return nil
	}
	return hub.Errorf(hub.BadRequest, "the close code is %d; it can be 1000, 1008, 1012, 1013, or one of your own from %d to %d", code, firstOwnClose, lastOwnClose)
}

// disconnect ends sessions.
func (a *Handler) disconnect(r *request) (int, any, error) {
	var asked struct {
		whom
		Code      int    `json:"code"`
		Reason    string `json:"reason"`
		Reconnect bool   `json:"reconnect"`
	}
	if err := r.read(&asked); err != nil {
		return 0, nil, err
	}
	if err := checkReason(asked.Reason); err != nil {
		return 0, nil, err
	}
	if err := checkClose(asked.Code); err != nil {
		return 0, nil, err
	}
	if err := asked.whom.check(); err != nil {
		return 0, nil, err
	}
	if asked.Reason == "" {
		asked.Reason = "disconnected by the server"
	}
	q := &question{Op: askDisconnect, Session: asked.Session, User: asked.User, Code: asked.Code, Reason: asked.Reason, Reconnect: asked.Reconnect}
	done, err := a.manage(r, q, func() touched { return a.disconnectHere(q) })
	if err != nil {
		return 0, nil, err
	}
	a.managed(r, "disconnected", "session", asked.Session, "user", asked.User, "sessions", done.Sessions, "reason", asked.Reason)
	return http.StatusOK, done, nil
}

func (a *Handler) disconnectHere(q *question) touched {
	sessions := a.find(q)
	for _, s := range sessions {
		s.End(&hub.Dismissal{Close: q.Code, Reason: q.Reason, Reconnect: q.Reconnect})
	}
	return touched{Sessions: len(sessions), Changed: len(sessions)}
}

type revoked struct {
	Revoked bool `json:"revoked"`

	Incomplete []string `json:"incomplete,omitempty"` // nodes that have not said so; they ask for it when they are back
}

// revoke has tokens refused. Sessions that were opened with one are ended by whoever Options.Revoke tells of it.
func (a *Handler) revoke(r *request) (int, any, error) {
	var asked struct {
		User   string    `json:"user"`
		Login  string    `json:"login"`
		Token  string    `json:"token"`
		Before time.Time `json:"before"`
		Until  time.Time `json:"until"`
	}
	if err := r.read(&asked); err != nil {
		return 0, nil, err
	}
	named := 0
	for _, name := range []string{asked.User, asked.Login, asked.Token} {
		if name == "" {
			continue
		}
		named++
		if len(name) > hub.MaxChannelName || !utf8.ValidString(name) {
			return 0, nil, hub.Errorf(hub.BadRequest, "what is to be revoked has %d bytes; no token has names of more than %d, in UTF-8", len(name), hub.MaxChannelName)
		}
	}
	if named != 1 {
		return 0, nil, hub.Errorf(hub.BadRequest, `the request names %d of "user", "login" and "token"; name one`, named)
	}
	if !asked.Before.IsZero() && asked.User == "" {
		return 0, nil, hub.Errorf(hub.BadRequest, `"before" is for the tokens of a "user"; a login or a token is revoked as a whole, so leave it out`)
	}
	if a.options.Revoke == nil {
		return 0, nil, hub.Errorf(hub.NotFound, "this server takes no tokens, so there is nothing to revoke; configure keys for tokens, or use disconnect")
	}
	missing, err := a.options.Revoke(r.Context(), Revocation{User: asked.User, Session: asked.Login, Token: asked.Token, Before: asked.Before, Until: asked.Until})
	if err != nil {
		if _, known := errors.AsType[*hub.Error](err); known {
			return 0, nil, err
		}
		return 0, nil, hub.Errorf(hub.BadRequest, "it cannot be revoked: %w", err)
	}
	a.managed(r, "revoked", "user", asked.User, "login", asked.Login, "token", asked.Token)
	return http.StatusOK, revoked{true, missing}, nil
}
