package deflate

// The last plaintext of one direction of a connection, as much as a later message may refer to.

// window remembers the last limit bytes that were added to it. It grows with what it is given, to at most limit and an
// eighth: the slack, without which every small addition to a full window would move all of it.
type window struct {
	buf   []byte
	limit int
}

// bytes are the last bytes added, at most limit, valid until the next add.
func (w *window) bytes() []byte {
	return w.buf[max(0, len(w.buf)-w.limit):]
}

func (w *window) add(p []byte) {
	if len(p) >= w.limit {
		p = p[len(p)-w.limit:]
		w.buf = w.buf[:0]
	}
	if len(w.buf)+len(p) > cap(w.buf) {
		w.makeRoom(len(p))
	}
	w.buf = append(w.buf, p...)
}

// makeRoom lets n more bytes, at most limit, be appended in place.
func (w *window) makeRoom(n int) {
	most := w.limit + w.limit/8
	old := w.buf
	if len(old)+n > most {
		old = old[max(0, len(old)-(w.limit-n)):]
	}
	if need := len(old) + n; need > cap(w.buf) {
		w.buf = make([]byte, 0, min(most, max(need, 2*cap(w.buf))))
	}
	w.buf = append(w.buf[:0], old...) // may overlap: append copies like memmove
}
