package deflate

// Compressing a message while it is being written, its size unknown.

import "errors"

const (
	// Small writes are gathered to pieces of this size: smaller ones compress worse.
	gather = 16 << 10
	// A large write is cut into pieces of this size, the block size of the compressor.
	maxPiece = 64<<10 - 1
)

var errStreamClosed = errors.New("deflate: the message has been closed")

// Stream compresses one message in pieces. Each piece is compressed at once and refers to the last plaintext before
// it, so that a slow message holds no compressor between its writes, only up to 16 KiB of plaintext.
type Stream struct {
	d       *Deflator
	emit    func(p []byte) error
	pending []byte
	out     []byte
	err     error
}

// Begin starts a message whose compressed bytes go to emit as they come about; the slice is emit's only until it
// returns. The Deflator must not be used for anything else until the stream is closed.
func (d *Deflator) Begin(emit func(p []byte) error) *Stream {
	return &Stream{d: d, emit: emit}
}

// Write compresses p, or keeps it until there is enough. Errors are emit's and stay.
func (s *Stream) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 && s.err == nil {
		if len(s.pending) == 0 && len(p) >= gather {
			n := min(len(p), maxPiece)
			s.send(p[:n])
			p = p[n:]
			continue
		}
		n := min(len(p), gather-len(s.pending))
		s.pending = append(s.pending, p[:n]...)
		p = p[n:]
		if len(s.pending) == gather {
			s.sendPending()
		}
	}
	return total - len(p), s.err
}

// Flush emits everything written so far, so that the receiver can inflate all of it.
func (s *Stream) Flush() error {
	if s.err == nil && len(s.pending) > 0 {
		s.sendPending()
	}
	return s.err
}

// Close ends the message: unless an error came before, it calls emit exactly once, with what is left and at least one
// byte. It returns the stream's error; closing again does nothing.
func (s *Stream) Close() error {
	if s.err == errStreamClosed {
		return nil
	}
	err := s.err
	if err == nil {
		s.out = s.d.piece(s.out[:0], s.pending)
		err = s.emit(s.out[:len(s.out)-len(syncTail)])
	}
	if !s.d.takeover {
		s.d.win.buf = nil
	}
	s.err = errStreamClosed
	s.pending, s.out = nil, nil
	return err
}

func (s *Stream) sendPending() {
	s.send(s.pending)
	s.pending = s.pending[:0]
}

// send emits p as a piece that isn't the last: an empty stored block, complete with its tail, may stand in the middle
// of a message (RFC 7692 §7.2.3.5), so nothing needs to be held back for Close to cut off.
func (s *Stream) send(p []byte) {
	s.out = s.d.piece(s.out[:0], p)
	s.err = s.emit(s.out)
}
