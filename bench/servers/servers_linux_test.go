package servers_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ringdown/ringdown/bench/load"
	"github.com/ringdown/ringdown/bench/servers"
)

// Every server must give the right answers, byte for byte, to every script that it can be measured with: a figure of
// one that drops or alters messages would mean nothing.
func TestEveryServerEchoesEveryScript(t *testing.T) {
	const size, connections = 1024, 7
	scripts := map[string]struct {
		compression servers.Compression
		script      *load.Script
	}{
		"one in flight": {servers.Off, load.Echo(size, 1)},
		"pipelined":     {servers.Off, load.Echo(size, 16)},
		"no takeover":   {servers.NoTakeover, load.DeflateEcho(size, false)},
		"takeover":      {servers.Takeover, load.DeflateEcho(size, true)},
	}
	for _, server := range servers.All() {
		for name, test := range scripts {
			if !server.Does(servers.Echo, test.compression) {
				continue
			}
			t.Run(server.Name+"/"+name, func(t *testing.T) {
				ln, err := net.Listen("tcp4", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				go server.Serve(servers.Options{Listener: ln, Compression: test.compression, Payload: size})
				client, err := load.Dial(netip.MustParseAddrPort(ln.Addr().String()), connections, test.script)
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				result, err := client.Run(50 * time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				if result.Messages < connections {
					t.Errorf("%d messages over %d connections", result.Messages, connections)
				}
			})
		}
	}
}

// Every publication must reach every member once, in the order of the others.
func TestEveryRoomDeliversToAll(t *testing.T) {
	const size, connections = 128, 7
	for _, server := range servers.All() {
		if !server.Does(servers.Fanout, servers.Off) {
			continue
		}
		for _, inFlight := range []int{1, 16} {
			t.Run(fmt.Sprintf("%s/%d in flight", server.Name, inFlight), func(t *testing.T) {
				client, err := load.Dial(serve(t, server, servers.Fanout, nil), connections, load.Echo(size, 1))
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				if _, err := client.Once(); err != nil {
					t.Fatalf("joining: %v", err)
				}
				result, err := client.Publish(50*time.Millisecond, inFlight)
				if err != nil {
					t.Fatal(err)
				}
				if n := result.Messages; n < connections*inFlight || n%connections != 0 {
					t.Errorf("%d deliveries to %d connections, with %d publications in flight", n, connections, inFlight)
				}
			})
		}
	}
}

func TestEveryServerOfTLSEchoesOverIt(t *testing.T) {
	config, err := servers.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range servers.All() {
		if !server.Does(servers.IdleTLS, servers.Off) {
			continue
		}
		t.Run(server.Name, func(t *testing.T) {
			client, err := load.DialSecure(serve(t, server, servers.IdleTLS, config), 20, load.Echo(32, 2))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if result, err := client.Once(); err != nil || result.Messages != 40 {
				t.Errorf("%+v, %v; want 40 messages", result, err)
			}
		})
	}
}

// serve starts a server, which lives as long as the test's process, and returns its address.
func serve(t *testing.T, server *servers.Server, k servers.Kind, config *tls.Config) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go server.Run(k, servers.Options{Listener: ln, TLS: config, Payload: 128})
	return netip.MustParseAddrPort(ln.Addr().String())
}
