package brokers

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/server/config"
)

func TestWhatEachNodeMakesOfTheSameAddresses(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "")
	t.Chdir(t.TempDir())
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	named, _ := nameOf(":6222")
	for _, test := range []struct {
		what                    string
		broker                  config.Broker
		node, listen, dir, rest string // routes
	}{
		{"one by itself listens for nobody", config.Broker{Embedded: config.Embedded{Nodes: []string{"nats://127.0.0.1:6222"}}},
			"127-0-0-1-6222", "", "ringdown-data/127-0-0-1-6222-alone", ""},
		{"the first of this machine is its own", config.Broker{Embedded: config.Embedded{Nodes: []string{"nats://203.0.113.1", "nats://127.0.0.1:1", "nats://127.0.0.1:2"}, Dir: "/d"}},
			"127-0-0-1-1", "127.0.0.1:1", "/d/127-0-0-1-1", "203.0.113.1:6222 127.0.0.1:2"},
		{"an address without a host is its own", config.Broker{Node: "n", Embedded: config.Embedded{Nodes: []string{"nats://203.0.113.1", "nats://:6222"}}},
			"n", ":6222", "ringdown-data/n", "203.0.113.1:6222"},
		{"it is named after the host", config.Broker{Embedded: config.Embedded{Nodes: []string{"nats://:6222", "nats://203.0.113.1"}}},
			named, ":6222", "ringdown-data/" + named, "203.0.113.1:6222"},
		{"who is told where to listen need not be among them", config.Broker{Node: "n", Embedded: config.Embedded{Nodes: []string{"nats://203.0.113.1", "nats://203.0.113.2"}, Listen: "127.0.0.1:7"}},
			"n", "127.0.0.1:7", "ringdown-data/n", "203.0.113.1:6222 203.0.113.2:6222"},
		{"a name is listened for everywhere, but for localhost", config.Broker{Node: "n", Embedded: config.Embedded{Nodes: []string{"nats://localhost:5", "nats://203.0.113.2"}}},
			"n", "localhost:5", "ringdown-data/n", "203.0.113.2:6222"},
	} {
		o, err := embeddedOptions(&test.broker, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
			continue
		}
		if o.Node != test.node || o.Listen != test.listen || o.Dir != filepath.FromSlash(test.dir) || strings.Join(o.Routes, " ") != test.rest || o.Nodes != len(test.broker.Embedded.Nodes) {
			t.Errorf("%s: %+v", test.what, o)
		}
	}
	if listenAt(host+":6222") != ":6222" {
		t.Errorf("a node called %s listens at %q", host, listenAt(host+":6222"))
	}
}

func TestANodeThatIsNotAmongTheAddressesIsTold(t *testing.T) {
	c := &config.Broker{Embedded: config.Embedded{Nodes: []string{"nats://203.0.113.1", "nats://203.0.113.2"}}}
	if _, err := Open(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "none of 203.0.113.1:6222, 203.0.113.2:6222 is an address of this machine") {
		t.Errorf("%v", err)
	}
}

func TestANameIsShortAndStaysTheSame(t *testing.T) {
	long := strings.Repeat("long.", 20) + "example:6222"
	one, _ := nameOf(long)
	two, _ := nameOf(long)
	other, _ := nameOf("x" + long)
	if one != two || one == other || len(one) > hub.MaxNodeName {
		t.Errorf("%q, %q, %q", one, two, other)
	}
}

func TestWhatServersShowEachOtherIsNotTheSecret(t *testing.T) {
	const secret = "correct-horse-battery-staple-32-bytes-at-least"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	nodes := config.Embedded{Nodes: []string{"nats://127.0.0.1:1", "nats://127.0.0.1:2"}}
	written, err := embeddedOptions(&config.Broker{Embedded: nodes, Cluster: config.Cluster{Secret: secret}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	read, err := embeddedOptions(&config.Broker{Embedded: nodes, Cluster: config.Cluster{SecretFile: file}}, slog.New(slog.DiscardHandler))
	if err != nil || written.Secret == "" || written.Secret != read.Secret || strings.Contains(written.Secret, secret) {
		t.Errorf("%q and %q: %v", written.Secret, read.Secret, err)
	}
}

// A node that was started twice must not open its store twice.
func TestAnAddressThatIsTakenIsExplained(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	c := &config.Broker{Prefix: "p", Embedded: config.Embedded{Nodes: []string{"nats://" + l.Addr().String(), "nats://127.0.0.1:1"}, Dir: dir}}
	if _, err := Open(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "is this node running already?") {
		t.Errorf("%v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("it has stored %v", entries)
	}
}

// One node by itself keeps its history over a restart.
func TestANodeByItselfKeepsWhatItHad(t *testing.T) {
	d := config.Default().Broker
	d.Embedded = config.Embedded{Nodes: []string{"nats://127.0.0.1:6222"}, Dir: t.TempDir()}
	var first hub.Published
	for round := range 2 {
		b, err := Open(&d, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Start(silent{}); err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			first, err = b.Publish(t.Context(), &hub.Publication{Channel: "x", Payload: []byte("hello")}, hub.Storing{Retention: hub.Retention{Count: 10}})
		} else {
			var h hub.History
			h, err = b.History(t.Context(), "x", hub.Query{Limit: 10, Retention: hub.Retention{Count: 10}})
			if len(h.Publications) != 1 || h.Top != first.Position {
				t.Errorf("after a restart there is %+v, not what was published at %v", h, first.Position)
			}
		}
		if err != nil {
			t.Error(err)
		}
		b.Close()
	}
}

// silent is a sink that takes no notice.
type silent struct{ hub.Sink }
