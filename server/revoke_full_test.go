package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/config"
)

// present is a client that remembers why its session ended.
type present struct{ ended []error }

func (p *present) Receive(*hub.Publication) hub.Reception { return hub.Taken }
func (p *present) Notify(*hub.Notice)                     {}
func (p *present) End(cause error)                        { p.ended = append(p.ended, cause) }

func TestSessionsEndAlsoWhereNoFurtherRevocationIsHeld(t *testing.T) {
	c := config.Default()
	c.Listen.Address = "127.0.0.1:0"
	c.Auth.Keys = []config.AuthKey{{Secret: config.Secret(strings.Repeat("secret", 8))}}
	s, err := New(c, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(context.WithoutCancel(t.Context()))
	for i := range auth.DefaultMaxRevocations {
		if err := s.revoke(auth.Revocation{Token: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	ann, bob := new(present), new(present)
	for user, client := range map[string]*present{"ann": ann, "bob": bob} {
		session, err := s.hub.Open(client, hub.Identity{User: user, Subject: user})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
	}
	if refusal, _ := hub.RefusalOf(s.revoke(auth.Revocation{User: "ann"})); refusal.Code != hub.Unavailable || refusal.Status != 503 {
		t.Errorf("refused with %s", refusal.Code)
	}
	if len(ann.ended) != 1 || len(bob.ended) != 0 {
		t.Errorf("ann's session ended with %v, bob's with %v", ann.ended, bob.ended)
	}
}
