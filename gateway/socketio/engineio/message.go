// Messages that are made ready once and sent to many sessions.

package engineio

import (
	"sync"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

// Message is a message made ready for any number of sessions, over whichever transport. It may be used from any goroutine. It can
// consist of a text and binary attachments, which arrive as a message each, the text first, with no other message between.
type Message struct {
	texts  bool // the first part is text; all others are binary
	first  *websocket.PreparedMessage
	others []*websocket.PreparedMessage

	once    sync.Once
	encoded []byte // for polling payloads; made when the first needs it
}

// Prepare makes a text message, with attachments behind it, ready to be sent by [Conn.SendPrepared]. text must be UTF-8 without the
// character U+001E, which polling cannot carry. Both are copied.
func Prepare(text []byte, attachments ...[]byte) *Message {
	scratch := getScratch()
	defer putScratch(scratch)
	*scratch = append(append(*scratch, typeMessage), text...)
	m := &Message{texts: true, first: websocket.Prepare(websocket.Text, *scratch)}
	for _, b := range attachments {
		m.others = append(m.others, websocket.Prepare(websocket.Binary, b))
	}
	return m
}

// PrepareBinary is Prepare for a binary message without a text.
func PrepareBinary(b []byte) *Message {
	return &Message{first: websocket.Prepare(websocket.Binary, b)}
}

// Len is how many bytes the message has on a WebSocket, frame headers aside.
func (m *Message) Len() int {
	n := m.first.Len()
	for _, other := range m.others {
		n += other.Len()
	}
	return n
}

// packets is how many packets the message consists of.
func (m *Message) packets() int { return 1 + len(m.others) }

// write queues the message on a WebSocket. The session's lock keeps others out, so that all of it is in one piece.
func (m *Message) write(socket *loop.Conn) error {
	if err := socket.WritePrepared(m.first); err != nil {
		return err
	}
	for _, other := range m.others {
		if err := socket.WritePrepared(other); err != nil {
			return err
		}
	}
	return nil
}

// polling is the message as it stands in a polling payload.
func (m *Message) polling() []byte {
	m.once.Do(func() {
		if m.texts && len(m.others) == 0 { // it is the same on a WebSocket
			m.encoded = m.first.Payload()
			return
		}
		var b []byte
		if m.texts {
			b = append(b, m.first.Payload()...)
		} else {
			b = appendBinary(b, m.first.Payload())
		}
		for _, other := range m.others {
			b = appendBinary(append(b, separator), other.Payload())
		}
		m.encoded = b
	})
	return m.encoded
}

// scratches are buffers for text that needs a digit before it. Large ones are not kept.
var scratches = sync.Pool{New: func() any { return new([]byte) }}

const maxScratch = 64 << 10

func getScratch() *[]byte { return scratches.Get().(*[]byte) }

func putScratch(b *[]byte) {
	if cap(*b) <= maxScratch {
		*b = (*b)[:0]
		scratches.Put(b)
	}
}
