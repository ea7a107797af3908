// The race detector makes everything larger.

//go:build !race

package socketio_test

import (
	"encoding/json"
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

	"github.com/ringdown/ringdown/gateway/socketio"
)

// TestAnIdleClientIsSmall counts what a client holds that has three handlers and is in one room, its connection included. The clients are bare
// descriptors, which hold nothing in this process but in the kernel. RINGDOWN_CLIENTS says how many.
func TestAnIdleClientIsSmall(t *testing.T) {
	const bound = 2000 // bytes
	clients := 1000
	if n, err := strconv.Atoi(os.Getenv("RINGDOWN_CLIENTS")); err == nil {
		clients = n
	}
	n := start(t, socketio.Options{})
	n.OnConnection(func(s *socketio.Socket) {
		s.On("join", func(room string, done socketio.Ack) error {
			defer done.Send()
			return s.Join(room)
		})
		s.On("publish", func(room string, data json.RawMessage) error { return n.Of("/").To(room).Emit("message", data) })
		s.On("echo", func(data json.RawMessage, done socketio.Ack) { done.Send(data) })
	})
	target, err := url.Parse(n.url)
	if err != nil {
		t.Fatal(err)
	}
	lines := make([]int, 0, clients+100)
	defer func() {
		for _, fd := range lines {
			unix.Close(fd)
		}
	}()
	for range 100 { // what is allocated once
		lines = append(lines, joined(t, target))
	}
	before := inUse()
	for range clients {
		lines = append(lines, joined(t, target))
	}
	each := (int64(inUse()) - int64(before)) / int64(clients)
	t.Logf("%d bytes for each of %d clients", each, clients)
	if each > bound {
		t.Errorf("more than %d", bound)
	}
}

// inUse is what of the heap is in use. Stacks are the few goroutines', however many clients there are.
func inUse() uint64 {
	time.Sleep(200 * time.Millisecond) // for goroutines to end; more of them make only a worse figure
	for range 3 {                      // finalizers and pools
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// joined connects a client that is in one room, and returns its descriptor.
func joined(t *testing.T, target *url.URL) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(target.Port())
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte(net.ParseIP(target.Hostname()).To4())}); err != nil {
		t.Fatal(err)
	}
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(patience / time.Second)})
	say(t, fd, fmt.Appendf(nil, "GET %s&transport=websocket HTTP/1.1\r\nHost: %s\r\n"+
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", target.RequestURI(), target.Host))
	heard(t, fd, `"maxPayload"`)
	say(t, fd, masked("40"))
	heard(t, fd, `40{"sid"`)
	say(t, fd, masked(`420["join","lobby"]`))
	heard(t, fd, `430[]`)
	return fd
}

// masked is a short text as a client's frame, under the mask of zeros.
func masked(text string) []byte {
	return append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
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
