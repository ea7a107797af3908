package embedded_test

import (
	"testing"

	"github.com/ringdown/ringdown/broker/nats/embedded"
)

func TestOptionsThatAreRefused(t *testing.T) {
	for i, o := range []embedded.Options{
		{},
		{Dir: "x", Routes: []string{"a:1"}},
		{Dir: "x", Node: "a", Listen: "a"},
		{Dir: "x", Node: "a", Listen: "a:0"},
		{Dir: "x", Node: "a", Listen: ":1", Routes: []string{"b"}},
	} {
		if s, err := embedded.Start(o); err == nil {
			s.Close()
			t.Errorf("options %d are taken", i)
		}
	}
}
