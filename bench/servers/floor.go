package servers

// This file: the floor, which no server can go below: one level-triggered epoll loop that reads what has come, counts
// it, and writes as many answers. It parses nothing behind the handshake: it was told the size of every message, and
// its answers were encoded before the first one arrived. Its fan-out is a bare non-blocking `write` for each publication and
// socket, from that one thread. Reads and writes never block, so they need not tell Go's
// scheduler (RawSyscall): not even that overhead is in the floor.

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ringdown/ringdown/bench/frames"
)

func init() {
	register(&Server{
		Name:   "floor",
		About:  "no WebSocket: one epoll loop, a bare `read` and `write` of prepared frames; fan-out: a bare `write` to each socket",
		Kinds:  []Kind{Echo, Pipelined, Idle, Fanout},
		Serve:  func(o Options) error { return serveFloor(o, false) },
		Fanout: func(o Options) error { return serveFloor(o, true) },
	})
}

const (
	floorReadBuffer = 64 << 10
	floorEvents     = 1024 // events of one epoll_wait
	floorMaxFD      = 1 << 16
	floorBurst      = 64 // answers that are laid out side by side for one write
)

type floorLoop struct {
	epoll     int
	request   int    // bytes of a client's frame
	answer    int    // bytes of the answer to it
	answers   []byte // floorBurst answers
	read      []byte
	conns     []floorConn // by file descriptor
	listening int
	file      *os.File // owns listening
	fanout    bool
	members   []int                       // file descriptors that have joined
	relay     func(from int, read []byte) // takes everything behind the handshakes; nil unless this is a relay
}

type floorConn struct {
	open    bool // the handshake is behind
	joined  bool // a member of the room
	pending int  // bytes of an unfinished frame
}

func serveFloor(o Options, fanout bool) error {
	payload := frames.Payload(o.Payload)
	h := frames.Header{Fin: true, Opcode: frames.OpBinary}
	answer := frames.Server(nil, h, payload)
	l := &floorLoop{
		request: len(frames.Client(nil, h, [4]byte{}, payload)),
		answer:  len(answer),
		answers: bytes.Repeat(answer, floorBurst),
		read:    make([]byte, floorReadBuffer),
		conns:   make([]floorConn, floorMaxFD),
		fanout:  fanout,
	}
	if err := l.listen(o.Listener); err != nil {
		return err
	}
	return l.run()
}

func (l *floorLoop) listen(ln net.Listener) (err error) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("the floor listens on TCP only, not on %T", ln)
	}
	if l.file, err = tcp.File(); err != nil {
		return err
	}
	l.listening = int(l.file.Fd())
	if err := unix.SetNonblock(l.listening, true); err != nil {
		return err
	}
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	return l.watch(l.listening)
}

func (l *floorLoop) watch(fd int) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (l *floorLoop) run() error {
	events := make([]unix.EpollEvent, floorEvents)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, event := range events[:max(n, 0)] {
			if int(event.Fd) == l.listening {
				l.accept()
			} else if err := l.serve(int(event.Fd)); err != nil {
				l.drop(int(event.Fd))
			}
		}
	}
}

func (l *floorLoop) accept() {
	for {
		fd, _, err := unix.Accept4(l.listening, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if fd >= floorMaxFD || l.watch(fd) != nil {
			unix.Close(fd)
			continue
		}
		l.conns[fd] = floorConn{}
	}
}

func (l *floorLoop) drop(fd int) {
	if i := slices.Index(l.members, fd); i >= 0 {
		l.members = slices.Delete(l.members, i, i+1)
	}
	unix.Close(fd)
}

var errFloorGone = errors.New("the client has gone")

func (l *floorLoop) serve(fd int) error {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&l.read[0])), floorReadBuffer)
	if errno != 0 {
		return errno
	}
	if n == 0 {
		return errFloorGone
	}
	c := &l.conns[fd]
	if !c.open {
		c.open = true
		if l.relay != nil {
			l.members = append(l.members, fd)
		}
		return floorHandshake(fd, l.read[:n])
	}
	if l.relay != nil {
		l.relay(fd, l.read[:n])
		return nil
	}
	c.pending += int(n)
	whole := c.pending / l.request
	c.pending -= whole * l.request
	if l.fanout && c.joined {
		l.publish(whole)
		return nil
	}
	if l.fanout && whole > 0 {
		c.joined = true
		l.members = append(l.members, fd)
	}
	for whole > 0 {
		burst := min(whole, floorBurst)
		if err := floorWrite(fd, l.answers[:burst*l.answer]); err != nil {
			return err
		}
		whole -= burst
	}
	return nil
}

// publish sends each publication to each member by itself. A member that is gone is dropped when the loop reads that.
func (l *floorLoop) publish(publications int) {
	for range publications {
		for _, fd := range l.members {
			_ = floorWrite(fd, l.answers[:l.answer])
		}
	}
}

// floorHandshake answers a request that came in one segment, which on loopback it does.
func floorHandshake(fd int, request []byte) error {
	const name, guid = "Sec-WebSocket-Key: ", "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	_, rest, found := bytes.Cut(request, []byte(name))
	key, _, ended := bytes.Cut(rest, []byte("\r\n"))
	if !found || !ended {
		return errors.New("no key in the handshake")
	}
	sum := sha1.Sum(append(bytes.Clone(key), guid...))
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
	return floorWrite(fd, []byte(answer))
}

// floorWrite waits for a slow reader where a server would queue: the client of the benchmarks always reads on.
func floorWrite(fd int, p []byte) error {
	for len(p) > 0 {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		switch errno {
		case 0:
			p = p[n:]
		case unix.EAGAIN:
			writable := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			if _, err := unix.Poll(writable, 1000); err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
		default:
			return errno
		}
	}
	return nil
}
