//go:build linux

package sdk

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/test/servers"
)

var transports = []string{"websocket", "sse", "poll"}

func TestNothingIsLostOrDoubledWhenConnectionsAreCut(t *testing.T) {
	t.Parallel() // most of it is waiting
	server := start(t, "127.0.0.1:0")
	link := servers.NewLink(t, server.addr)
	p := peer(t)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			open(t, p, transport, link.Addr, transport, transport)
			n := 0
			for range 3 {
				for range 20 {
					n++
					server.publish(transport, n)
				}
				link.Cut()
				for range 20 {
					n++
					server.publish(transport, n)
				}
				link.Mend()
				node.Call[string](t, p, "opened", args{"name": transport})
			}
			checkNumbers(t, told(t, p, transport, transport, n), n)
		})
	}
}

func TestWhatIsPublishedMeanwhileIsPublishedOnceAndInOrder(t *testing.T) {
	t.Parallel() // most of it is waiting
	server := start(t, "127.0.0.1:0")
	link := servers.NewLink(t, server.addr)
	p := peer(t)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			open(t, p, transport, link.Addr, transport, transport)
			done := make(chan []int, 1)
			numbers := make([]int, 200)
			for i := range numbers {
				numbers[i] = i + 1
			}
			go func() {
				done <- node.Call[[]int](t, p, "publish", args{"name": transport, "channel": transport, "data": numbers})
			}()
			for range 3 {
				time.Sleep(30 * time.Millisecond) // wherever this comes
				link.Cut()
				link.Mend()
			}
			if offsets := <-done; !slices.Equal(offsets, numbers) {
				t.Errorf("the offsets are %v", offsets)
			}
			checkNumbers(t, told(t, p, transport, transport, len(numbers)), len(numbers))
		})
	}
}

func TestAProxyThatEatsFramesAfterTheUpgradeDoesNotFoolTheClient(t *testing.T) {
	t.Parallel() // most of it is waiting
	server := start(t, "127.0.0.1:0")
	p := peer(t)
	open(t, p, "ann", servers.StartEater(t, server.addr), "", "news")
	if transport := node.Call[string](t, p, "opened", args{"name": "ann"}); transport != "sse" {
		t.Errorf("the client is open over %s", transport)
	}
	if offsets := node.Call[[]int](t, p, "publish", args{"name": "ann", "channel": "news", "data": []int{1, 2, 3}}); !slices.Equal(offsets, []int{1, 2, 3}) {
		t.Errorf("the offsets are %v", offsets)
	}
	server.publish("news", 4)
	checkNumbers(t, told(t, p, "ann", "news", 4), 4)
	if states := node.Call[[]string](t, p, "states", args{"name": "ann"}); !slices.Equal(states, []string{"open sse"}) {
		t.Errorf("the states were %q", states)
	}
}

func TestAPausedServerIsNoticedAndNothingIsLost(t *testing.T) {
	t.Parallel() // most of it is waiting
	server := start(t, "127.0.0.1:0")
	p := peer(t)
	for _, transport := range transports {
		open(t, p, transport, server.addr, transport, "news")
	}
	server.publish("news", 1)
	server.signal(syscall.SIGSTOP)
	for _, transport := range transports {
		node.Do(t, p, "been", args{"name": transport, "state": "waiting silent"})
	}
	done := make(chan []int, 1)
	go func() {
		done <- node.Call[[]int](t, p, "publish", args{"name": "websocket", "channel": "news", "data": []int{2}})
	}()
	server.signal(syscall.SIGCONT)
	if offsets := <-done; !slices.Equal(offsets, []int{2}) {
		t.Errorf("the offsets are %v", offsets)
	}
	for _, transport := range transports {
		checkNumbers(t, told(t, p, transport, "news", 2), 2)
	}
}

func TestAKilledServerIsToldAsAGapAndWhatWaitsIsPublishedOnce(t *testing.T) {
	t.Parallel() // most of it is waiting
	server := start(t, "127.0.0.1:0")
	p := peer(t)
	for _, transport := range transports {
		open(t, p, transport, server.addr, transport, transport)
		server.publish(transport, 1)
		told(t, p, transport, transport, 1)
	}
	server.kill()
	for _, transport := range transports {
		node.Do(t, p, "been", args{"name": transport, "state": "waiting"})
	}
	done := make(chan []int, 1)
	go func() {
		done <- node.Call[[]int](t, p, "publish", args{"name": "websocket", "channel": "later", "data": []int{1, 2}})
	}()
	server = start(t, server.addr)
	if offsets := <-done; !slices.Equal(offsets, []int{1, 2}) {
		t.Errorf("the offsets are %v", offsets)
	}
	for _, transport := range transports {
		told(t, p, transport, transport, "gap unrecovered")
		server.publish(transport, 2)
		if events := told(t, p, transport, transport, 2); !slices.Equal(events, []any{1.0, "gap unrecovered", 2.0}) {
			t.Errorf("over %s: was told %v", transport, events)
		}
	}
}

func TestARestartLosesNothingWhereTheServerKeepsItsState(t *testing.T) {
	t.Parallel() // most of it is waiting
	flags := []string{"--set", "state.file=" + filepath.Join(t.TempDir(), "state"), "--set", "drain.window=1s"}
	server := start(t, "127.0.0.1:0", flags...)
	p := peer(t)
	for _, transport := range transports {
		open(t, p, transport, server.addr, transport, transport)
		server.publish(transport, 1)
		told(t, p, transport, transport, 1)
	}
	server.stop()
	done := make(chan []int, 1)
	go func() {
		done <- node.Call[[]int](t, p, "publish", args{"name": "websocket", "channel": "websocket", "data": []int{2}})
	}()
	server = start(t, server.addr, flags...)
	server.publish("sse", 2)
	server.publish("poll", 2)
	<-done
	for _, transport := range transports {
		checkNumbers(t, told(t, p, transport, transport, 2), 2)
		states := node.Call[[]string](t, p, "states", args{"name": transport})
		if !slices.Contains(states, "waiting shutting_down") {
			t.Errorf("over %s the states were %s", transport, strings.Join(states, ", "))
		}
	}
}

func TestWhatAClientMayAsk(t *testing.T) {
	t.Parallel() // most of it is waiting
	server := start(t, "127.0.0.1:0")
	p := peer(t)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			open(t, p, transport, server.addr, transport, transport)
			node.Do(t, p, "publish", args{"name": transport, "channel": transport, "data": []any{"text", "é\n\u2028"}})
			node.Do(t, p, "publishBytes", args{"name": transport, "channel": transport, "bytes": []int{0, 255, 7}})
			want := []any{"text", "é\n\u2028", "bytes 0,255,7"}
			if events := told(t, p, transport, transport, "bytes 0,255,7"); !slices.Equal(events, want) {
				t.Errorf("was told %q", events)
			}
			history := node.Call[struct{ Data []any }](t, p, "history", args{"name": transport, "channel": transport, "limit": 2})
			if !slices.Equal(history.Data, want[1:]) {
				t.Errorf("history is %q", history.Data)
			}
			refused := node.Call[string](t, p, "refused", args{"name": transport, "method": "nothing"})
			if transport == "websocket" && refused != "unknown_method" || transport != "websocket" && refused != "needs_websocket" {
				t.Errorf("a call is refused with %q", refused)
			}
			if transport != "websocket" {
				return
			}
			present := node.Call[struct{ Members []struct{ User string } }](t, p, "presence", args{"name": transport, "channel": transport})
			if len(present.Members) != 1 || present.Members[0].User != transport {
				t.Errorf("present are %v", present)
			}
		})
	}
}

func TestWhoChangesChannelsKeepsTheOthers(t *testing.T) {
	t.Parallel() // most of it is waiting
	const noHistory = `rules=[{pattern: "*", publish: everyone}]`
	server := start(t, "127.0.0.1:0", "--set", noHistory)
	p := peer(t)
	open(t, p, "sse", server.addr, "sse", "kept")
	for n := range 10 {
		server.publish("kept", n+1)
		told(t, p, "sse", "kept", n+1)
		node.Do(t, p, "listen", args{"name": "sse", "channel": strings.Repeat("x", n+1)})
	}
	server.publish("kept", 11)
	checkNumbers(t, told(t, p, "sse", "kept", 11), 11)
}
