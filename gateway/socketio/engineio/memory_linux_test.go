// The race detector makes everything larger.

//go:build !race

package engineio_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringdown/ringdown/gateway/socketio/engineio"
)

// TestAnIdleSessionIsSmall counts what a session holds at the server, the connection included: the clients are bare descriptors, which
// hold nothing in this process but in the kernel. RINGDOWN_SESSIONS says how many.
func TestAnIdleSessionIsSmall(t *testing.T) {
	sessions := 1000
	if n, err := strconv.Atoi(os.Getenv("RINGDOWN_SESSIONS")); err == nil {
		sessions = n
	}
	const head = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\nAccept-Language: en-US,en;q=0.9\r\n"
	for transport, bound := range map[string]int64{"websocket": 1400, "polling": 1100} { // bytes
		t.Run(transport, func(t *testing.T) {
			n := start(t, engineio.Handler{}, engineio.Options{NoWebSocket: transport == "polling"})
			target, err := url.Parse(n.web.URL)
			if err != nil {
				t.Fatal(err)
			}
			lines := make([]int, 0, sessions)
			defer func() {
				for _, fd := range lines {
					unix.Close(fd)
				}
			}()
			begin := func() {
				fd := begun(t, target, transport, head)
				if transport == "polling" { // which keeps its connection only while it polls
					unix.Close(fd)
					return
				}
				lines = append(lines, fd)
			}
			for range 100 { // what is allocated once
				begin()
			}
			before := settled(n)
			for range sessions {
				begin()
			}
			var each int64
			for looks := 0; looks == 0 || each > bound && looks < 50; looks++ { // what has ended is not gone at once on a busy machine
				each = (int64(settled(n)) - int64(before)) / int64(sessions)
			}
			if open := n.server.Stats().Sessions; open != sessions+100 {
				t.Fatalf("%d sessions, want %d", open, sessions+100)
			}
			t.Logf("%d bytes for each of %d sessions", each, sessions)
			if each > bound {
				t.Errorf("more than %d", bound)
			}
		})
	}
}

// settled is inUse, less the test's own record.
func settled(n *node) uint64 {
	n.mu.Lock()
	clear(n.conns)
	n.conns = make(map[string]*engineio.Conn)
	n.mu.Unlock()
	n.web.CloseClientConnections()
	time.Sleep(200 * time.Millisecond) // for goroutines of the HTTP server to end; more of them make only a worse figure
	return inUse()
}

// inUse is the memory of the heap and of stacks that is in use.
func inUse() uint64 {
	for range 3 { // finalizers and pools
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// begun begins a session, and returns its descriptor.
func begun(t *testing.T, target *url.URL, transport, head string) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(target.Port())
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte(net.ParseIP(target.Hostname()).To4())}); err != nil {
		t.Fatal(err)
	}
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	if transport == "websocket" {
		head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	say(t, fd, fmt.Appendf(nil, "GET /engine.io/?EIO=4&transport=%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", transport, target.Host, head))
	heard(t, fd, `"maxPayload"`)
	return fd
}

func say(t *testing.T, fd int, b []byte) {
	if _, err := unix.Write(fd, b); err != nil {
		t.Fatal(err)
	}
}

func heard(t *testing.T, fd int, want string) {
	var all strings.Builder
	b := make([]byte, 1024)
	for !strings.Contains(all.String(), want) {
		n, err := unix.Read(fd, b)
		if err == unix.EINTR { // the runtime's own signals
			continue
		}
		if err != nil || n == 0 {
			t.Fatalf("heard %q, then %v", all.String(), err)
		}
		all.Write(b[:n])
	}
}
