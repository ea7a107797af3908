package epoll

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair is two ends of a TCP connection: a descriptor of ours, and the peer's.
func pair(t *testing.T) (int32, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	fd, _, ok := Take(nc)
	if !ok {
		t.Fatal("the descriptor was not taken")
	}
	if _, err := nc.Write([]byte("x")); err == nil {
		t.Error("the net.Conn is still open")
	}
	return fd, peer
}

func open(t *testing.T) *Poll {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestADescriptorIsReadyWithItsData(t *testing.T) {
	p := open(t)
	fd, peer := pair(t)
	defer Close(fd)
	const data = 7<<32 | 3
	if err := p.Add(fd, In|HungUp, data); err != nil {
		t.Fatal(err)
	}
	ready, buf := make([]Event, 4), make([]byte, 16)
	if n := p.Ready(ready); n != 0 {
		t.Fatalf("%d are ready, and nothing has come", n)
	}
	if _, errno := Read(fd, buf); errno != unix.EAGAIN {
		t.Errorf("Read of nothing: %v", errno)
	}
	peer.Write([]byte("hello"))
	if n := p.Wait(ready); n != 1 {
		t.Fatalf("%d are ready", n)
	}
	if got, ok := p.Data(&ready[0]); !ok || got != data || ready[0].Events&In == 0 {
		t.Errorf("data %#x, %t, events %#x", got, ok, ready[0].Events)
	}
	if n, errno := Read(fd, buf); errno != 0 || string(buf[:n]) != "hello" {
		t.Errorf("read %q, %v", buf[:max(n, 0)], errno)
	}
	if err := p.Change(fd, Out, data); err != nil || p.Wait(ready) != 1 || ready[0].Events != Out {
		t.Errorf("not ready for writing: %v, events %#x", err, ready[0].Events)
	}
	if n, errno := Write(fd, []byte("back")); n != 4 || errno != 0 {
		t.Errorf("wrote %d, %v", n, errno)
	}
	p.Remove(fd)
	if n := p.Ready(ready); n != 0 {
		t.Errorf("%d are ready, and none is watched", n)
	}
}

func TestWakeEndsAWait(t *testing.T) {
	p := open(t)
	time.AfterFunc(time.Millisecond, p.Wake)
	ready := make([]Event, 4)
	for p.Wait(ready) == 0 { // a signal
	}
	if _, ok := p.Data(&ready[0]); ok {
		t.Error("Wake looks like a descriptor")
	}
	if n := p.Ready(ready); n != 0 {
		t.Errorf("it wakes for ever: %d", n)
	}
}

func TestADescriptorGoesBackToPackageNet(t *testing.T) {
	fd, peer := pair(t)
	if got := RemoteAddr(fd).String(); got != peer.LocalAddr().String() {
		t.Errorf("the peer is %s, want %s", got, peer.LocalAddr())
	}
	if got := LocalAddr(fd).String(); got != peer.RemoteAddr().String() {
		t.Errorf("we are %s, want %s", got, peer.RemoteAddr())
	}
	nc, err := Give(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	peer.Write([]byte("on"))
	buf := make([]byte, 2)
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := nc.Read(buf); err != nil || string(buf[:n]) == "" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if RemoteAddr(-1) != nil {
		t.Error("no descriptor has an address")
	}
}

func TestAWrappedConnectionIsLeftAlone(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	defer a.Close()
	if _, _, ok := Take(struct{ net.Conn }{a}); ok {
		t.Error("it was taken")
	}
}
