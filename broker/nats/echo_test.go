//go:build linux

package nats_test

import (
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/broker/nats"
	"github.com/ringdown/ringdown/test/servers"
)

func TestAnEchoIsHeardOrItIsToldThatThereIsNone(t *testing.T) {
	t.Parallel()
	s := servers.StartNATS(t, "")
	o := options(s.URL())
	a, _ := start(t, o)
	o.Timeout = 2 * time.Second
	b, heard := start(t, o)
	var both sync.WaitGroup
	for _, node := range []*nats.Broker{a, b} {
		both.Go(func() {
			for i := range 20 { // each name several times
				if err := nats.Echo(node); err != nil {
					t.Errorf("echo %d: %v", i, err)
				}
			}
		})
	}
	both.Wait()
	if n := a.Stats().Unreadable + b.Stats().Unreadable; n > 0 || heard.delivered.Load() > 0 {
		t.Errorf("echoes are taken for something else: %d unreadable, %d delivered", n, heard.delivered.Load())
	}
	s.Freeze()
	defer s.Thaw()
	if err := nats.Echo(b); err == nil {
		t.Error("an echo is heard from a server that stands still")
	}
}
