package limit

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestConnectionsAreCountedByAddressAndInAll(t *testing.T) {
	same := func(int) string { return "192.0.2.1" }
	each := func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }
	for _, c := range []struct {
		limit string
		set   func(*Connections)
		from  func(i int) string
		wait  bool
	}{
		{"connections.per_address", func(l *Connections) { l.PerAddress = 3 }, same, false},
		{"connections.in_all", func(l *Connections) { l.InAll = 3 }, each, false},
		{"connections.new_per_address", func(l *Connections) { l.NewPerAddress = Rate{1, 3} }, same, true},
		{"connections.new", func(l *Connections) { l.New = Rate{1, 3} }, each, true},
	} {
		t.Run(c.limit, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limits := off()
				c.set(&limits.Connections)
				n := start(t, limits)
				defer n.stop()
				var releases []func()
				admit := func(i int) error {
					release, err := n.Admit(netip.MustParseAddr(c.from(i)))
					if err == nil {
						releases = append(releases, release)
					}
					return err
				}
				for i := range 3 {
					if err := admit(i); err != nil {
						t.Fatal(err)
					}
				}
				for range 3 {
					if got := exceeded(t, admit(3)); got != c.limit {
						t.Fatalf("crossed %q", got)
					}
				}
				if c.wait {
					time.Sleep(time.Second)
				} else {
					releases[0]()
				}
				if err := admit(4); err != nil {
					t.Errorf("refused although there is room again: %v", err)
				}
				for _, release := range releases {
					release()
				}
				if n.Connections() != 0 || held(n.addresses) != 0 {
					t.Errorf("%d connections of %d addresses are left", n.Connections(), held(n.addresses))
				}
			})
		})
	}
}

func TestAListenerClosesWhoMayNotConnect(t *testing.T) {
	limits := off()
	limits.Connections.InAll = 1
	n := start(t, limits)
	defer n.stop()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	trusted := false
	l := n.Listener(inner, func(netip.Addr) bool { return trusted })
	defer l.Close()
	dial := func() net.Conn {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return nc
	}
	dial()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	second, accepted := dial(), make(chan net.Conn, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- nc
	}()
	second.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := second.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Fatalf("one too many is not closed: %v", err)
	}
	first.Close()
	first.Close()
	dial()
	third := <-accepted
	if n.Connections() != 1 {
		t.Errorf("%d connections are counted", n.Connections())
	}
	if _, ok := third.(interface{ Socket() net.Conn }).Socket().(*net.TCPConn); !ok {
		t.Error("an event loop could not take the connection over")
	}
	third.Close()
	trusted = true
	dial()
	proxied, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer proxied.Close()
	if n.Connections() != 0 {
		t.Error("a trusted proxy is counted")
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}
