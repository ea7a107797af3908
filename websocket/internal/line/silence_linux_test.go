package line

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

// No packet is lost on loopback, so what can be seen is what the kernel was asked for.
func TestTheKernelIsAskedToMissAPeer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	LimitSilence(wrapped{nc}, 20*time.Second, 9*time.Second)
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		for option, want := range map[int]int{
			unix.TCP_USER_TIMEOUT: 29_000, unix.TCP_KEEPIDLE: 20, unix.TCP_KEEPINTVL: 3, unix.TCP_KEEPCNT: 3,
		} {
			if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option); err != nil || got != want {
				t.Errorf("option %d is %d, %v, want %d", option, got, err, want)
			}
		}
	})
	LimitSilence(wrapped{nil}, time.Second, time.Second) // no TCP: nothing happens
}
