package rooms

// This file: the client. Thousands of sessions on one epoll loop and one thread; it reads cheaply and checks everything.

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/ringdown/ringdown/bench/frames"
	"github.com/ringdown/ringdown/loadtest"
	"golang.org/x/sys/unix"
)

const (
	joinsAtOnce  = 128              // well under any server's backlog
	patience     = 20 * time.Second // for what a server owes, before it is said to have failed
	eventsAtOnce = 1024
	readBuffer   = 256 << 10
)

// A crowd is the open sessions of one measurement. It belongs to one goroutine, locked to its thread.
type crowd struct {
	server   netip.AddrPort
	beside   []netip.AddrPort // the other nodes, if there are any: subscribers are dealt out over all, and publishers are at server
	protocol *Protocol
	epoll    int
	sessions []*session
	events   []unix.EpollEvent
	buffer   []byte
	started  time.Time // what times are relative to

	joined int                // sessions that are subscribed, or greeted
	joins  loadtest.Histogram // of each, from connecting

	unordered bool // publications come from many sources, in no order that a subscriber could be held to

	// What the measurement hears: publication n on a session, and answers to what was posted.
	heard    func(s *session, n int) error
	answered func(s *session) error
	hear     func(m message) error // c.message, made once
	current  *session              // that hear is called for
}

// A session is one connection to the server.
type session struct {
	index     int
	fd        int
	stream    Stream
	exchanges []Exchange
	step      int // the exchange it is at
	open      bool
	joined    bool
	deaf      bool // it only publishes: what it hears is not counted
	decoder   decoder
	reader    reader
	rest      []byte // bytes of a message that has not come whole
	unsent    []byte // bytes that the socket did not take
	began     time.Duration
	next      int    // number of the next publication
	last      []byte // the last message before it had joined, for errors
}

func newCrowd(server netip.AddrPort, protocol *Protocol) (*crowd, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	c := &crowd{
		server: server, protocol: protocol, epoll: epoll,
		events: make([]unix.EpollEvent, eventsAtOnce), buffer: make([]byte, readBuffer), started: time.Now(),
		heard:    func(*session, int) error { return nil },
		answered: func(*session) error { return nil },
	}
	c.hear = c.message
	return c, nil
}

func (c *crowd) now() time.Duration { return time.Since(c.started) }

// join opens count subscribers, as fast as the server takes them with joinsAtOnce under way.
func (c *crowd) join(count int) error {
	before, progress := c.joined, 0
	limit := c.now() + patience
	for opened := 0; c.joined-before < count; {
		for ; opened < count && opened-(c.joined-before) < joinsAtOnce; opened++ {
			node := c.node(opened)
			if _, err := c.open(node, c.protocol.Stream, c.protocol.Join, c.protocol.request(node.String())); err != nil {
				return err
			}
		}
		if err := c.turn(0); err != nil {
			return err
		}
		if done := c.joined - before; done > progress {
			progress, limit = done, c.now()+patience
		}
		if c.now() > limit {
			return fmt.Errorf("%d of %d clients had joined when nobody did for %v%s", c.joined-before, count, patience, c.stuck())
		}
	}
	return nil
}

// node is where the subscriber of this number belongs.
func (c *crowd) node(i int) netip.AddrPort {
	if i %= 1 + len(c.beside); i > 0 {
		return c.beside[i-1]
	}
	return c.server
}

// publisher opens a session that publishes, in the protocol's own way, and hears nothing.
func (c *crowd) publisher() (s *session, err error) {
	if c.protocol.Publish == nil {
		return c.poster()
	}
	if s, err = c.open(c.server, c.protocol.Stream, c.protocol.Greet, c.protocol.request(c.server.String())); err != nil {
		return nil, err
	}
	s.deaf = true
	for limit := c.now() + patience; !s.joined; {
		if err := c.turn(0); err != nil {
			return nil, err
		}
		if c.now() > limit {
			return nil, fmt.Errorf("the client that publishes was not let in within %v%s", patience, c.stuck())
		}
	}
	return s, nil
}

// poster opens a connection for HTTP requests.
func (c *crowd) poster() (*session, error) {
	s, err := c.open(c.server, Answers, nil, nil)
	if err != nil {
		return nil, err
	}
	s.deaf = true
	return s, c.advance(s)
}

// stuck tells what a session that waits has heard last.
func (c *crowd) stuck() string {
	for _, s := range c.sessions {
		if !s.joined {
			return fmt.Sprintf("; one that waits has heard %.300q last", append(s.last, s.rest...))
		}
	}
	return ""
}

// open connects, which on loopback takes no time, and sends the request, if any.
func (c *crowd) open(node netip.AddrPort, stream Stream, exchanges []Exchange, request []byte) (*session, error) {
	fd, err := connect(node, len(c.sessions))
	if err != nil {
		return nil, fmt.Errorf("connection %d: %w", len(c.sessions), err)
	}
	s := &session{index: len(c.sessions), fd: fd, stream: stream, exchanges: exchanges, began: c.now()}
	c.sessions = append(c.sessions, s)
	if stream == Answers {
		s.open, s.decoder = true, newDecoder(Answers, false)
	}
	if err := c.control(unix.EPOLL_CTL_ADD, s, unix.EPOLLIN); err != nil {
		return nil, err
	}
	return s, c.send(s, request)
}

// turn handles what is ready. With no time to wait it polls and does not sleep: a client that sleeps is woken by the server's
// write, and the server would be charged for that.
func (c *crowd) turn(wait time.Duration) error {
	n, err := c.ready(wait)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("polling: %w", err)
	}
	for _, event := range c.events[:max(n, 0)] {
		s := c.sessions[event.Fd]
		if event.Events&unix.EPOLLOUT != 0 {
			if err := c.flush(s); err != nil {
				return err
			}
		}
		if event.Events&^unix.EPOLLOUT != 0 {
			if err := c.receive(s); err != nil {
				return fmt.Errorf("connection %d: %w", s.index, err)
			}
		}
	}
	return nil
}

// attend keeps the sessions alive for as long as d, with nothing to do but to answer heartbeats.
func (c *crowd) attend(d time.Duration) error {
	const nap = 50 * time.Millisecond
	for end := c.now() + d; c.now() < end; {
		if err := c.turn(nap); err != nil {
			return err
		}
	}
	return nil
}

// receive reads once and handles what is whole.
func (c *crowd) receive(s *session) error {
	n, err := c.read(s)
	if err != nil || n == 0 {
		return err
	}
	received := c.buffer[:n]
	if len(s.rest) > 0 {
		s.rest = append(s.rest, received...)
		received = s.rest
	}
	used, err := c.handle(s, received)
	if err != nil {
		return err
	}
	if used == len(received) {
		s.rest = nil
	} else if used > 0 || len(s.rest) == 0 {
		s.rest = bytes.Clone(received[used:])
	}
	return nil
}

func (c *crowd) handle(s *session, received []byte) (used int, err error) {
	if !s.open {
		if used, err = c.head(s, received); err != nil || !s.open {
			return used, err
		}
	}
	c.current = s
	n, err := s.decoder.decode(received[used:], c.hear)
	return used + n, err
}

// head reads the answer to the request that opens a session.
func (c *crowd) head(s *session, received []byte) (used int, err error) {
	head, body, found := bytes.Cut(received, []byte("\r\n\r\n"))
	if !found {
		return 0, nil
	}
	status, _, chunked, err := parseHead(string(head))
	if err != nil {
		return 0, err
	}
	want := 200
	if s.stream == WebSocket {
		want = 101
	}
	if status != want {
		return 0, fmt.Errorf("%s was refused with %d: %.120q", c.protocol.Path, status, body)
	}
	if s.stream == EventStream && !bytes.Contains(bytes.ToLower(head), []byte("text/event-stream")) {
		return 0, fmt.Errorf("%s is no event stream: %.300q", c.protocol.Path, head)
	}
	s.open, s.decoder = true, newDecoder(s.stream, chunked)
	return len(head) + len("\r\n\r\n"), c.advance(s)
}

// advance says what comes next in joining. A session with nothing left to hear has joined.
func (c *crowd) advance(s *session) error {
	if s.step == len(s.exchanges) {
		s.joined = true
		if !s.deaf {
			c.joined++
			c.joins.Record(c.now()-s.began, 1)
		}
		return nil
	}
	if say := s.exchanges[s.step].Say; say != "" {
		return c.say(s, []byte(say))
	}
	return nil
}

// message is called for every message that came whole.
func (c *crowd) message(m message) error {
	s := c.current
	switch {
	case m.ping:
		return c.send(s, frames.Client(nil, frames.Header{Fin: true, Opcode: frames.OpPong}, [4]byte{}, m.text))
	case s.stream == Answers:
		return c.answered(s)
	case !s.joined:
		return c.joining(s, m.text)
	case s.deaf:
		return c.beat(s, m.text)
	}
	for text := m.text; ; {
		n, rest, found, err := s.reader.next(text)
		if err != nil {
			return err
		}
		if !found {
			return c.beat(s, text)
		}
		if n != s.next && !c.unordered {
			return fmt.Errorf("publication %d came where %d was due", n, s.next)
		}
		s.next++
		if err := c.heard(s, n); err != nil {
			return err
		}
		text = rest
	}
}

func (c *crowd) joining(s *session, text []byte) error {
	if !bytes.Contains(text, []byte(s.exchanges[s.step].Hear)) {
		s.last = bytes.Clone(text)
		return c.beat(s, text)
	}
	s.step++
	return c.advance(s)
}

// beat answers a heartbeat, if the text is one.
func (c *crowd) beat(s *session, text []byte) error {
	if c.protocol.Pulse == "" || string(bytes.TrimSpace(text)) != c.protocol.Pulse {
		return nil
	}
	return c.say(s, []byte(c.protocol.Beat))
}

// say sends a text message. The masking key is zero: nothing here depends on it, and a floor needs not unmask.
func (c *crowd) say(s *session, text []byte) error {
	return c.send(s, frames.Client(nil, frames.Header{Fin: true, Opcode: frames.OpText}, [4]byte{}, text))
}

// close ends all sessions at once, without any farewell.
func (c *crowd) close() {
	for _, s := range c.sessions {
		unix.Close(s.fd)
	}
	unix.Close(c.epoll)
}
