package rooms

import (
	"bytes"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/bench/servers"
)

func TestSubscribersOfAProcessTellWhenTheyHeard(t *testing.T) {
	ln := listen(t)
	go servers.Relay(ln, PayloadSize)
	const count = 7
	out, said := io.Pipe()
	in, end := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Listen(in, said, ln.Addr().String(), count) }()
	if h, err := nextHearing(out, count); err != nil || !h.joined {
		t.Fatalf("they said %+v, %v", h, err)
	}
	c, err := newCrowd(netip.MustParseAddrPort(ln.Addr().String()), &floor.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	publisher, err := c.publisher()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		before := monotonic()
		if err := c.send(publisher, c.protocol.publication(nil, "", sheet(n))); err != nil {
			t.Fatal(err)
		}
		h, err := nextHearing(out, count)
		if err != nil || h.number != n || len(h.times) != count {
			t.Fatalf("they said %+v, %v", h, err)
		}
		if after := monotonic(); slices.Min(h.times) < before || slices.Max(h.times) > after {
			t.Errorf("publication %d was heard between %v and %v, and sent between %v and %v", n, slices.Min(h.times), slices.Max(h.times), before, after)
		}
	}
	end.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotSaidBySubscribersIsAnError(t *testing.T) {
	for _, said := range []string{"", "x", "h", "h1234567"} {
		if h, err := nextHearing(strings.NewReader(said), 3); err == nil {
			t.Errorf("%q was read as %+v", said, h)
		}
	}
	if _, err := nextHearing(bytes.NewReader([]byte{saysJoined}), 3); err != nil {
		t.Error(err)
	}
}

func TestReachIsCountedFromTheSendingOn(t *testing.T) {
	var heard []time.Duration
	for i := range 101 { // backwards
		heard = append(heard, time.Second+time.Duration(101-i)*time.Millisecond)
	}
	want := Reach{First: time.Millisecond, Median: 51 * time.Millisecond, P99: 100 * time.Millisecond, Last: 101 * time.Millisecond}
	if got := reachOf(time.Second, heard); got != want {
		t.Errorf("it is %+v, want %+v", got, want)
	}
	one := Reach{time.Second, time.Second, time.Second, time.Second}
	if got := reachOf(0, []time.Duration{time.Second}); got != one {
		t.Errorf("of one it is %+v", got)
	}
}

func TestConnectionsAreSharedEvenly(t *testing.T) {
	for _, c := range []struct {
		connections, nodes int
		want               []int
	}{
		{100_000, 6, []int{16667, 16667, 16667, 16667, 16666, 16666}},
		{3, 3, []int{1, 1, 1}},
		{5, 1, []int{5}},
	} {
		if got := shares(c.connections, c.nodes); !slices.Equal(got, c.want) {
			t.Errorf("%d over %d is %v, want %v", c.connections, c.nodes, got, c.want)
		}
	}
}

func TestSubscribersAreDealtOutOverNodes(t *testing.T) {
	a, b, third := netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2"), netip.MustParseAddrPort("127.0.0.1:3")
	c := &crowd{server: a, beside: []netip.AddrPort{b, third}}
	for i, want := range []netip.AddrPort{a, b, third, a, b} {
		if got := c.node(i); got != want {
			t.Errorf("subscriber %d is at %v, want %v", i, got, want)
		}
	}
	if got := (&crowd{server: a}).node(5); got != a {
		t.Errorf("with one node, subscriber 5 is at %v", got)
	}
}

func TestBrokersTellTheirVersion(t *testing.T) {
	for said, want := range map[string]string{
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64": "b 7.0.15",
		"nats-server: v2.9.10\n":             "b 2.9.10",
		"Valkey server v=8.1.0 sha=00000000": "b 8.1.0",
		"very nice":                          "b, version unknown",
		"":                                   "b, version unknown",
	} {
		if got := brokerVersion("b", said); got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
	}
}

func TestNodesAreGivenTheirBrokerLast(t *testing.T) {
	broker := func(*Shop) (Program, error) { return Program{Version: "broker 1"}, nil }
	command := []string{"server", "--port"}
	server := func(*Shop) (Program, error) {
		return Program{Version: "server 2", Command: func(int, string) ([]string, error) { return command, nil }}, nil
	}
	p, err := over("redis", broker, server)(nil)
	if err != nil || p.Version != "server 2, broker 1" || p.Broker == nil {
		t.Fatalf("the program is %+v, %v", p, err)
	}
	for range 2 {
		got, err := p.Node(netip.MustParseAddrPort("127.0.0.1:6"), 5, "")
		if want := []string{"server", "--port", "redis://127.0.0.1:6"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("the command is %q, %v, want %q", got, err, want)
		}
	}
}

func TestConnectionsLeaveSeveralAddresses(t *testing.T) {
	for i, want := range map[int][4]byte{0: {127, 0, 0, 1}, perSource - 1: {127, 0, 0, 1}, perSource: {127, 0, 0, 2}, 17_000: {127, 0, 0, 3}} {
		if got := sourceOf(i); got != want {
			t.Errorf("connection %d leaves %v, want %v", i, got, want)
		}
	}
}
