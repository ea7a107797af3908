// What a node keeps over a restart: who keeps it, and when.

package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ringdown/ringdown/broker/memory"
	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/state"
)

// newBroker returns the broker of a node by itself. What it keeps is a part of the state.
func (s *Server) newBroker() hub.Broker {
	b := s.admin.keep(memory.New(memory.Options{MaxBytes: int(s.config.Limits.HistoryBytes)}))
	s.keepers = append(s.keepers, brokerKeeper{b})
	return &lastingBroker{Broker: b, save: s.saveState}
}

// farewellBroker has the state saved when it is closed: of a node among others it holds no publications, which the shared broker has.
type farewellBroker struct {
	hub.Broker
	save func()
	once sync.Once
}

// PublishSeries implements [hub.Series], as far as the broker does.
func (b *farewellBroker) PublishSeries(ctx context.Context, all []*hub.Publication, s hub.Storing) ([]hub.Published, error) {
	return hub.PublishSeries(ctx, b.Broker, all, s)
}

func (b *farewellBroker) Close() error {
	b.once.Do(b.save)
	return b.Broker.Close()
}

// brokerKeeper is the broker as a part of the state.
type brokerKeeper struct{ *memory.Broker }

func (brokerKeeper) Name() string { return "broker/memory" }

// lastingBroker has the state saved when it is closed, which is the last that the hub does: nobody can publish any more, and what
// everybody was given a receipt for is still there.
type lastingBroker struct {
	*memory.Broker
	save  func()
	saved sync.Once // a second Close finds nothing that could be saved
}

func (b *lastingBroker) Close() error {
	b.saved.Do(func() {
		b.Freeze()
		b.save()
	})
	return b.Broker.Close()
}

// stateFile is where the state is kept, or nil.
func (s *Server) stateFile() *state.File {
	c := s.Config().State
	if c.File == "" {
		return nil
	}
	return &state.File{Path: c.File, MaxAge: c.MaxAge, Log: s.log}
}

// loadState takes over what the process before has left. Only that nothing could be saved later is an error.
func (s *Server) loadState() error {
	file := s.stateFile()
	if file == nil {
		return nil
	}
	if err := file.Check(); err != nil {
		return fmt.Errorf("state.file: %w", err)
	}
	file.Load(s.keepers...)
	s.loaded = true
	return nil
}

// saveState leaves the state to the next process. A node that has not started leaves what the process before has left.
func (s *Server) saveState() {
	file := s.stateFile()
	if file == nil || !s.loaded {
		return
	}
	began := time.Now()
	if err := file.Save(s.keepers...); err != nil {
		s.log.Error("the state is lost: clients will be told that their cursors are unknown", "file", file.Path, "cause", err)
		return
	}
	s.log.Info("saved the state", "file", file.Path, "took", time.Since(began).Round(time.Millisecond))
}
