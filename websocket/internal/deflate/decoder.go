package deflate

// The pooled decompressor: DEFLATE blocks of one message in, plaintext out.

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
)

const (
	// messageTail follows every message on its way into the decompressor: syncTail, which its sender cut off, and an
	// empty final block, so that a message which ends where it may ends in io.EOF and any other in an error. (Not quite
	// any: a stored block cut four bytes short takes syncTail for its own, as it must by RFC 7692 §7.2.2.)
	messageTail = syncTail + finalBlock
	finalBlock  = "\x01\x00\x00\xff\xff"

	// emptyCodes is a final block that holds nothing and has codes of its own, the fewest there can be.
	emptyCodes = "\x05\xc0\x81\x00\x00\x00\x00\x00\x90\xff\x6b\x00"

	// inputBuffer is what a decompressor takes from its source at once. The flate package has a loop for bufio.Readers
	// that asks no interface for its bytes; that is worth more than the copy costs.
	inputBuffer = 2 << 10

	// maxStreams bounds the work that a message may cause by ending its DEFLATE stream over and over, two bytes each:
	// every new one starts with a copy of the window.
	maxStreams = 4096
)

var (
	errTruncated      = errors.New("it ends in the middle of a block")
	errTooManyStreams = errors.New("it has more than 4096 final blocks")
)

// decoder inflates one message at a time.
type decoder struct {
	flate   io.Reader
	reset   flate.Resetter // the same
	buf     *bufio.Reader
	src     source
	streams int
	past    window  // output of the current message, where no Inflator keeps it
	probe   [1]byte // what comes out while its buffer is full
}

var decoders = pool{New: func() any {
	z := &decoder{past: window{limit: 1 << maxWindowBits}}
	z.buf = bufio.NewReaderSize(&z.src, inputBuffer)
	z.flate = flate.NewReader(z.buf)
	z.reset = z.flate.(flate.Resetter)
	z.scrub()
	return z
}}

// newDecoder starts a message that follows dict: compressed, and then what src yields if it isn't nil.
func newDecoder(compressed []byte, src io.Reader, dict []byte) *decoder {
	z := decoders.Get().(*decoder)
	z.src = source{data: compressed, src: src, taken: int64(len(compressed)), tail: messageTail}
	z.buf.Reset(&z.src)
	z.past.buf = z.past.buf[:0]
	z.streams = 0
	z.next(dict)
	return z
}

// free gives z back to its pool.
func (z *decoder) free() {
	z.scrub()
	decoders.Put(z)
}

// scrub leaves nothing in z of the message before: the flate package keeps the codes of a block, and would read a corrupt
// one that lacks its own by them.
func (z *decoder) scrub() {
	z.src = source{tail: emptyCodes}
	z.buf.Reset(&z.src)
	z.next(nil)
	if n, err := z.flate.Read(z.probe[:]); n != 0 || err != io.EOF {
		panic("deflate: emptyCodes is not empty") // a constant; every test would tell
	}
	z.src = source{}
}

// next starts a DEFLATE stream that follows dict with the input that is left.
func (z *decoder) next(dict []byte) {
	z.streams++
	// The decompressor keeps its buffers and copies dict; its Reset has no error to return.
	_ = z.reset.Reset(z.buf, dict)
}

// ended decides what the end of a DEFLATE stream means: the end of the message, or that another stream follows, for a
// sender may finish its stream in the middle of a message, or of a connection (RFC 7692 §7.2.3.4).
//
// It is the end after the final block of our tail, of course. It is, too, if the sender finished its stream and forgot
// the empty block that should follow, or finished it with an empty stored block and cut off that one's length: then our
// tail is left over, or our final block.
func (z *decoder) ended() (bool, error) {
	if _, err := z.buf.Peek(1); err != nil && err != io.EOF {
		return false, err // of the source; it must be read on to know whether the message goes on
	}
	if z.src.data != nil || z.src.src != nil {
		return false, z.mayGoOn()
	}
	switch left := z.buf.Buffered() + len(z.src.tail); {
	case left == 0, left == len(finalBlock), left == len(messageTail):
		return true, nil
	case left < len(messageTail):
		return false, &CorruptError{Cause: errTruncated}
	default:
		return false, z.mayGoOn()
	}
}

func (z *decoder) mayGoOn() error {
	if z.streams >= maxStreams {
		return &CorruptError{Cause: errTooManyStreams}
	}
	return nil
}

// failure tells an error of the source from one of the data.
func (z *decoder) failure(err error) error {
	switch {
	case z.src.err != nil:
		return z.src.err
	case err == io.ErrUnexpectedEOF:
		return &CorruptError{Cause: errTruncated}
	default:
		return &CorruptError{Cause: err}
	}
}

// source is a message's compressed bytes and the tail behind them.
type source struct {
	data  []byte
	src   io.Reader
	tail  string
	taken int64 // bytes of the message, without the tail
	err   error // what src ended with, if not io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	if s.src != nil {
		return s.readOn(p)
	}
	n := copy(p, s.data)
	if s.data = s.data[n:]; len(s.data) == 0 {
		s.data = nil
		m := copy(p[n:], s.tail)
		s.tail = s.tail[m:]
		n += m
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (s *source) readOn(p []byte) (int, error) {
	n, err := s.src.Read(p)
	s.taken += int64(n)
	if err == io.EOF {
		s.src = nil
		m := copy(p[n:], s.tail)
		s.tail = s.tail[m:]
		return n + m, nil
	}
	s.err = err
	return n, err
}
