// What comes from the peer: frames found in bytes that a decoder has taken already, and has unmasked where they lie.

package tap

import "github.com/ringdown/ringdown/websocket/wire"

// received is where the goroutine that reads stands. Frames that had begun before somebody watched are left out.
type received struct {
	follows bool   // the connection's decoder
	over    bool   // no more frames come
	skip    uint64 // bytes of a frame that is left out
	packed  bool   // the present message is compressed

	cut     [wire.MaxHeaderSize]byte // a header of which a part has come
	cutLen  int
	inFrame bool
	header  wire.Header
	size    int    // of the header, in bytes
	left    uint64 // bytes of payload to come
	kept    []byte // the first bytes of a payload that comes in pieces
}

// follow begins where a decoder stands.
func (r *received) follow(d *wire.Decoder) {
	if r.follows {
		return
	}
	r.follows = true
	head, left, over := d.Begun()
	r.cutLen = copy(r.cut[:], head)
	r.skip, r.over = left, over
	_, packed, within := d.Message()
	r.packed = packed && within
}

// received takes bytes that a decoder has taken. plain is the message that ends with them; whole says that it was compressed, and broken that
// the decoder has found a violation at their end.
func (t *Tap) received(b, plain []byte, whole, broken bool) {
	r := &t.in
	if r.over {
		return
	}
	n := min(r.skip, uint64(len(b)))
	r.skip, b = r.skip-n, b[n:]
	for !r.over && len(b) > 0 {
		if !r.inFrame {
			if b = r.begin(b); !r.inFrame {
				continue
			}
		}
		piece := b[:min(uint64(len(b)), r.left)]
		b, r.left = b[len(piece):], r.left-uint64(len(piece))
		if r.left > 0 {
			r.keep(piece)
			continue
		}
		if len(r.kept) > 0 {
			r.keep(piece)
			piece = r.kept
		}
		t.tellCut(r.frame(piece, plain, whole))
		r.inFrame, r.kept = false, r.kept[:0]
	}
	if broken && r.inFrame && !r.over { // what has come of it is what somebody looks for
		f := r.frame(r.kept, nil, false)
		f.Wire = int64(r.size) + int64(r.header.Length-r.left)
		f.Size = f.Wire - int64(r.size)
		t.tellCut(f)
	}
	r.over = r.over || broken
}

// begin takes a header, or what has come of it, from the front of b.
func (r *received) begin(b []byte) (rest []byte) {
	took := copy(r.cut[r.cutLen:], b)
	have := r.cut[:r.cutLen+took]
	h, n, err := wire.ParseHeader(have)
	switch {
	case err != nil: // the decoder has found so, too
		r.over = true
		return nil
	case n == 0:
		r.cutLen = len(have)
		return b[took:]
	}
	b = b[n-r.cutLen:]
	r.header, r.size, r.left, r.cutLen, r.inFrame = h, n, h.Length, 0, true
	if h.Opcode == wire.Text || h.Opcode == wire.Binary {
		r.packed = h.RSV1
	}
	return b
}

// keep keeps as much of a payload as is shown.
func (r *received) keep(piece []byte) {
	r.kept = append(r.kept, piece[:min(len(piece), MaxPayload-len(r.kept))]...)
}

// frame is the present frame.
func (r *received) frame(payload, plain []byte, whole bool) wire.Frame {
	h := &r.header
	f := frameOf(h, r.size)
	switch {
	case h.Opcode.Control() || !r.packed:
		f.Size, f.Payload = int64(h.Length), payload
	case h.Fin && whole:
		f.Size, f.Payload = int64(len(plain)), plain
	}
	r.over = h.Opcode == wire.Close
	return f
}

// frameOf is a frame whose payload is not known.
func frameOf(h *wire.Header, size int) wire.Frame {
	return wire.Frame{Opcode: h.Opcode, Fin: h.Fin, RSV1: h.RSV1, Masked: h.Masked, Wire: int64(size) + int64(h.Length), Size: -1}
}
