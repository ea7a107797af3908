// Who a session's client is, and what it may do.

package hub

import (
	"context"
	"net/netip"
	"time"
)

// Identity is who a session's client is. Whoever makes one does not change it any more.
type Identity struct {
	User string // "" for an anonymous client
	Info []byte // what others may know of it, in presence: a JSON value, or nil

	Grants  Grants    // what it may do; nil leaves that to the rules of the channels
	Expires time.Time // when it ends, and the session with it unless it is renewed; zero is never

	// Address is where the client is, behind proxies that are trusted; the zero Addr if that is not known. Only [Hub.Open] looks at
	// it; then it is the session's.
	Address netip.Addr

	// Session is the id that the session is to have, one of [NewSessionID] that no other has; "" has Open choose one. Only Open
	// looks at it.
	Session string
	// Channels are those that the session's gateway is to subscribe it to by force once the client is there. Gateways whose clients
	// speak of the channels that they have named, and no others, pass over them.
	Channels []string
	// Opening is what Options.Authenticate needs to know of the client's opening request to make another identity, if anything.
	Opening any

	Token   string    // the id of the token that says so, by which it can be revoked; or ""
	Subject string    // the user of that token, by whom it can be revoked, whatever User is; or ""
	Issued  time.Time // when that token was made; or zero
	Login   string    // the login at the issuer of the token, by which it can be revoked; or ""
}

// nobody is the identity of all clients of whom nothing is known.
var nobody Identity

// shared returns who, or what all who are nobody share.
func (who Identity) shared() *Identity {
	if who.User == "" && who.Info == nil && who.Grants == nil && who.Channels == nil && who.Expires.IsZero() && who.Opening == nil &&
		who.Token == "" && who.Subject == "" && who.Login == "" {
		return &nobody
	}
	return &who
}

// Right is something that a client may do in a channel.
type Right uint8

// The rights. By the rules, those who may subscribe may also read history, see presence and call.
const (
	ToSubscribe Right = iota
	ToPublish
	ToSeePresence
	ToReadHistory
	ToCall
)

// Grants say what a client may do. Where it has any, the Access of the channels' rules is not asked.
type Grants interface {
	May(right Right, channel string) bool
}

// may tells whether the session's client has a right in a channel.
func (s *Session) may(right Right, channel string, rule *Rule) error {
	who := s.who.Load()
	access, verb := rule.Subscribe, "subscribe to"
	if right == ToPublish {
		access, verb = rule.Publish, "publish in"
	}
	switch {
	case who.Grants != nil && who.Grants.May(right, channel):
		return nil
	case who.Grants != nil:
		return Errorf(NotAllowed, "this client's token does not let it %s %q; get one that does", right.verb(), channel)
	case access == Everyone || access == Users && who.User != "":
		return nil
	}
	return Errorf(NotAllowed, "this client may not %s %q; %s", verb, channel, access.cure())
}

func (r Right) verb() string {
	return [...]string{"subscribe to", "publish in", "see the presence of", "read the history of", "call in"}[r]
}

// cure is what to change for having access.
func (a Access) cure() string {
	if a == Users {
		return "authenticate first"
	}
	return "only the server may"
}

// User is whose session it is, or "".
func (s *Session) User() string { return s.who.Load().User }

// Identity is who the client is now. It is not to be changed.
func (s *Session) Identity() *Identity { return s.who.Load() }

// Renew gives the session another identity, with a later end or other rights. An anonymous session may become a user's; the user of
// another cannot change: the error is then an [*Error] with [Unauthorized]. One whose end has come is not renewed any more, which is
// [TokenExpired], and one that Options.Confirm refuses ends the session. The error may be a guard's, or [ErrEnded]. Subscriptions stay,
// also those that the new identity could not begin. The address stays, and what Opening held if the new one has none.
func (s *Session) Renew(who Identity) error {
	if err := s.replace(who); err != nil {
		return err
	}
	if err := s.confirm(); err != nil {
		s.End(err)
		return err
	}
	return nil
}

// replace puts another identity in the place of the one that the session has.
func (s *Session) replace(who Identity) error {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions.get(s.id) != s {
		return ErrEnded
	}
	old := s.who.Load()
	if old.User != "" && old.User != who.User {
		return Errorf(Unauthorized, "the session belongs to another user than this token; open a session of its own for each user")
	}
	if err := h.guardRenew(s, &who); err != nil {
		return err
	}
	if old.Expires.IsZero() {
		h.expiry.set(s, who.Expires)
	} else if !h.expiry.renew(s, who.Expires) {
		return errExpired
	}
	if who.Opening == nil {
		who.Opening = old.Opening
	}
	h.index.remove(s, old)
	h.index.add(s, &who)
	s.who.Store(&who)
	return nil
}

// confirm tells whether the session's identity still holds.
func (s *Session) confirm() error {
	who := s.who.Load()
	if who.over(time.Now()) {
		return errExpired
	}
	if s.hub.options.Confirm == nil || who == &nobody {
		return nil
	}
	return s.hub.options.Confirm(who)
}

// over tells whether an identity has ended.
func (who *Identity) over(now time.Time) bool {
	return !who.Expires.IsZero() && !now.Before(who.Expires)
}

// Authenticate renews the session's identity by a token, as Options.Authenticate reads it. The error is an [*Error] with
// [Unauthorized], or that of Authenticate or [Session.Renew].
func (s *Session) Authenticate(ctx context.Context, token string) error {
	if s.hub.options.Authenticate == nil {
		return Errorf(Unauthorized, "this server takes no tokens; configure keys at the server")
	}
	who, err := s.hub.options.Authenticate(ctx, s, token)
	if err != nil {
		return s.hub.failed(err, Internal, "the token could not be checked; the server's log says why")
	}
	return s.Renew(who)
}
