// From messages to bytes, through the outbox of a connection.

package loop

import (
	"bytes"
	"testing"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/internal/buffers"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/wire"
)

// The encoder joins what is small, and leaves what is large where it lies.
func TestTheEncoderKeepsWhatWasNotWritten(t *testing.T) {
	s, err := New(Handler{}, &Options{Goroutines: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	for _, size := range []int{10, 1000, outbox.Coalesce, 100_000} {
		for _, prepared := range []bool{false, true} {
			c := &Conn{server: s, driver: deaf{}}
			var want []byte
			for i := range 5 {
				payload := bytes.Repeat([]byte{byte(i)}, size)
				if prepared {
					c.WritePrepared(websocket.Prepare(websocket.Binary, payload))
				} else {
					c.Write(websocket.Binary, payload)
				}
				want = wire.AppendFrame(want, wire.Header{Fin: true, Opcode: wire.Binary, Length: uint64(size)}, payload)
			}
			var e outbox.Encoder
			var got []byte
			for {
				b := c.encode(&e)
				if b == nil {
					break
				}
				sent := (len(b) + 2) / 3
				got = append(got, b[:sent]...)
				c.written(&e, b[sent:])
				if waits := c.out.Held() - c.out.Len()*outbox.ItemCost; waits != len(want)-len(got) {
					t.Fatalf("%d bytes wait, want %d", waits, len(want)-len(got))
				}
			}
			if !bytes.Equal(got, want) {
				t.Errorf("size %d, prepared %t: the bytes are mixed up", size, prepared)
			}
		}
	}
}

// deaf is a driver that does nothing.
type deaf struct{ driver }

func (deaf) wake(*Conn) {}

// A message of one byte counts for what it holds, shared or not.
func TestTinyMessagesHoldNoMoreThanTheBound(t *testing.T) {
	const limit = 64 << 10
	tiny := websocket.Prepare(websocket.Binary, []byte{1})
	for _, policy := range []Policy{Disconnect, DropOldest, Conflate} {
		s, err := New(Handler{}, &Options{Goroutines: true, Outbox: Outbox{Bytes: limit, Policy: policy}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Shutdown(t.Context())
		c := &Conn{server: s, driver: deaf{}}
		written := 0
		for written < 10_000 && c.Err() == nil {
			c.WritePrepared(tiny)
			if policy != Disconnect { // where they share buffers
				c.Write(websocket.Binary, []byte{1})
			}
			if held := c.out.Memory(); held > limit+limit/8+outbox.Few*buffers.Min { // the allocator rounds up
				t.Fatalf("policy %d: %d bytes are held by %d messages", policy, held, written)
			}
			if waits := c.Waiting(); waits > limit {
				t.Fatalf("policy %d: %d bytes wait", policy, waits)
			}
			written++
		}
		if policy == Disconnect && (written > limit/outbox.ItemCost || written < limit/outbox.ItemCost/2) {
			t.Errorf("%d messages of a byte fill %d bytes", written, limit)
		}
	}
}
