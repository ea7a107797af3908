package deflate_test

// An inflater of our own that shares no code with the one under test, slow and plain, which also tells how far the
// compressor looked back. What it does bit by bit is left out of the race detector: it belongs to one goroutine.

import (
	"errors"
	"fmt"
	"testing"
)

// referee inflates the messages of one connection and remembers all of their plaintext.
type referee struct {
	in       []byte
	pos      uint // in bits
	out      []byte
	farthest int // the largest distance seen
}

var errRefereeEnd = errors.New("input ends in the middle of a block")

// message inflates one message and returns its plaintext.
func (r *referee) message(t *testing.T, compressed []byte) []byte {
	t.Helper()
	r.in, r.pos = append(append([]byte(nil), compressed...), 0, 0, 0xff, 0xff), 0
	start := len(r.out)
	for r.pos < uint(len(r.in))*8 {
		final, err := r.block()
		if err != nil {
			t.Fatalf("referee: %v (bit %d of % x)", err, r.pos, r.in)
		}
		if final {
			t.Fatal("referee: a final block, which this codec never sends")
		}
	}
	return r.out[start:]
}

//go:norace
func (r *referee) bits(n uint) int {
	v := 0
	for i := range n {
		if r.pos >= uint(len(r.in))*8 {
			panic(errRefereeEnd)
		}
		v |= int(r.in[r.pos/8]>>(r.pos%8)&1) << i
		r.pos++
	}
	return v
}

func (r *referee) block() (final bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	final = r.bits(1) == 1
	switch r.bits(2) {
	case 0:
		r.pos = (r.pos + 7) / 8 * 8
		size, inverse := r.bits(16), r.bits(16)
		if size != inverse^0xffff {
			return final, fmt.Errorf("stored block of %d, inverse %d", size, inverse)
		}
		for range size {
			r.out = append(r.out, byte(r.bits(8)))
		}
	case 1:
		literals := make([]int, 288)
		for i := range literals {
			literals[i] = []int{8, 9, 7, 8}[btoi(i >= 144)+btoi(i >= 256)+btoi(i >= 280)]
		}
		distances := make([]int, 30)
		for i := range distances {
			distances[i] = 5
		}
		r.huffman(codes(literals), codes(distances))
	case 2:
		r.dynamic()
	default:
		return final, errors.New("block of type 3")
	}
	return final, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// code is a canonical Huffman code, RFC 1951 §3.2.2: how many codes each length has, and all symbols in their order.
type code struct {
	count   [16]int
	symbols []int
}

//go:norace
func codes(lengths []int) code {
	var c code
	for length := 1; length <= 15; length++ {
		for symbol, l := range lengths {
			if l == length {
				c.count[length]++
				c.symbols = append(c.symbols, symbol)
			}
		}
	}
	return c
}

//go:norace
func (r *referee) symbol(c code) int {
	bits, first, index := 0, 0, 0
	for _, count := range c.count[1:] {
		bits |= r.bits(1)
		if bits-first < count {
			return c.symbols[index+bits-first]
		}
		index += count
		first = (first + count) << 1
		bits <<= 1
	}
	panic("no such code")
}

func (r *referee) dynamic() {
	literals, distances, n := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	meta := make([]int, 19)
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:n] {
		meta[i] = r.bits(3)
	}
	table := codes(meta)
	var lengths []int
	for len(lengths) < literals+distances {
		s, repeat, value := r.symbol(table), 1, 0
		switch s {
		case 16:
			repeat, value = 3+r.bits(2), lengths[len(lengths)-1]
		case 17:
			repeat = 3 + r.bits(3)
		case 18:
			repeat = 11 + r.bits(7)
		default:
			value = s
		}
		for range repeat {
			lengths = append(lengths, value)
		}
	}
	r.huffman(codes(lengths[:literals]), codes(lengths[literals:]))
}

//go:norace
func (r *referee) huffman(literals, distances code) {
	for {
		s := r.symbol(literals)
		if s == 256 {
			return
		}
		if s < 256 {
			r.out = append(r.out, byte(s))
			continue
		}
		length := 258
		if s -= 257; s < 8 {
			length = 3 + s
		} else if s < 28 {
			extra := uint(s-4) / 4
			length = 3 + (4+s%4)<<extra + r.bits(extra)
		}
		distance := r.symbol(distances) + 1
		if s := distance - 1; s >= 4 {
			extra := uint(s-2) / 2
			distance = 1 + (2+s%2)<<extra + r.bits(extra)
		}
		r.farthest = max(r.farthest, distance)
		for range length {
			r.out = append(r.out, r.out[len(r.out)-distance])
		}
	}
}
