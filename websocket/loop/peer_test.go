// Raw peers, who say what no client would.

package loop_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/wire"
)

// peer is a client in the test's own hands.
type peer struct {
	t   testing.TB
	tcp *net.TCPConn
	nc  net.Conn // tcp, or TLS over it
	r   *bufio.Reader
}

// connect connects a peer and says nothing yet. Its receive buffer is small.
func (s *site) connect() *peer {
	s.t.Helper()
	nc, err := net.DialTimeout("tcp", s.addr, patience)
	if err != nil {
		s.t.Fatal(err)
	}
	p := &peer{t: s.t, tcp: nc.(*net.TCPConn), nc: nc}
	p.tcp.SetReadBuffer(64 << 10)
	if s.client != nil {
		p.nc = tls.Client(nc, s.client)
	}
	s.t.Cleanup(func() { p.tcp.Close() })
	p.tcp.SetDeadline(time.Now().Add(patience))
	p.r = bufio.NewReader(p.nc)
	return p
}

const upgrade = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// peer connects a peer that has done the opening handshake. early is sent along with its request.
func (s *site) peer(early ...[]byte) *peer {
	s.t.Helper()
	p := s.connect()
	p.send(append([]byte(upgrade+"\r\n"), bytes.Join(early, nil)...))
	p.accepted()
	return p
}

// accepted reads the answer to the handshake.
func (p *peer) accepted() {
	p.t.Helper()
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		p.t.Fatalf("handshake answered with %s", resp.Status)
	}
}

// frame is a frame as a client sends it.
func frame(h wire.Header, payload string) []byte {
	h.Masked, h.Key = true, wire.NewMaskKey()
	return wire.AppendFrame(nil, h, []byte(payload))
}

func text(payload string) []byte { return frame(wire.Header{Fin: true, Opcode: wire.Text}, payload) }

func closing(code websocket.StatusCode, reason string) []byte {
	return frame(wire.Header{Fin: true, Opcode: wire.Close}, string([]byte{byte(code >> 8), byte(code)})+reason)
}

// packed is a compressed message.
func packed(payload string) []byte {
	return frame(wire.Header{Fin: true, RSV1: true, Opcode: wire.Text}, string(deflate.Compress(nil, []byte(payload), 1, 15)))
}

// send writes bytes as they are, in one write.
func (p *peer) send(pieces ...[]byte) {
	p.t.Helper()
	if _, err := p.nc.Write(bytes.Join(pieces, nil)); err != nil {
		p.t.Errorf("peer: %v", err)
	}
}

// next reads a frame.
func (p *peer) next() (wire.Header, string, error) {
	var head []byte
	for {
		b, err := p.r.ReadByte()
		if err != nil {
			return wire.Header{}, "", err
		}
		head = append(head, b)
		h, n, err := wire.ParseHeader(head)
		if err != nil {
			return h, "", err
		}
		if n == 0 {
			continue
		}
		payload := make([]byte, h.Length)
		_, err = io.ReadFull(p.r, payload)
		return h, string(payload), err
	}
}

// want reads a frame, which must be this one.
func (p *peer) want(op wire.Opcode, payload string) {
	p.t.Helper()
	h, got, err := p.next()
	if err != nil {
		p.t.Fatalf("peer: waiting for a %v frame %.60q: %v", op, payload, err)
	}
	if h.Opcode != op || got != payload {
		p.t.Fatalf("peer: got a %v frame %.60q, want a %v frame %.60q", h.Opcode, got, op, payload)
	}
}

// wantClose reads up to a Close frame, which must have this code and words in its reason, and on to the end of the stream.
func (p *peer) wantClose(code websocket.StatusCode, words string) {
	p.t.Helper()
	for {
		h, payload, err := p.next()
		if err != nil {
			p.t.Errorf("peer: no Close frame: %v", err)
			return
		}
		if h.Opcode != wire.Close {
			continue
		}
		got, reason := websocket.StatusNoStatus, ""
		if len(payload) >= 2 {
			got, reason = websocket.StatusCode(payload[0])<<8|websocket.StatusCode(payload[1]), payload[2:]
		}
		if got != code || !strings.Contains(reason, words) {
			p.t.Errorf("peer: closed with %v %q, want %v %q", got, reason, code, words)
		}
		return
	}
}

// wantBytes reads exactly this.
func (p *peer) wantBytes(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(p.r, got); err != nil || string(got) != want {
		p.t.Fatalf("peer: got %.60q (%d bytes), %v, want %.60q", got[:n], n, err, want)
	}
}

// wantEnd reads to the end of the stream, past any frames.
func (p *peer) wantEnd() {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p.r); err != nil {
		p.t.Errorf("peer: the stream ends with %v", err)
	}
}

// hangUp closes the line without a word; the server's next read finds it reset.
func (p *peer) hangUp() {
	p.tcp.SetLinger(0)
	p.tcp.Close()
}

// half closes the peer's direction alone.
func (p *peer) half() { p.tcp.CloseWrite() }
