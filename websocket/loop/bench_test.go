package loop

import (
	"bytes"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/wire"
)

// benched is a connection without a network.
func benched(b *testing.B) *Conn {
	s, err := New(Handler{Message: func(*Conn, websocket.MessageType, []byte) {}}, &Options{Goroutines: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Shutdown(b.Context()) })
	c := &Conn{server: s, driver: deaf{}}
	c.messages.Init(wire.Server, s.set.Limits, nil)
	return c
}

// BenchmarkReceive is 64 messages from one read to the handler.
func BenchmarkReceive(b *testing.B) {
	c := benched(b)
	one := wire.AppendFrame(nil, wire.Header{Fin: true, Opcode: wire.Binary, Masked: true, Key: 1}, make([]byte, 64))
	in := bytes.Repeat(one, 64)
	b.ReportAllocs()
	for b.Loop() {
		c.receive(in)
	}
}

// BenchmarkEncode is a message that many share, from the outbox to bytes for the line.
func BenchmarkEncode(b *testing.B) {
	c := benched(b)
	m := websocket.Prepare(websocket.Text, make([]byte, 64))
	var e outbox.Encoder
	b.ReportAllocs()
	for b.Loop() {
		c.WritePrepared(m)
		c.encode(&e)
		c.written(&e, nil)
	}
}
