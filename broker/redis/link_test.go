//go:build linux

package redis

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/rueidis"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

// deaf is a sink that takes nothing in.
type deaf struct{ hub.Sink }

// Channels come and go as long as a connection lives, under ever new names.
func TestAConnectionRemembersNothingOfWhatItHasUnsubscribedFrom(t *testing.T) {
	t.Parallel()
	for kind, url := range map[string]string{
		"sharded": servers.StartRedisCluster(t, 1).URL(),
		"not":     servers.StartRedis(t, servers.RedisOptions{}).URL(),
	} {
		b, err := New(Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Start(deaf{}); err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		c := b.home().link.connect()
		defer c.close()
		for i := range 10 {
			var names []string
			for n := range batch {
				names = append(names, b.home().names.channel(fmt.Sprint(i, "/", n)))
			}
			for _, command := range []func([]string) error{
				func(names []string) error { return c.say(c.subscribing(names)) },
				func(names []string) error { return c.say(c.unsubscribing(names)) },
			} {
				if err := command(names); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := c.say(c.subscribing([]string{b.home().names.channel("last")})); err != nil { // what came before has been read
			t.Fatal(err)
		}
		c.mu.Lock()
		if len(c.ending) != 0 || len(c.subscribed) != 1 {
			t.Errorf("%s: it remembers %d channels that end and %d that do not", kind, len(c.ending), len(c.subscribed))
		}
		c.mu.Unlock()
	}
}

func TestRefusalsThatPass(t *testing.T) {
	for text, want := range map[string]bool{
		"READONLY You can't write against a read only replica.":                                                                                true,
		"OOM command not allowed when used memory > 'maxmemory'.":                                                                              true,
		"ERR Error running script (call to f_6b1b): @user_script:47: @user_script: 47: -READONLY You can't write against a read only replica.": true, // Redis 6.2
		"ERR Error running script (call to f_6b1b): @user_script:47: -WRONGTYPE Operation against a key":                                       false,
		"ERR Error running script (call to f_6b1b): @user_script:47: attempt to call a nil value":                                              false,
		"NOPERM this user has no permissions":                                                                                                  false,
		"ERR value: -READONLY":                                                                                                                 false,
	} {
		if passingText(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}

// An answer that did not come is no answer: a node that takes it for one would be deaf to the others.
func TestWhetherPubSubIsShardedIsNotGuessed(t *testing.T) {
	if _, err := hasSharded(rueidis.NewErrorResult(context.DeadlineExceeded)); err == nil {
		t.Error("no answer is taken for one")
	}
}
