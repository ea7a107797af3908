// The format: sections in pieces, with a sum at the end. See the package.

package state

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"time"
)

const (
	magic    = "ringdown state 1\n"
	maxName  = math.MaxUint8
	maxPiece = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// write writes a whole file.
func write(to io.Writer, now time.Time, keepers []Keeper) error {
	sum := crc32.New(castagnoli)
	w := io.MultiWriter(to, sum)
	if _, err := w.Write(binary.BigEndian.AppendUint64([]byte(magic), uint64(now.UnixNano()))); err != nil {
		return err
	}
	for _, k := range keepers {
		if err := writeSection(w, k); err != nil {
			return fmt.Errorf("%s: %w", k.Name(), err)
		}
	}
	if _, err := w.Write([]byte{0}); err != nil {
		return err
	}
	_, err := to.Write(sum.Sum(nil))
	return err
}

func writeSection(w io.Writer, k Keeper) error {
	name := k.Name()
	if name == "" || len(name) > maxName {
		return fmt.Errorf("the name of a section has %d bytes; give it 1 to %d", len(name), maxName)
	}
	if _, err := w.Write(append([]byte{byte(len(name))}, name...)); err != nil {
		return err
	}
	pieces := bufio.NewWriterSize(pieceWriter{w}, maxPiece)
	if err := k.Save(pieces); err != nil {
		return err
	}
	if err := pieces.Flush(); err != nil {
		return err
	}
	_, err := w.Write(make([]byte, 4))
	return err
}

// pieceWriter writes each Write as pieces.
type pieceWriter struct{ to io.Writer }

func (w pieceWriter) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		piece := b[:min(len(b), maxPiece)]
		if _, err := w.to.Write(binary.BigEndian.AppendUint32(nil, uint32(len(piece)))); err != nil {
			return n, err
		}
		if _, err := w.to.Write(piece); err != nil {
			return n, err
		}
		n += len(piece)
		b = b[len(piece):]
	}
	return n, nil
}

// reader reads a file. It holds no more than a buffer of it.
type reader struct {
	from *bufio.Reader
	sum  hash.Hash32 // of what was read
}

// open reads the beginning of a file.
func open(from io.Reader) (r *reader, saved time.Time, err error) {
	r = &reader{from: bufio.NewReaderSize(from, maxPiece), sum: crc32.New(castagnoli)}
	head := make([]byte, len(magic)+8)
	if err := r.read(head); err != nil {
		return nil, saved, err
	}
	if string(head[:len(magic)]) != magic {
		return nil, saved, fmt.Errorf("it does not begin with %q, as this version of the program writes it", magic)
	}
	return r, time.Unix(0, int64(binary.BigEndian.Uint64(head[len(magic):]))), nil
}

// read fills b. That there is less is [io.ErrUnexpectedEOF].
func (r *reader) read(b []byte) error {
	_, err := io.ReadFull(r.from, b)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("it ends too early or cannot be read: %w", err)
	}
	r.sum.Write(b)
	return nil
}

// next returns the next section, which must be read to its end before the one after it; name is "" behind the last one, once
// the sum has been found right.
func (r *reader) next() (name string, section io.Reader, err error) {
	var length [1]byte
	if err := r.read(length[:]); err != nil {
		return "", nil, err
	}
	if length[0] == 0 {
		return "", nil, r.finish()
	}
	text := make([]byte, length[0])
	if err := r.read(text); err != nil {
		return "", nil, err
	}
	return string(text), &sectionReader{file: r}, nil
}

func (r *reader) finish() error {
	is := r.sum.Sum32()
	var said [4]byte
	if err := r.read(said[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(said[:]) != is {
		return errors.New("it is damaged: its sum is wrong")
	}
	if _, err := r.from.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.New("it is damaged: something follows its end")
	}
	return nil
}

// sectionReader reads the pieces of a section.
type sectionReader struct {
	file *reader
	left int // of the piece
	over bool
}

func (s *sectionReader) Read(b []byte) (int, error) {
	if s.left == 0 && !s.over {
		var length [4]byte
		if err := s.file.read(length[:]); err != nil {
			return 0, err
		}
		n := binary.BigEndian.Uint32(length[:])
		if n > maxPiece {
			return 0, fmt.Errorf("it is damaged: a piece has %d bytes, at most %d are written", n, maxPiece)
		}
		s.left, s.over = int(n), n == 0
	}
	if s.over {
		return 0, io.EOF
	}
	b = b[:min(len(b), s.left)]
	if err := s.file.read(b); err != nil {
		return 0, err
	}
	s.left -= len(b)
	return len(b), nil
}
