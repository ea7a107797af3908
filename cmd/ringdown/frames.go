// Frames as they pass, for connect --verbose: a tap between the connection and the network.

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/ringdown/ringdown/websocket/wire"
)

// tapped returns a dialer whose connections tell show of every frame, sent or received, as its header passes.
func tapped(show func(direction string, h wire.Header)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &tap{
			Conn:     conn,
			sent:     frameScanner{opening: "GET ", show: func(h wire.Header) { show("sent", h) }},
			received: frameScanner{opening: "HTTP/1.1 101", show: func(h wire.Header) { show("received", h) }},
		}, nil
	}
}

// tap is a connection that is listened to. As ever, one goroutine reads and one writes.
type tap struct {
	net.Conn
	sent, received frameScanner
}

// NetConn is the connection beneath.
func (t *tap) NetConn() net.Conn { return t.Conn }

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.received.scan(b[:n])
	return n, err
}

func (t *tap) Write(b []byte) (int, error) {
	n, err := t.Conn.Write(b)
	t.sent.scan(b[:n])
	return n, err
}

// frameScanner follows one direction of a connection: HTTP, in which a proxy may have a say first, then frames.
type frameScanner struct {
	opening string // how the last head of HTTP begins
	show    func(wire.Header)
	framing bool   // that head is over
	lost    bool   // what came is no frame; the rest means nothing
	partial []byte // a head or a frame's header that has not all come
	payload uint64 // bytes of payload still to come
}

func (s *frameScanner) scan(b []byte) {
	for len(b) > 0 && !s.lost {
		switch {
		case !s.framing:
			b = s.head(b)
		case s.payload > 0:
			n := min(s.payload, uint64(len(b)))
			s.payload -= n
			b = b[n:]
		default:
			b = s.header(b)
		}
	}
}

// head takes bytes of HTTP and returns those behind it.
func (s *frameScanner) head(b []byte) []byte {
	before := len(s.partial)
	s.partial = append(s.partial, b...)
	end := bytes.Index(s.partial, []byte("\r\n\r\n"))
	if end < 0 {
		return nil
	}
	end += len("\r\n\r\n")
	s.framing = bytes.HasPrefix(s.partial, []byte(s.opening))
	s.partial = nil
	return b[end-before:]
}

// header takes bytes of a frame's header and returns those behind it.
func (s *frameScanner) header(b []byte) []byte {
	before := len(s.partial)
	s.partial = append(s.partial, b[:min(len(b), wire.MaxHeaderSize-before)]...)
	h, size, err := wire.ParseHeader(s.partial)
	if err != nil {
		s.lost = true
		return nil
	}
	if size == 0 {
		return b[len(s.partial)-before:]
	}
	s.partial, s.payload = s.partial[:0], h.Length
	s.show(h)
	return b[size-before:]
}

// describe names a frame's opcode, bits and size.
func describe(h wire.Header) string {
	words := []string{h.Opcode.String()}
	for _, bit := range []struct {
		set  bool
		name string
	}{{h.Fin, "FIN"}, {h.RSV1, "RSV1 (compressed)"}, {h.RSV2, "RSV2"}, {h.RSV3, "RSV3"}, {h.Masked, "masked"}} {
		if bit.set {
			words = append(words, bit.name)
		}
	}
	return fmt.Sprintf("%s, %d bytes", strings.Join(words, " "), h.Length)
}
