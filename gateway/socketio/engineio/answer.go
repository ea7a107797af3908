// The answers to polling requests: payloads, compressed where that pays.

package engineio

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// compressible is the size in bytes from which payloads are compressed.
	compressible = 1 << 10
	// answerTime is how long the network may take for an answer.
	answerTime = 30 * time.Second
	// maxKept is the size of the largest buffer that is kept for the next payload.
	maxKept = 64 << 10
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= maxKept {
		b.Reset()
		buffers.Put(b)
	}
}

var packers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // cannot fail: the level is one
	return w
}}

// answer answers a GET with packets, and one without data behind them if last is not 0.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, get polled, packets []outgoing, last byte) error {
	b := buffers.Get().(*bytes.Buffer)
	defer putBuffer(b)
	size := 1
	for i := range packets {
		size += packets[i].cost()
	}
	b.Grow(size)
	payload := b.AvailableBuffer()
	for i := range packets {
		payload = packets[i].append(payload)
	}
	if last != 0 {
		payload = (&outgoing{bytes: []byte{last}}).append(payload)
	}
	b.Write(payload)
	plain := b.Bytes()
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=UTF-8")
	if b.Len() > compressible {
		header.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			header.Set("Content-Encoding", "gzip")
			packed := buffers.Get().(*bytes.Buffer)
			defer putBuffer(packed)
			packer := packers.Get().(*gzip.Writer)
			packer.Reset(packed)
			packer.Write(b.Bytes()) // into memory
			packer.Close()
			packers.Put(packer)
			b = packed
		}
	}
	get.conn.tapPolled(get.from, true, b.Len(), plain)
	return say(w, b.Bytes())
}

// say writes the body of an answer, for which the client has answerTime, and no more than this answer.
func say(w http.ResponseWriter, body []byte) error {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c := http.NewResponseController(w)
	c.SetWriteDeadline(time.Now().Add(answerTime)) // an error means that there are no deadlines
	defer c.SetWriteDeadline(time.Time{})
	if _, err := w.Write(body); err != nil {
		return err
	}
	if err := c.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) { // while the deadline holds
		return err
	}
	return nil
}

// acceptsGzip reports whether a list of codings (RFC 9110 §12.5.3) has gzip.
func acceptsGzip(fields []string) bool {
	for _, field := range fields {
		for coding := range strings.SplitSeq(field, ",") {
			name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			q, weighted := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			value, err := strconv.ParseFloat(q, 64)
			return !weighted || err == nil && value > 0
		}
	}
	return false
}
