package server

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/ringdown/ringdown/server/config"
)

func TestRefusalsNameKeysThatAnOperatorCanSet(t *testing.T) {
	c := config.Default()
	limiter, err := newLimiter(&c, 1, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for name := range limiter.Refused() {
		key := keysOfLimits[name]
		if !slices.ContainsFunc(loaded.Values(), func(v config.Value) bool { return v.Key == key }) {
			t.Errorf("%s has the key %q, which is none", name, key)
		}
	}
}
