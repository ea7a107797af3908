package servers_test

import (
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
			if !server.Does(test.compression) {
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
