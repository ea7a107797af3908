package deflate

// Inflating a message that is still arriving.

import (
	"errors"
	"io"
)

var errReaderClosed = errors.New("deflate: the message's reader has been closed")

// Reader is one message, inflated as it arrives. From its first Read until its end, an error or Close it holds a pooled
// decompressor.
type Reader struct {
	f   *Inflator
	src io.Reader
	b   Bounds
	z   *decoder
	out int64
	err error
}

// Reader inflates the message whose compressed bytes src yields, ending in io.EOF. The Inflator must not be used for
// anything else until then.
func (f *Inflator) Reader(src io.Reader, b Bounds) *Reader {
	return &Reader{f: f, src: src, b: b}
}

// Read gives out at most what the bounds allow, then io.EOF or an error: those of [Inflator.Append] or src's own.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	if r.z == nil {
		r.z = newDecoder(nil, r.src, r.f.win.bytes())
	}
	for {
		n, err := r.readSome(p)
		if err != nil {
			r.end(err)
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Close gives the decompressor back. With takeover a message must be read to its end first: closing it earlier loses
// the peer's context, and with it every message that follows.
func (r *Reader) Close() error {
	r.end(errReaderClosed)
	return nil
}

// end settles what every later Read returns.
func (r *Reader) end(err error) {
	if r.z != nil {
		r.z.free()
		r.z = nil
	}
	if r.err == nil {
		r.err = err
	}
	r.src = nil
}

// readSome takes one step, which may yield nothing without being the end.
func (r *Reader) readSome(p []byte) (int, error) {
	if left := r.b.Size - r.out; r.b.Size >= 0 && left < int64(len(p)) {
		p = p[:left+1] // one byte above the bound shows that it is crossed
	}
	n, err := r.z.flate.Read(p)
	r.out += int64(n)
	if in := r.z.src.taken; r.out > r.b.output(in) {
		return 0, r.b.broken(in, r.out)
	}
	past := r.f.past(r.z)
	past.add(p[:n])
	if err == nil {
		return n, nil
	}
	if err != io.EOF {
		return n, r.z.failure(err)
	}
	done, err := r.z.ended()
	if err != nil {
		return n, err
	}
	if done {
		return n, io.EOF
	}
	r.z.next(past.bytes())
	return n, nil
}
