package load

// This file: what a connection says, prepared before the clock starts, and how the answers to it are checked.

import (
	"bytes"
	"fmt"

	"github.com/ringdown/ringdown/bench/frames"
)

// maskKey masks every frame. It has no zero byte, so that no server gets away without unmasking.
var maskKey = [4]byte{0x9d, 0x3b, 0xe7, 0x51}

// A Script is what every connection of a Client says and what it expects to hear.
type Script struct {
	offer  string // Sec-WebSocket-Extensions of the handshake; empty: none
	bursts func(agreement) (*bursts, error)
	check  func(agreement) checker
}

// bursts is what a connection sends: the next one as soon as all answers to the last are in.
type bursts struct {
	bytes    [][]byte
	messages int // in each burst
	repeat   int // after the last burst comes this one
}

func (b *bursts) after(i int) int {
	if i++; i == len(b.bytes) {
		return b.repeat
	}
	return i
}

// A checker verifies what one connection receives.
type checker interface {
	// feed takes the next bytes and returns how many messages they complete.
	feed(p []byte) (int, error)
}

// Echo is the script of depth binary messages of size bytes at a time, sent in one write.
func Echo(size, depth int) *Script {
	payload := frames.Payload(size)
	h := frames.Header{Fin: true, Opcode: frames.OpBinary}
	say := &bursts{
		bytes:    [][]byte{bytes.Repeat(frames.Client(nil, h, maskKey, payload), depth)},
		messages: depth,
	}
	answer := frames.Server(nil, h, payload)
	want := bytes.Repeat(answer, depth)
	return &Script{
		bursts: func(agreement) (*bursts, error) { return say, nil },
		check:  func(agreement) checker { return &exactChecker{want: want, frame: len(answer)} },
	}
}

// exactChecker compares with the one right answer, which is possible where every server must send the same bytes: an
// unfragmented, uncompressed message has only one encoding. How many answers may come is the client's to know.
type exactChecker struct {
	want  []byte // the answers to a burst, which come again and again
	frame int    // bytes of one answer
	at    int    // bytes of want that have come
}

func (c *exactChecker) feed(p []byte) (int, error) {
	done := 0
	for len(p) > 0 {
		n := min(len(p), len(c.want)-c.at)
		if !bytes.Equal(p[:n], c.want[c.at:c.at+n]) {
			return 0, fmt.Errorf("%d bytes behind %d of an answer are not the echo that was expected", n, c.at)
		}
		before := c.at / c.frame
		c.at, p = c.at+n, p[n:]
		done += c.at/c.frame - before
		c.at %= len(c.want)
	}
	return done, nil
}
