package server

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/server/config"
)

// Another node may be heard before this one has a hub.
func TestARevocationIsTakenWhileTheNodeStarts(t *testing.T) {
	s := &Server{log: slog.New(slog.DiscardHandler), started: make(chan struct{})}
	c := config.Default()
	c.Auth.Keys = []config.AuthKey{{Secret: config.Secret(strings.Repeat("secret", 8))}}
	if err := s.setTokens(&c.Auth); err != nil {
		t.Fatal(err)
	}
	defer s.identities.close()
	if _, err := s.obeyRevocations(t.Context(), "b", []byte(`[{"User":"ann"}]`)); err != nil {
		t.Fatal(err)
	}
	if held := s.heldRevocations(); len(held) != 1 || held[0].User != "ann" {
		t.Errorf("%+v are held", held)
	}
}
