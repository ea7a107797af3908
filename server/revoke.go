// Revocation: what ends sessions whose tokens are refused from now on, without missing those that are just being opened.

package server

import (
	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/hub"
)

// revoked ends the sessions that a revocation is about. It is called once tokens are refused for it; a session that the hub lists later
// has that found by [identities.confirm]. While the node starts there is nobody, and not yet a hub to ask: other nodes are heard before.
func (s *Server) revoked(r auth.Revocation) {
	select {
	case <-s.started:
	default:
		return
	}
	s.service.forget()
	cause := hub.Errorf(hub.TokenRevoked, "the token was revoked; log in again")
	for _, session := range s.named(r) {
		if as := claimsOf(session.Identity()); r.Covers(&as[0]) || r.Covers(&as[1]) {
			session.End(cause)
		}
	}
}

// named are the sessions with a name that is revoked.
func (s *Server) named(r auth.Revocation) []*hub.Session {
	switch {
	case r.User != "":
		return append(s.hub.Find(hub.ByUser, r.User), s.hub.Find(hub.BySubject, r.User)...)
	case r.Session != "":
		return s.hub.Find(hub.ByLogin, r.Session)
	}
	return s.hub.Find(hub.ByToken, r.Token)
}

// claimsOf is what revocations look at of the token behind an identity: under the name in the token, and under the one that the backend
// has given its user.
func claimsOf(who *hub.Identity) [2]auth.Claims {
	token := auth.Claims{User: who.Subject, Session: who.Login, ID: who.Token, IssuedAt: who.Issued}
	renamed := token
	renamed.User = who.User
	return [2]auth.Claims{token, renamed}
}

// confirm implements [hub.Options].Confirm: it refuses an identity whose token has been revoked since it was checked.
func (i *identities) confirm(who *hub.Identity) error {
	if who.Subject == "" { // no token says who it is
		return nil
	}
	for _, claims := range claimsOf(who) {
		if err := i.revocations.Check(&claims); err != nil {
			return refusalOf(err)
		}
	}
	return nil
}
