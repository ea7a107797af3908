//go:build linux

// Revocations and the nodes: whatever happens between them, a token that one refuses is refused by all.

package faults

import (
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ringdown/ringdown/auth"
	"github.com/ringdown/ringdown/test/servers"
)

const tokenSecret = "correct-horse-battery-staple-32-bytes-at-least"

// joinWithTokens starts a node that takes tokens.
func joinWithTokens(t *testing.T, name, broker string) *process {
	t.Helper()
	return join(t, name, "127.0.0.1:0", broker, "--set", "auth.keys=[{secret: "+tokenSecret+"}]")
}

func tokenOf(t *testing.T, user string) string {
	t.Helper()
	key, err := auth.NewSigningKey("", []byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	text, err := auth.Mint(&auth.Claims{User: user, IssuedAt: now.Add(-time.Minute), Expires: now.Add(time.Hour)}, key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// refuses waits until a node refuses a token.
func (p *process) refuses(t *testing.T, what, token string) {
	t.Helper()
	eventually(t, what, func() bool { return p.statusFor(t, token) == http.StatusUnauthorized })
}

func (p *process) statusFor(t *testing.T, token string) int {
	t.Helper()
	var ignored any
	return p.ask(t, http.MethodGet, "/channels/lobby", "", &ignored, "Authorization: Bearer "+token)
}

func TestARevocationReachesNodesThatWereAwayAndThoseThatCome(t *testing.T) {
	t.Parallel()
	broker := redis(t).URL()
	a, b := joinWithTokens(t, "a", broker), joinWithTokens(t, "b", broker)
	ann, bob := tokenOf(t, "ann"), tokenOf(t, "bob")
	here, there, away := a.connect(t, "token="+ann, "lobby"), b.connect(t, "token="+ann, "lobby"), b.connect(t, "token="+bob, "lobby")
	var is whole
	if a.ask(t, "POST", "/api/v1/revoke", `{"user":"ann"}`, &is); !is.Revoked || is.Incomplete != nil {
		t.Errorf("%+v", is)
	}
	<-here.ended
	<-there.ended
	b.freeze(t)
	var late whole
	if a.ask(t, "POST", "/api/v1/revoke", `{"user":"bob"}`, &late); !late.Revoked || !slices.Equal(late.Incomplete, []string{"b"}) {
		t.Errorf("with a node that stands still: %+v", late)
	}
	b.cmd.Process.Signal(syscall.SIGCONT)
	<-away.ended
	c := joinWithTokens(t, "c", broker)
	c.refuses(t, "a node that comes later refuses the token of ann", ann)
	c.refuses(t, "a node that comes later refuses the token of bob", bob)
	c.stop(t) // its log tells of races at the start
}

func TestARevocationReachesNodesThatWereCutOff(t *testing.T) {
	t.Parallel()
	broker := redis(t)
	link := servers.NewLink(t, broker.Addr)
	a, b := joinWithTokens(t, "a", broker.URL()), joinWithTokens(t, "b", "redis://"+link.Addr)
	onA, onB := tokenOf(t, "ann"), tokenOf(t, "bob")
	if a.statusFor(t, onA) != 200 || b.statusFor(t, onB) != 200 {
		t.Fatal("the tokens are not taken")
	}
	link.Cut()
	var is whole
	if a.ask(t, "POST", "/api/v1/revoke", `{"user":"ann"}`, &is); !is.Revoked || !slices.Equal(is.Incomplete, []string{"b"}) {
		t.Errorf("with a node that is cut off: %+v", is)
	}
	var alone whole
	if b.ask(t, "POST", "/api/v1/revoke", `{"user":"bob"}`, &alone); !alone.Revoked || !slices.Equal(alone.Incomplete, []string{"*"}) {
		t.Errorf("by the node that is cut off: %+v", alone)
	}
	link.Mend()
	b.refuses(t, "the node that was cut off has learned of a revocation", onA)
	a.refuses(t, "the other one has learned of its revocation", onB)
}

func TestARevocationReachesNodesThatRedisHasForgotten(t *testing.T) {
	t.Parallel()
	broker := redis(t)
	all := []*process{joinWithTokens(t, "a", broker.URL()), joinWithTokens(t, "b", broker.URL())}
	eventually(t, "the nodes know each other", func() bool {
		var is whole
		return all[0].ask(t, "GET", "/api/v1/nodes", "", &is) == 200 && len(is.Nodes) == 2
	})
	broker.Flush()
	ann := tokenOf(t, "ann")
	var is whole
	if all[0].ask(t, "POST", "/api/v1/revoke", `{"user":"ann"}`, &is); !is.Revoked {
		t.Errorf("%+v", is)
	}
	all = append(all, joinWithTokens(t, "c", broker.URL()))
	for _, p := range all {
		p.refuses(t, "every node refuses the token", ann)
	}
}

func TestANodeThatRedisHasForgottenIsNotLeftOutOfAnswers(t *testing.T) {
	t.Parallel()
	broker := redis(t)
	a, b := join(t, "a", "127.0.0.1:0", broker.URL()), join(t, "b", "127.0.0.1:0", broker.URL())
	b.connect(t, "user=ann", "lobby")
	whole := func() (is whole) {
		a.ask(t, "GET", "/api/v1/nodes", "", &is)
		return is
	}
	eventually(t, "the nodes know each other", func() bool { return len(whole().Nodes) == 2 })
	broker.Flush()
	for range 10 {
		if is := whole(); len(is.Nodes) < 2 && is.Incomplete == nil {
			t.Fatalf("of two nodes the answer has %+v, and says that it is complete", is.Nodes)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
