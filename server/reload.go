// Reloading: what of a new configuration a node takes while it runs.

package server

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/ringdown/ringdown/server/config"
)

// Config is the configuration that holds now. Its lists are not to be changed.
func (s *Server) Config() config.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config
}

// Reload takes what a running node can take of next, and returns what has changed: what Change.Live tells apart holds now, the rest
// holds once the node is started again. An error tells what is wrong with next, or with it together with what stays, and then nothing
// has changed. It may be called at any time; connections that are open stay, also where they would be refused now.
func (s *Server) Reload(next config.Config) ([]config.Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes := config.Diff(s.config, next)
	if err := next.Check(); err != nil {
		return nil, err
	}
	live := config.Live(s.config, next)
	if err := live.Check(); err != nil {
		return nil, fmt.Errorf("what a running node can take contradicts what stays until it is started again: %w", err)
	}
	keys, err := apiKeys(&live.API)
	if err != nil {
		return nil, err
	}
	if err := s.hub.SetRules(rules(&live)); err != nil {
		return nil, err
	}
	if err := s.origins.Set(live.Origins); err != nil {
		return nil, errors.Join(err, s.hub.SetRules(rules(&s.config)))
	}
	if !reflect.DeepEqual(live.Auth, s.config.Auth) {
		if err := s.setTokens(&live.Auth); err != nil {
			return nil, errors.Join(err, s.hub.SetRules(rules(&s.config)), s.origins.Set(s.config.Origins))
		}
	}
	if err := s.admin.keys.Replace(keys); err != nil { // cannot be: they were found sound
		return nil, err
	}
	connections, limited := affordable(live.Limits.Connections, openFiles())
	if limited != "" && live.Limits.Connections != s.config.Limits.Connections {
		s.log.Warn(limited)
	}
	s.hub.SetBounds(connections, live.Limits.Subscriptions)
	s.setLevel(live.Log.Level)
	s.front.reload(s.log)
	s.service.warnOfSecret(&live.Backend)
	s.config = live
	return changes, nil
}

func (s *Server) setLevel(name string) {
	var level slog.Level
	if s.level != nil && level.UnmarshalText([]byte(name)) == nil {
		s.level.Set(level)
	}
}
