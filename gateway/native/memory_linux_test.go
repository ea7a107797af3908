// The race detector makes everything larger.

//go:build !race

package native_test

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

	"github.com/ringdown/ringdown/gateway/native"
)

// TestAnIdleSessionIsSmall counts what a session with one subscription holds at the server, the connection included: the clients are bare
// descriptors, which hold nothing in this process but in the kernel. RINGDOWN_SESSIONS says how many.
func TestAnIdleSessionIsSmall(t *testing.T) {
	sessions := 1000
	if n, err := strconv.Atoi(os.Getenv("RINGDOWN_SESSIONS")); err == nil {
		sessions = n
	}
	const bound = 1536 // bytes
	n := start(t, native.Options{})
	target, err := url.Parse(n.url)
	if err != nil {
		t.Fatal(err)
	}
	lines := make([]int, 0, sessions)
	defer func() {
		for _, fd := range lines {
			unix.Close(fd)
		}
	}()
	for range 100 { // what is allocated once
		lines = append(lines, subscribed(t, target))
	}
	before := inUse()
	for range sessions {
		lines = append(lines, subscribed(t, target))
	}
	if open := n.hub.Subscribers("updates"); open != sessions+100 {
		t.Fatalf("%d subscribers, want %d", open, sessions+100)
	}
	var each int64
	for looks := 0; looks == 0 || each > bound && looks < 50; looks++ { // what has ended is not gone at once on a busy machine
		time.Sleep(time.Duration(min(looks, 1)) * 200 * time.Millisecond)
		each = (int64(inUse()) - int64(before)) / int64(sessions)
	}
	t.Logf("%d bytes for each of %d sessions", each, sessions)
	if each > bound {
		t.Errorf("more than %d", bound)
	}
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

// subscribed opens a session that is subscribed to a channel, and returns its descriptor.
func subscribed(t *testing.T, target *url.URL) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(target.Port())
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte(net.ParseIP(target.Hostname()).To4())}); err != nil {
		t.Fatal(err)
	}
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	say(t, fd, fmt.Appendf(nil, "GET /connect HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", target.Host))
	heard(t, fd, `"type":"welcome"`)
	command := `{"type":"subscribe","channel":"updates"}`
	say(t, fd, append([]byte{0x81, 0x80 | byte(len(command)), 0, 0, 0, 0}, command...)) // a mask of zeros changes nothing
	heard(t, fd, `"type":"subscribed"`)
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
