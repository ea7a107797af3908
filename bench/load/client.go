//go:build linux

// Package load is the client side of the benchmarks: thousands of connections on one epoll loop and one thread.
//
// Everything it sends is prepared and everything it receives is checked, byte for byte. It spends a read and a write a
// message, as little as a client can, so that what limits a measurement is the server.
package load

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"github.com/ringdown/ringdown/loadtest"
	"golang.org/x/sys/unix"
)

const (
	dialsAtOnce    = 128              // handshakes in flight, well under the listener's backlog
	handshakeLimit = 5 * time.Second  // for one answer
	drainLimit     = 15 * time.Second // for the answers that are still out when a window ends
	eventsAtOnce   = 1024
	readBuffer     = 256 << 10
)

// A Client is a set of open connections that keep to one script. It belongs to one goroutine, which should be locked
// to its thread.
type Client struct {
	epoll   int
	conns   []conn
	events  []unix.EpollEvent
	read    []byte
	started time.Time // what the times of conns are relative to
	open    bool      // within a window: connections send their next burst
	out     int       // connections that wait for answers
	result  Result
}

type conn struct {
	fd      int
	say     *bursts
	checker checker
	next    int           // index of the burst to send
	unsent  []byte        // rest of a burst that the socket did not take
	owed    int           // answers that are still to come
	sent    time.Duration // when the burst was sent
}

// Result is what one window was like.
type Result struct {
	Messages  int
	Elapsed   time.Duration
	BytesIn   int
	BytesOut  int
	Latencies loadtest.Histogram // of each message, from the sending of its burst
}

// Dial opens count connections and performs their handshakes.
func Dial(server netip.AddrPort, count int, script *Script) (*Client, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	c := &Client{
		epoll:   epoll,
		conns:   make([]conn, 0, count),
		events:  make([]unix.EpollEvent, eventsAtOnce),
		read:    make([]byte, readBuffer),
		started: time.Now(),
	}
	request := handshakeRequest("http", server.String(), script.offer)
	for len(c.conns) < count {
		first := len(c.conns)
		for range min(dialsAtOnce, count-first) {
			fd, err := ask(server, request)
			if err != nil {
				c.Close()
				return nil, fmt.Errorf("connection %d: %w", len(c.conns), err)
			}
			c.conns = append(c.conns, conn{fd: fd})
		}
		for i := first; i < len(c.conns); i++ {
			if err := c.enter(i, script); err != nil {
				c.Close()
				return nil, fmt.Errorf("connection %d: %w", i, err)
			}
		}
	}
	return c, nil
}

// ask connects and sends the request, blocking.
func ask(server netip.AddrPort, request []byte) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	limit := unix.NsecToTimeval(handshakeLimit.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		// Closing resets: thousands of connections in TIME_WAIT would disturb the next measurement.
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		unix.Connect(fd, &unix.SockaddrInet4{Port: int(server.Port()), Addr: server.Addr().As4()}),
	)
	if err == nil {
		_, err = unix.Write(fd, request)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connecting: %w", err)
	}
	return fd, nil
}

// enter reads the answer to the handshake and puts the connection on the loop.
func (c *Client) enter(i int, script *Script) error {
	conn := &c.conns[i]
	answer := c.read[:0]
	for !bytes.HasSuffix(answer, headerEnd) {
		n, err := unix.Read(conn.fd, c.read[len(answer):8192])
		if err != nil || n == 0 {
			return fmt.Errorf("the handshake's answer ended at %q: %v", answer, err)
		}
		answer = c.read[:len(answer)+n]
	}
	agreed, err := parseAnswer(answer)
	if err != nil {
		return err
	}
	if conn.say, err = script.bursts(agreed); err != nil {
		return err
	}
	conn.checker = script.check(agreed)
	if err := unix.SetNonblock(conn.fd, true); err != nil {
		return err
	}
	return c.control(unix.EPOLL_CTL_ADD, i, unix.EPOLLIN)
}

func (c *Client) control(op, i int, events uint32) error {
	return unix.EpollCtl(c.epoll, op, c.conns[i].fd, &unix.EpollEvent{Events: events, Fd: int32(i)})
}

// Once sends one burst on every connection and waits for all answers.
func (c *Client) Once() (*Result, error) { return c.Run(0) }

// Run keeps a burst in flight on every connection for as long as d, then waits for the answers that are still out. So
// a window begins and ends with silence, and its messages are exactly those that the server worked on within it.
func (c *Client) Run(d time.Duration) (*Result, error) {
	begin := c.now()
	c.result, c.open = Result{}, d > 0
	for i := range c.conns {
		if err := c.send(i); err != nil {
			return nil, err
		}
	}
	limit := begin + d + drainLimit
	for c.out > 0 {
		if err := c.turn(c.answered); err != nil {
			return nil, err
		}
		now := c.now()
		c.open = now < begin+d
		if now > limit {
			return nil, fmt.Errorf("%d of %d connections have waited %v for an answer", c.out, len(c.conns), drainLimit)
		}
	}
	c.result.Elapsed = c.now() - begin
	result := c.result
	return &result, nil
}

func (c *Client) now() time.Duration { return time.Since(c.started) }

// turn handles what is ready, and tells taken of the messages that came over each connection. It polls instead of
// sleeping: a client that sleeps is woken by the server's write, and the server would be charged for that.
func (c *Client) turn(taken func(i, messages int) error) error {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(c.epoll), uintptr(unsafe.Pointer(&c.events[0])),
		uintptr(len(c.events)), 0, 0, 0)
	if errno == unix.EINTR {
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("polling: %w", errno)
	}
	for _, event := range c.events[:n] {
		i := int(event.Fd)
		if event.Events&unix.EPOLLOUT != 0 {
			if err := c.flush(i); err != nil {
				return err
			}
		}
		if event.Events&^unix.EPOLLOUT != 0 {
			messages, err := c.receive(i)
			if err != nil {
				return err
			}
			if err := taken(i, messages); err != nil {
				return err
			}
		}
	}
	return nil
}

// send begins the next burst.
func (c *Client) send(i int) error {
	conn := &c.conns[i]
	burst := conn.say.bytes[conn.next]
	conn.next = conn.say.after(conn.next)
	conn.owed = conn.say.messages
	conn.sent = c.now()
	c.out++
	return c.begin(i, burst)
}

// begin writes bytes on a connection that has nothing unsent; what the socket does not take is left to flush.
func (c *Client) begin(i int, bytes []byte) error {
	conn := &c.conns[i]
	conn.unsent = bytes
	if err := c.write(conn); err != nil || len(conn.unsent) == 0 {
		return err
	}
	return c.control(unix.EPOLL_CTL_MOD, i, unix.EPOLLIN|unix.EPOLLOUT)
}

// flush goes on with a burst that the socket did not take at once.
func (c *Client) flush(i int) error {
	conn := &c.conns[i]
	if err := c.write(conn); err != nil || len(conn.unsent) > 0 {
		return err
	}
	return c.control(unix.EPOLL_CTL_MOD, i, unix.EPOLLIN)
}

// write and receive never block, so they need not tell Go's scheduler (RawSyscall), which would cost more than they do.
func (c *Client) write(conn *conn) error {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(conn.fd),
		uintptr(unsafe.Pointer(&conn.unsent[0])), uintptr(len(conn.unsent)))
	if errno == unix.EAGAIN {
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("sending: %w", errno)
	}
	conn.unsent = conn.unsent[n:]
	c.result.BytesOut += int(n)
	return nil
}

// receive reads once and returns how many messages that completed.
func (c *Client) receive(i int) (messages int, err error) {
	conn := &c.conns[i]
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(conn.fd), uintptr(unsafe.Pointer(&c.read[0])), readBuffer)
	if errno != 0 {
		return 0, fmt.Errorf("receiving: %w", errno)
	}
	if n == 0 {
		return 0, fmt.Errorf("the server closed connection %d", i)
	}
	if messages, err = conn.checker.feed(c.read[:n]); err != nil {
		return 0, fmt.Errorf("connection %d: %w", i, err)
	}
	c.result.BytesIn += int(n)
	return messages, nil
}

// answered goes on with the script of a connection that has received done answers.
func (c *Client) answered(i, done int) error {
	conn := &c.conns[i]
	if done > conn.owed {
		return fmt.Errorf("connection %d: %d answers too many", i, done-conn.owed)
	}
	if done > 0 {
		c.result.Messages += done
		c.result.Latencies.Record(c.now()-conn.sent, done)
		if conn.owed -= done; conn.owed == 0 {
			c.out--
			if c.open {
				return c.send(i)
			}
		}
	}
	return nil
}

// Close closes all connections at once, without WebSocket's closing handshake.
func (c *Client) Close() {
	for i := range c.conns {
		unix.Close(c.conns[i].fd)
	}
	c.conns = nil
	unix.Close(c.epoll)
}
