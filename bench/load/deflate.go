package load

// This file: the script of compressed messages (RFC 7692): preparing them as a client that keeps to what was agreed,
// and inflating what comes back.

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/ringdown/ringdown/bench/frames"
)

const (
	minWindowBits = 8
	maxWindowBits = 15
	// documents of a KiB must fill more than the largest window, or each would be found there whole.
	documents = 64
)

// deflateTail ends what a flush of DEFLATE writes and is not sent (RFC 7692 section 7.2.1); the final empty block
// behind it lets an inflater see the end of a message.
var (
	deflateTail = []byte{0x00, 0x00, 0xff, 0xff}
	inflateTail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}
)

// DeflateEcho is the script of JSON messages of size bytes, one at a time, with or without context takeover in both
// directions as far as the server agrees.
func DeflateEcho(size int, takeover bool) *Script {
	docs := frames.Documents(documents, size)
	prepared := map[agreement]*bursts{} // all connections of a server agree on the same
	seen := &verified{docs: docs, answers: make([][]byte, len(docs))}
	offer := "permessage-deflate; client_max_window_bits"
	if !takeover {
		offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	}
	return &Script{
		offer: offer,
		bursts: func(a agreement) (say *bursts, err error) {
			if !a.deflate {
				return nil, errors.New("the server did not agree to permessage-deflate")
			}
			if say = prepared[a]; say == nil {
				say, err = compressed(docs, a)
				prepared[a] = say
			}
			return say, err
		},
		check: func(a agreement) checker { return &deflateChecker{verified: seen, takeover: !a.serverNoTakeover} },
	}
}

// compressed prepares the documents as frames. With takeover each refers to those before it, so that the documents
// are laid out twice: the first time round there is nothing before the first one, and from then on there always is.
func compressed(docs [][]byte, a agreement) (*bursts, error) {
	var out bytes.Buffer
	w, err := flate.NewWriterWindow(&out, 1<<a.clientWindowBits)
	if err != nil {
		return nil, err
	}
	say := &bursts{messages: 1}
	rounds := 2
	if a.clientNoTakeover {
		rounds = 1
	}
	say.repeat = (rounds - 1) * len(docs)
	for i := range rounds * len(docs) {
		out.Reset()
		if a.clientNoTakeover {
			w.Reset(&out)
		}
		if _, err := w.Write(docs[i%len(docs)]); err != nil {
			return nil, err
		}
		if err := w.Flush(); err != nil {
			return nil, err
		}
		h := frames.Header{Fin: true, RSV1: true, Opcode: frames.OpText}
		say.bytes = append(say.bytes, frames.Client(nil, h, maskKey, bytes.TrimSuffix(out.Bytes(), deflateTail)))
	}
	return say, nil
}

// verified holds what is right: the documents and, without takeover, a compressed form of each that was inflated once
// and found to be it, so that the same bytes need not be inflated again.
type verified struct {
	docs    [][]byte
	answers [][]byte
}

// deflateChecker parses the frames of one connection, fragmented or not, and inflates every message.
type deflateChecker struct {
	*verified
	takeover bool
	next     int    // index of the document that the next message must be
	frame    []byte // what has come of an unfinished frame
	message  []byte // what has come of an unfinished message, compressed
	within   bool   // a message has begun and not ended
	source   bytes.Reader
	inflater io.ReadCloser
	plain    []byte // room for one document, and one byte more to see an excess
	window   []byte // the last documents, when the server may refer to them
}

func (c *deflateChecker) feed(p []byte) (done int, err error) {
	c.frame = append(c.frame, p...)
	rest := c.frame
	for {
		h, size := frames.ParseServer(rest)
		if size == 0 || len(rest) < size+h.Length {
			c.frame = append(c.frame[:0], rest...)
			return done, nil
		}
		whole, err := c.take(h, rest[size:size+h.Length])
		if err != nil {
			return done, err
		}
		if whole {
			done++
		}
		rest = rest[size+h.Length:]
	}
}

// take adds a frame to the message and reports whether that is now complete, and right.
func (c *deflateChecker) take(h frames.Header, payload []byte) (bool, error) {
	first := h.Opcode == frames.OpText && h.RSV1 && !c.within
	further := h.Opcode == frames.OpContinuation && !h.RSV1 && c.within
	if !first && !further {
		return false, fmt.Errorf("a frame %+v behind %d bytes of a message is no compressed text", h, len(c.message))
	}
	c.message = append(c.message, payload...)
	if c.within = !h.Fin; c.within {
		return false, nil
	}
	err := c.verify(c.message)
	c.message = c.message[:0]
	c.next = (c.next + 1) % len(c.docs)
	return true, err
}

func (c *deflateChecker) verify(message []byte) error {
	if !c.takeover && bytes.Equal(message, c.answers[c.next]) {
		return nil
	}
	doc, err := c.inflate(message)
	if err != nil {
		return fmt.Errorf("inflating message %d: %w", c.next, err)
	}
	if !bytes.Equal(doc, c.docs[c.next]) {
		return fmt.Errorf("message %d came back as %q", c.next, doc)
	}
	if !c.takeover {
		c.answers[c.next] = bytes.Clone(message)
	}
	return nil
}

func (c *deflateChecker) inflate(message []byte) ([]byte, error) {
	whole := append(message, inflateTail...)
	c.source.Reset(whole)
	if c.inflater == nil {
		c.inflater = flate.NewReaderDict(&c.source, nil)
		c.plain = make([]byte, len(c.docs[0])+1)
	} else if err := c.inflater.(flate.Resetter).Reset(&c.source, c.window); err != nil {
		return nil, err
	}
	n, err := io.ReadFull(c.inflater, c.plain)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("%d bytes and %v", n, err)
	}
	if c.takeover {
		c.slide(c.plain[:n])
	}
	return c.plain[:n], nil
}

// slide appends to the window, which moves only once it is twice as long as needed.
func (c *deflateChecker) slide(doc []byte) {
	const size = 1 << maxWindowBits
	if len(c.window)+len(doc) > 2*size {
		c.window = append(c.window[:0], c.window[len(c.window)-size:]...)
	}
	c.window = append(c.window, doc...)
}
