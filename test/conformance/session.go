// The tester's end of a connection: it writes what the steps say, and reads frames as a strict peer.

package conformance

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
	"unicode/utf8"
)

// session is one connection with the side under test. Writing happens on a goroutine of its own, so that a step may send
// more than the other side takes before it is read from.
type session struct {
	nc     net.Conn
	in     *bufio.Reader
	server bool // the tester is the server
	agreed *agreement

	holding bool   // write gathers in held instead
	held    []byte // what goes out with the handshake
	out     queue
	writing sync.WaitGroup

	message event // the fragments of a message that has not ended
	open    bool
	packed  bool
}

// event is a message or a control frame from the side under test.
type event struct {
	op      byte
	code    int // of a Close frame; 1005 if it has none
	payload []byte
}

func (e event) String() string {
	names := map[byte]string{opText: "text", opBinary: "binary", opPing: "a ping", opPong: "a pong"}
	if e.op == opClose {
		return fmt.Sprintf("a Close frame with %d %q", e.code, e.payload)
	}
	return fmt.Sprintf("%s %s", names[e.op], brief(e.payload))
}

// brief shows the beginning of a payload.
func brief(p []byte) string {
	if len(p) > 60 {
		return fmt.Sprintf("%.60q… (%d bytes)", p[:60], len(p))
	}
	return fmt.Sprintf("%q", p)
}

func newSession(nc net.Conn, server bool) *session {
	s := &session{nc: nc, in: bufio.NewReaderSize(nc, 32<<10), server: server}
	s.out.more.L = &s.out.mu
	s.writing.Go(func() {
		for b, ok := s.out.take(); ok; b, ok = s.out.take() {
			if _, err := nc.Write(b); err != nil { // the other side may have had enough; reading tells
				return
			}
		}
	})
	return s
}

// queue is what waits to be written, in writes as the steps made them.
type queue struct {
	mu     sync.Mutex // guards what follows
	more   sync.Cond
	waits  [][]byte
	closed bool
}

func (q *queue) add(b []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waits = append(q.waits, b)
	q.more.Signal()
}

// take waits for the next write; ok is false once the queue is closed.
func (q *queue) take() (b []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waits) == 0 && !q.closed {
		q.more.Wait()
	}
	if q.closed {
		return nil, false
	}
	b, q.waits = q.waits[0], q.waits[1:]
	return b, true
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Signal()
}

// bound ends the session's reads and writes when ctx ends, or its time is over.
func (s *session) bound(ctx context.Context) (stop func() bool) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(caseTimeout)
	}
	s.nc.SetDeadline(deadline)
	return context.AfterFunc(ctx, func() { s.nc.SetDeadline(time.Unix(1, 0)) })
}

func (s *session) close() {
	s.nc.Close()
	s.out.close()
	s.writing.Wait()
}

func (s *session) write(b []byte) {
	if s.holding {
		s.held = append(s.held, b...)
		return
	}
	s.out.add(b)
}

// frame is frames as bytes.
func (s *session) frame(frames ...frame) []byte {
	var b []byte
	for _, f := range frames {
		b = f.encode(b, !s.server)
	}
	return b
}

// next waits for a message or a control frame other than a ping, which it answers.
func (s *session) next() (event, error) {
	for {
		f, err := s.readFrame()
		if err != nil {
			return event{}, err
		}
		switch {
		case f.op == opPing:
			s.write(s.frame(frame{op: opPong, payload: f.payload}))
		case f.op == opClose:
			return closeEvent(f.payload)
		case f.op == opPong:
			return event{op: opPong, payload: f.payload}, nil
		default:
			if whole, err := s.join(f); whole || err != nil {
				return s.message, err
			}
		}
	}
}

// readFrame reads a frame and refuses whatever RFC 6455 §5 forbids.
func (s *session) readFrame() (frame, error) {
	var head [8]byte
	if _, err := io.ReadFull(s.in, head[:2]); err != nil {
		return frame{}, readError(err)
	}
	f := frame{op: head[0] & 0xF, open: head[0]&0x80 == 0, rsv: head[0] >> 4 & 7}
	length, masked := uint64(head[1]&0x7F), head[1]&0x80 != 0
	if width := map[uint64]int{126: 2, 127: 8}[length]; width > 0 {
		if _, err := io.ReadFull(s.in, head[8-width:]); err != nil {
			return f, readError(err)
		}
		clear(head[:8-width])
		shortest := map[int]uint64{2: 126, 8: 0x10000}[width]
		if length = binary.BigEndian.Uint64(head[:]); length < shortest {
			return f, fmt.Errorf("got a frame whose length %d is not in its shortest form", length)
		}
	}
	if err := s.judge(&f, length, masked); err != nil {
		return f, err
	}
	var key [4]byte
	if masked {
		if _, err := io.ReadFull(s.in, key[:]); err != nil {
			return f, readError(err)
		}
	}
	f.payload = make([]byte, length)
	if _, err := io.ReadFull(s.in, f.payload); err != nil {
		return f, readError(err)
	}
	if masked {
		mask(f.payload, key)
	}
	return f, nil
}

// judge checks a header.
func (s *session) judge(f *frame, length uint64, masked bool) error {
	control := f.op >= opClose
	switch {
	case masked != s.server:
		return fmt.Errorf("got a frame with its mask bit %v", masked)
	case f.op > opBinary && f.op < opClose || f.op > opPong:
		return fmt.Errorf("got the reserved opcode %#x", f.op)
	case f.rsv&3 != 0, f.rsv&4 != 0 && (s.agreed == nil || control || f.op == opCont):
		return fmt.Errorf("got a frame of opcode %#x with the reserved bits %03b", f.op, f.rsv)
	case control && (f.open || length > 125):
		return fmt.Errorf("got a control frame of %d bytes, fragmented: %v", length, f.open)
	case !control && (f.op == opCont) != s.open:
		return fmt.Errorf("got opcode %#x, within a message: %v", f.op, s.open)
	case length > 64<<20:
		return fmt.Errorf("got a frame of %d bytes, more than was sent", length)
	}
	return nil
}

// join adds a frame to its message and reports whether that is whole.
func (s *session) join(f frame) (bool, error) {
	if f.op != opCont {
		s.message, s.packed = event{op: f.op}, f.rsv&4 != 0
	}
	s.message.payload = append(s.message.payload, f.payload...)
	if s.open = f.open; f.open {
		return false, nil
	}
	if s.packed {
		plain, err := s.agreed.inflate.message(s.message.payload)
		if err != nil {
			return false, fmt.Errorf("got a compressed message: %w", err)
		}
		s.message.payload = plain
	}
	if s.message.op == opText && !utf8.Valid(s.message.payload) {
		return false, fmt.Errorf("got a text message that is not UTF-8: %s", brief(s.message.payload))
	}
	return true, nil
}

// closeEvent reads a Close frame's payload.
func closeEvent(payload []byte) (event, error) {
	ev := event{op: opClose, code: 1005}
	if len(payload) == 0 {
		return ev, nil
	}
	if len(payload) == 1 {
		return ev, errors.New("got a Close frame of 1 byte")
	}
	ev.code, ev.payload = int(binary.BigEndian.Uint16(payload)), payload[2:]
	if !utf8.Valid(ev.payload) {
		return ev, fmt.Errorf("got a Close frame whose reason is not UTF-8: %q", ev.payload)
	}
	if c := ev.code; c < 1000 || c == 1004 || c == 1005 || c == 1006 || c > 1014 && c < 3000 || c > 4999 {
		return ev, fmt.Errorf("got a Close frame with the code %d, which may not be sent", c)
	}
	return ev, nil
}

// expectEnd checks that nothing follows the Close frames but the end of the stream. A server closes first (RFC 6455
// §7.1.1); a client that does the same is fine.
func (s *session) expectEnd() error {
	if half, ok := s.nc.(interface{ CloseWrite() error }); ok && s.server {
		half.CloseWrite()
	}
	switch b, err := s.in.ReadByte(); {
	case err == nil:
		return fmt.Errorf("byte %#x after the Close frame", b)
	case err != io.EOF:
		return fmt.Errorf("after the Close frame, not the end of the stream but: %w", err)
	}
	return nil
}

// expectGone checks that the side under test goes, with or without a word, when it cannot agree to the handshake.
func (s *session) expectGone() error {
	_, err := io.Copy(io.Discard, s.in)
	if wait := net.Error(nil); errors.As(err, &wait) && wait.Timeout() {
		return errors.New("it accepts the answer, and should not")
	}
	return nil
}

// readError names what a failed read means.
func readError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the connection was closed without a Close frame")
	}
	if wait := net.Error(nil); errors.As(err, &wait) && wait.Timeout() {
		return errors.New("nothing came in time")
	}
	return err
}
