// What is sent: frames as they are made.

package tap

import (
	"bytes"

	"github.com/ringdown/ringdown/websocket/wire"
)

// sent is where the goroutine that writes stands.
type sent struct {
	packed bool   // the present message is compressed
	plain  []byte // the plain form of the message that is sent next
	known  bool   // there is one
}

// Plain gives the plain form of the compressed message that the next call of Frame is about.
func (t *Tap) Plain(p []byte) { t.out.plain, t.out.known = p, true }

// Frame tells of a frame that is about to be sent. The payload is not masked.
func (t *Tap) Frame(h wire.Header, payload []byte) {
	o := &t.out
	h.Length = uint64(len(payload))
	f := frameOf(&h, h.Size())
	f.Sent = true
	if h.Opcode == wire.Text || h.Opcode == wire.Binary {
		o.packed = h.RSV1
	}
	switch {
	case h.Opcode.Control() || !o.packed:
		f.Size, f.Payload = int64(len(payload)), payload
	case o.known:
		f.Size, f.Payload = int64(len(o.plain)), o.plain
	}
	if !h.Opcode.Control() {
		o.plain, o.known = nil, false
	}
	t.tellCut(f)
}

// Sent tells of whole frames that are about to be sent. plain is the plain form of the only one of them, if it is a compressed message.
func (t *Tap) Sent(frames, plain []byte) {
	for len(frames) > 0 {
		h, n, err := wire.ParseHeader(frames)
		if n == 0 || err != nil || uint64(len(frames)-n) < h.Length { // they are ours, and whole
			return
		}
		payload := frames[n : n+int(h.Length)]
		frames = frames[n+int(h.Length):]
		if h.RSV1 {
			t.Plain(plain)
		}
		if h.Masked {
			payload = bytes.Clone(payload)
			wire.Mask(payload, h.Key)
		}
		t.Frame(h, payload)
	}
}
