// Revocations between nodes: what one refuses all refuse, also those that were away when it was said.

package server

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/server/api"
	"github.com/ringdown/ringdown/server/cluster"
)

// revokeEverywhere has tokens refused by this node, and by the others. Those that do not hear it now ask for it by learnRevocations.
func (s *Server) revokeEverywhere(ctx context.Context, asked api.Revocation) (missing []string, err error) {
	r := auth.Revocation{User: asked.User, Session: asked.Session, Token: asked.Token, Before: asked.Before, Until: asked.Until}
	if r.Before.IsZero() && r.User != "" { // the same everywhere
		r.Before = time.Now().Add(s.Config().Auth.Leeway)
	}
	if err := s.revoke(r); err != nil || s.peers == nil {
		return nil, err
	}
	text, err := json.Marshal([]auth.Revocation{r})
	if err != nil {
		return nil, err
	}
	_, missing = s.peers.Cluster.Ask(ctx, askRevoke, text)
	return missing, nil
}

// obeyRevocations refuses what another node refuses. Those of names that are held already are taken, too: they may go further.
func (s *Server) obeyRevocations(_ context.Context, _ string, text []byte) ([]byte, error) {
	var all []auth.Revocation
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	t := s.identities.tokens.Load()
	if t == nil || t.verifier == nil { // no token is taken here
		return nil, nil
	}
	held := t.verifier.Revocations()
	known := make(map[auth.Revocation]bool, len(held))
	for _, r := range held {
		known[comparable(r)] = true
	}
	var failed error
	for _, r := range all {
		if known[comparable(r)] || !r.Until.IsZero() && !r.Until.After(time.Now()) {
			continue
		}
		if err := s.revoke(r); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return nil, failed
}

// comparable is a revocation with times that compare by ==.
func comparable(r auth.Revocation) auth.Revocation {
	r.Before, r.Until = r.Before.Round(0).UTC(), r.Until.Round(0).UTC()
	return r
}

// maxTold is how many revocations fit into one message, whatever they name.
const maxTold = 10_000

// tellRevocations answers with the revocations that this node holds.
func (s *Server) tellRevocations(context.Context, string, []byte) ([]byte, error) {
	return json.Marshal(s.heldRevocations())
}

// heldRevocations are those that this node holds, the first so many that end last.
func (s *Server) heldRevocations() []auth.Revocation {
	t := s.identities.tokens.Load()
	if t == nil || t.verifier == nil {
		return []auth.Revocation{}
	}
	all := t.verifier.Revocations()
	if len(all) > maxTold {
		slices.SortFunc(all, func(a, b auth.Revocation) int { return b.Until.Compare(a.Until) })
		all = all[:maxTold]
	}
	return all
}

// learnRetry is how long after some nodes have not answered they are asked again.
const learnRetry = 3 * time.Second

// learnRevocations asks the others what they refuse, and tells them what they do not know of: after a start, and whenever something may have
// been missed, on either side. It goes on until all that live have answered, and could be told.
func (s *Server) learnRevocations(ctx context.Context) {
	for ctx.Err() == nil {
		answers, missing := s.peers.Cluster.Ask(ctx, askRevocations, nil)
		for _, a := range answers {
			if _, err := s.obeyRevocations(ctx, a.Node, a.Body); err != nil {
				s.log.Warn("not all revocations of another node could be taken", "node", a.Node, "cause", err)
			}
		}
		if err := s.teachRevocations(ctx, answers); err == nil && len(missing) == 0 {
			return
		}
		select {
		case <-time.After(learnRetry):
		case <-ctx.Done():
		}
	}
}

// teachRevocations tells all nodes what one of those that have answered does not refuse yet. There may be others, of which the broker does not
// know any more; they are told, too.
func (s *Server) teachRevocations(ctx context.Context, answers []cluster.Answer) error {
	heldBy := make(map[auth.Revocation]int)
	for _, a := range answers {
		var all []auth.Revocation
		if json.Unmarshal(a.Body, &all) == nil {
			for _, r := range all {
				heldBy[comparable(r)]++
			}
		}
	}
	unknown := slices.DeleteFunc(s.heldRevocations(), func(r auth.Revocation) bool {
		return len(answers) > 0 && heldBy[comparable(r)] == len(answers)
	})
	if len(unknown) == 0 {
		return nil
	}
	text, err := json.Marshal(unknown)
	if err != nil {
		return err
	}
	return s.peers.Cluster.Send(ctx, "", askRevoke, text)
}
