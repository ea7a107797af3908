package rooms

// This file: bytes from a server → messages. Decoders do no I/O; what the end of some bytes cut, the caller brings again
// with what follows.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/ringdown/ringdown/bench/frames"
)

// A decoder takes the whole messages off the front of bytes, hands each to hear, and returns how many bytes they were.
type decoder interface {
	decode(bytes []byte, hear func(m message) error) (used int, err error)
}

// A message is borrowed until hear returns.
type message struct {
	text []byte
	ping bool // a WebSocket ping, which asks for a pong with the same text
}

func newDecoder(s Stream, chunked bool) decoder {
	switch s {
	case EventStream:
		return &events{chunked: chunked}
	case Answers:
		return answers{}
	default:
		return sockets{}
	}
}

// sockets decodes WebSocket frames (RFC 6455 section 5.2).
type sockets struct{}

func (sockets) decode(b []byte, hear func(m message) error) (used int, err error) {
	for {
		h, size := frames.ParseServer(b[used:])
		if size == 0 || len(b)-used < size+h.Length {
			return used, nil
		}
		payload := b[used+size : used+size+h.Length]
		used += size + h.Length
		switch h.Opcode {
		case frames.OpText, frames.OpBinary:
			if !h.Fin || h.RSV1 {
				return used, fmt.Errorf("a fragmented or compressed message came, which nobody asked for")
			}
			err = hear(message{text: payload})
		case frames.OpPing:
			err = hear(message{text: payload, ping: true})
		case frames.OpClose:
			return used, closeError(payload)
		}
		if err != nil {
			return used, err
		}
	}
}

func closeError(payload []byte) error {
	if len(payload) < 2 {
		return fmt.Errorf("the server closed the WebSocket without a code")
	}
	return fmt.Errorf("the server closed the WebSocket with %d %q", binary.BigEndian.Uint16(payload), payload[2:])
}

// events decodes Server-Sent Events: a message is all the lines that have come. Chunks of HTTP/1.1 (RFC 9112 section 7.1) may
// cut them anywhere.
type events struct {
	chunked bool
	begun   []byte // the start of a line whose end was not in the chunk
}

func (e *events) decode(b []byte, hear func(m message) error) (used int, err error) {
	if !e.chunked {
		return len(b), e.lines(b, hear)
	}
	for {
		line, rest, found := bytes.Cut(b[used:], []byte("\r\n"))
		if !found {
			return used, nil
		}
		size, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return used, fmt.Errorf("a chunk begins with %.40q", line)
		}
		if size == 0 {
			return used, fmt.Errorf("the server ended the stream of events")
		}
		if len(rest) < int(size)+len("\r\n") {
			return used, nil
		}
		used += len(line) + len("\r\n") + int(size) + len("\r\n")
		if err := e.lines(rest[:size], hear); err != nil {
			return used, err
		}
	}
}

// lines hands on what is whole.
func (e *events) lines(text []byte, hear func(m message) error) error {
	end := bytes.LastIndexByte(text, '\n') + 1
	whole := text[:end]
	if len(e.begun) > 0 {
		if end == 0 {
			e.begun = append(e.begun, text...)
			return nil
		}
		whole = append(e.begun, whole...)
	}
	e.begun = append([]byte(nil), text[end:]...)
	if len(whole) == 0 {
		return nil
	}
	return hear(message{text: whole})
}

// answers decodes answers to requests over HTTP/1.1, of which it hands on the bodies. One that is no success is an error.
type answers struct{}

func (answers) decode(b []byte, hear func(m message) error) (used int, err error) {
	for {
		head, body, found := bytes.Cut(b[used:], []byte("\r\n\r\n"))
		if !found {
			return used, nil
		}
		status, length, _, err := parseHead(string(head))
		if err != nil {
			return used, err
		}
		if status/100 != 2 {
			return used, fmt.Errorf("a request was answered with %d: %.120q", status, body)
		}
		if length < 0 {
			return used, fmt.Errorf("the answer has no Content-Length, which is all that this client can read: %q", head)
		}
		if len(body) < length {
			return used, nil
		}
		used += len(head) + len("\r\n\r\n") + length
		if err := hear(message{text: body[:length]}); err != nil {
			return used, err
		}
	}
}

// parseHead reads what matters of an answer's head. The length is -1 where none is given, and a body there may be.
func parseHead(head string) (status, length int, chunked bool, err error) {
	first, fields, _ := strings.Cut(head, "\r\n")
	if len(first) < len("HTTP/1.1 200") || !strings.HasPrefix(first, "HTTP/1.1 ") {
		return 0, 0, false, fmt.Errorf("the server answered %.80q", first)
	}
	if status, err = strconv.Atoi(first[9:12]); err != nil {
		return 0, 0, false, fmt.Errorf("the server answered %.80q", first)
	}
	length = -1
	if status == 204 {
		length = 0
	}
	for field := range strings.SplitSeq(fields, "\r\n") {
		name, value, _ := strings.Cut(field, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.Atoi(value); err != nil || length < 0 {
				return 0, 0, false, fmt.Errorf("the server answered %q", field)
			}
		case "transfer-encoding":
			chunked = strings.EqualFold(value, "chunked")
		}
	}
	return status, length, chunked, nil
}
