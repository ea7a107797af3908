//go:build linux

package redis_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/test/servers"
)

// One master of a cluster that hangs must not have nodes held for dead on the others.
func TestMembersStayWhereTheServerIsWellWhileAnotherHangs(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, 3, "--cluster-require-full-coverage", "no")
	o := options(c.URL())
	o.Timeout, o.Expiry = 3*time.Second, 5*time.Second
	b, sink := start(t, o)
	other, _ := start(t, o)
	const channels = 30
	for i := range channels {
		name := fmt.Sprint("room", i)
		if _, err := b.Subscribe(t.Context(), name, keeps.Retention); err != nil {
			t.Fatal(err)
		}
		if err := other.Join(t.Context(), name, hub.Member{Session: "s", User: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "her coming is told everywhere", func() bool { _, _, n := sink.counts(); return n == channels })
	c[1].Freeze()
	defer c[1].Thaw()
	time.Sleep(2 * o.Expiry) // twice as long as a node may be silent
	if _, _, n := sink.counts(); n != channels {
		sink.mu.Lock()
		t.Errorf("%d events are told of her who never left: %+v", n-channels, sink.events[channels:])
		sink.mu.Unlock()
	}
}

// farAway is a server behind a long way: each answer takes a while.
func farAway(t *testing.T, target string, delay time.Duration) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				near.Close()
				continue
			}
			go func() { io.Copy(far, near); far.Close() }()
			go func() {
				defer near.Close()
				buffer := make([]byte, 1<<20)
				for {
					n, err := far.Read(buffer)
					if err != nil {
						return
					}
					time.Sleep(delay)
					if _, err := near.Write(buffer[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// A node with very many members must not be held for dead again while it brings them back.
func TestVeryManyMembersComeBackOverALongWay(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	o := options(r.URL())
	o.Expiry = 3 * time.Second
	far := o
	far.URL = "redis://" + farAway(t, r.Addr, 5*time.Millisecond)
	b, sink := start(t, o)
	other, _ := start(t, far)
	if _, err := b.Subscribe(t.Context(), "lobby", keeps.Retention); err != nil {
		t.Fatal(err)
	}
	const members = 2000
	var joining sync.WaitGroup
	for i := range members {
		joining.Go(func() {
			if err := other.Join(t.Context(), "lobby", hub.Member{Session: fmt.Sprint("s", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	joining.Wait()
	eventually(t, "all are told", func() bool { _, _, n := sink.counts(); return n == members })
	r.Flush()
	eventually(t, "all are there again", func() bool {
		p, err := b.Presence(t.Context(), "lobby", 0)
		return err == nil && p.Sessions == members
	})
	if _, _, n := sink.counts(); n != members {
		t.Errorf("%d events are told of members who never left", n-members)
	}
}

// What a heartbeat has begun and not finished the next one does.
func TestMembersOfANodeThatWasHeldForDeadComeBackThoughTheServerRefusesThemAtFirst(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	l := servers.NewLink(t, r.Addr)
	o := options(r.URL())
	o.Timeout, o.Expiry = 3*time.Second, 3*time.Second
	behind := o
	behind.URL = "redis://" + l.Addr
	b, sink := start(t, o)
	other, _ := start(t, behind)
	if _, err := b.Subscribe(t.Context(), "lobby", keeps.Retention); err != nil {
		t.Fatal(err)
	}
	if err := other.Join(t.Context(), "lobby", hub.Member{Session: "s1", User: "ann"}); err != nil {
		t.Fatal(err)
	}
	l.Cut()
	eventually(t, "she is held for gone", func() bool { _, _, n := sink.counts(); return n == 2 })
	r.Do("SET " + o.Prefix + ":{0}:m:lobby wrong")
	l.Mend()
	eventually(t, "bringing her back is refused", func() bool { err := other.Health(); return err != nil && strings.Contains(err.Error(), "WRONGTYPE") })
	r.Do("DEL " + o.Prefix + ":{0}:m:lobby")
	eventually(t, "she is there again", func() bool {
		p, err := b.Presence(t.Context(), "lobby", 0)
		return err == nil && p.Sessions == 1
	})
}

// A server that takes over may have a clock that is behind.
func TestNodesAreThereAlthoughTheClockHasGoneBack(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	o := options(r.URL())
	o.Expiry, o.Node = time.Second, "living"
	b, _ := start(t, o)
	r.Do(fmt.Sprint("HSET ", o.Prefix, ":{0}:nodes dead.run ", time.Now().Add(time.Hour).UnixMilli()))
	eventually(t, "only who lives is there", func() bool {
		nodes, err := b.Nodes(t.Context())
		return err == nil && len(nodes) == 1 && nodes[0].Name == "living"
	})
}
