package embedded

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines is a log that remembers.
type lines struct {
	mu  sync.Mutex // guards what follows
	all strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// pair starts two servers that know each other, with a secret each.
func pair(t *testing.T, one, two string) (servers [2]*Server, log *lines) {
	t.Helper()
	return pairOf(t, Options{Secret: one}, Options{Secret: two})
}

// pairOf starts two servers that know each other, each with options of its own.
func pairOf(t *testing.T, one, two Options) (servers [2]*Server, log *lines) {
	t.Helper()
	var addresses [2]string
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addresses[i] = l.Addr().String()
		l.Close()
	}
	log = new(lines)
	for i, o := range [2]Options{one, two} {
		o.Dir, o.Node, o.Listen, o.Routes = t.TempDir(), fmt.Sprint("node", i), addresses[i], []string{addresses[1-i]}
		o.Log = slog.New(slog.NewTextHandler(log, nil))
		s, err := Start(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		servers[i] = s
	}
	return servers, log
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not after 30 s: %s", what)
		}
	}
}

func TestOnlyWhoKnowsTheSecretIsLetIn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, one, two string
		together       bool
	}{
		{"the same", "s3cret/@", "s3cret/@", true},
		{"none", "", "", true},
		{"another", "s3cret", "secret", false},
		{"none on one side", "s3cret", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			servers, log := pair(t, test.one, test.two)
			if test.together {
				eventually(t, "they know each other", func() bool { return servers[0].server.NumRoutes() > 0 && servers[1].server.NumRoutes() > 0 })
				return
			}
			eventually(t, "one is refused", func() bool { return strings.Contains(strings.ToLower(log.String()), "authentication error") })
			if n, m := servers[0].server.NumRoutes(), servers[1].server.NumRoutes(); n > 0 && m > 0 { // one counts a route until the other has refused it
				t.Errorf("%d and %d routes have come about", n, m)
			}
			for _, secret := range []string{"s3cret", "=secret"} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("the log tells the secret: %s", log)
				}
			}
		})
	}
}
