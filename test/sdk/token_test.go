//go:build linux

package sdk

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/test/servers"
)

// ringdown runs the command line, and returns what it prints.
func ringdown(t *testing.T, args ...string) string {
	t.Helper()
	output, err := exec.Command(servers.Binary(t), args...).Output()
	if err != nil {
		t.Fatalf("ringdown %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(output))
}

func TestTokensAreReplacedWhenTheyAreRefusedAndRenewedInTime(t *testing.T) {
	t.Parallel() // most of it is waiting
	key := filepath.Join(t.TempDir(), "key.pem")
	ringdown(t, "token", "keygen", "--out", key)
	long := ringdown(t, "token", "mint", "--key", key, "--user", "alice")
	short := ringdown(t, "token", "mint", "--key", key, "--user", "alice", "--expires", "6s")
	server := start(t, "127.0.0.1:0", "--set", "auth.keys=[{file: "+key+".pub}]", "--set", "auth.anonymous=false")
	p := peer(t)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			options := args{"name": transport, "url": "http://" + server.addr, "transports": []string{transport, "poll"}}
			options["tokens"] = []string{"no good", short, long}
			node.Do(t, p, "open", options)
			node.Do(t, p, "listen", args{"name": transport, "channel": transport})
			if offsets := node.Call[[]int](t, p, "publish", args{"name": transport, "channel": transport, "data": []int{1}}); !slices.Equal(offsets, []int{1}) {
				t.Errorf("the offsets are %v", offsets)
			}
			renewed := node.Call[struct {
				Renewals []bool
				User     string
			}](t, p, "renewed", args{"name": transport, "times": 3})
			if !slices.Equal(renewed.Renewals, []bool{false, true, true}) {
				t.Errorf("tokens were asked for with renew %v", renewed.Renewals)
			}
			if transport == "websocket" && renewed.User != "alice" {
				t.Errorf("the user is %q", renewed.User)
			}
			if offsets := node.Call[[]int](t, p, "publish", args{"name": transport, "channel": transport, "data": []int{2}}); !slices.Equal(offsets, []int{2}) {
				t.Errorf("the offsets are %v", offsets)
			}
			checkNumbers(t, told(t, p, transport, transport, 2), 2)
			states := node.Call[[]string](t, p, "states", args{"name": transport})
			if want := []string{"waiting unauthorized", "connecting", "open " + transport}; !slices.Equal(states, want) {
				t.Errorf("the states were %q, want %q", states, want)
			}
		})
	}
}

func TestATokenThatIsRefusedForGoodIsTheEnd(t *testing.T) {
	t.Parallel() // most of it is waiting
	key := filepath.Join(t.TempDir(), "key.pem")
	ringdown(t, "token", "keygen", "--out", key)
	server := start(t, "127.0.0.1:0", "--set", "auth.keys=[{file: "+key+".pub}]", "--set", "auth.anonymous=false")
	p := peer(t)
	node.Do(t, p, "open", args{"name": "ann", "url": "http://" + server.addr, "token": "no good"})
	node.Do(t, p, "been", args{"name": "ann", "state": "closed unauthorized"})
}
