package deflate

// Inflating whole messages.

import (
	"errors"
	"io"
)

var errBeyond = errors.New("more bytes than the bounds allow")

// Inflator inflates the messages of one direction of one connection. It holds 40 bytes, and with takeover the last
// 1<<windowBits bytes of plaintext and an eighth, or less while there was less.
type Inflator struct {
	win      window
	takeover bool
}

// NewInflator inflates what a peer compresses with windows of at most 1<<windowBits bytes, 8 to 15. With takeover
// messages may refer to earlier ones.
func NewInflator(takeover bool, windowBits int) *Inflator {
	return &Inflator{win: window{limit: 1 << windowBits}, takeover: takeover}
}

// Append inflates one whole message and appends it to dst, which grows as bytes come out and never beyond what b
// allows.
//
// The error is a [TooBigError], a [RatioError] or a [CorruptError]; dst then comes back with its old length. With
// takeover the peer's context is lost with the message: the connection has to be closed.
func (f *Inflator) Append(dst, compressed []byte, b Bounds) ([]byte, error) {
	z := newDecoder(compressed, nil, f.win.bytes())
	defer z.free()
	var (
		in    = int64(len(compressed))
		most  = b.output(in)
		start = len(dst)
		step  = min(max(4*len(compressed), 512), 32<<10)
		noted = start // dst up to here has entered the window
	)
	for {
		var err error
		dst, err = z.appendSome(dst, start, step, most)
		switch err {
		case nil:
			continue
		case io.EOF:
		case errBeyond:
			return dst[:start], b.broken(in, most+1)
		default:
			return dst[:start], z.failure(err)
		}
		done, err := z.ended()
		if err != nil {
			return dst[:start], err
		}
		if done {
			f.note(dst[noted:])
			return dst, nil
		}
		past := f.past(z)
		past.add(dst[noted:])
		noted = len(dst)
		z.next(past.bytes())
	}
}

// note moves the window over the end of a message.
func (f *Inflator) note(plain []byte) {
	if f.takeover {
		f.win.add(plain)
	}
}

// past is where the output of a message is remembered while it goes on: the connection's window or, if it has none,
// the decoder's.
func (f *Inflator) past(z *decoder) *window {
	if f.takeover {
		return &f.win
	}
	return &z.past
}

// appendSome appends what the decompressor has ready, of a message that began at dst[start] and may have most bytes; for
// one more the error is errBeyond. A full dst grows, by step or to double the message, only when there is a byte to put
// there: a buffer that fits exactly stays as it is.
func (z *decoder) appendSome(dst []byte, start, step int, most int64) ([]byte, error) {
	left := most - int64(len(dst)-start)
	if room := dst[len(dst):cap(dst)]; len(room) > 0 && left > 0 {
		n, err := z.flate.Read(room[:min(int64(len(room)), left)])
		return dst[:len(dst)+n], err
	}
	n, err := z.flate.Read(z.probe[:])
	if n == 0 {
		return dst, err
	}
	if left == 0 {
		return dst, errBeyond
	}
	grow := min(int64(max(step, len(dst)-start)), left)
	bigger := make([]byte, len(dst), len(dst)+int(grow))
	copy(bigger, dst)
	return append(bigger, z.probe[0]), err
}
