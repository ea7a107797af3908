// The tester's own DEFLATE (RFC 1951): a compressor that keeps to any window exactly and can write what others never
// would, and a decompressor that measures every reference. What it does byte by byte is left out of the race detector, which
// would make it ten times as dear as what is tested: a codec belongs to one goroutine.

package conformance

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// packing is how a message is compressed.
type packing uint8

const (
	fixed   packing = iota // with fixed codes, referring back as far as the window allows
	stored                 // not at all, in stored blocks
	dynamic                // by the standard library's compressor, each message by itself
	final                  // with fixed codes, in a final block (RFC 7692 §7.2.3.4)
	blocks                 // with fixed codes, in three blocks (§7.2.3.5), an empty stored one between them
)

// deflater compresses the messages of one direction.
type deflater struct {
	window   int
	takeover bool
	past     []byte
}

// message compresses one message as RFC 7692 §7.2.1 says.
func (d *deflater) message(plain []byte, how packing) []byte {
	w := new(bitWriter)
	switch how {
	case stored:
		for rest := plain; len(rest) > 0; {
			n := min(len(rest), 0xFFFF)
			w.stored(rest[:n])
			rest = rest[n:]
		}
	case dynamic:
		w.out = standard(plain, d.window)
	case blocks:
		third := len(plain) / 3
		w.block(d.past, plain[:third], d.window, false)
		w.stored(nil)
		past := append(slices.Clip(d.past), plain[:third]...)
		w.block(past, plain[third:2*third], d.window, false)
		past = append(slices.Clip(d.past), plain[:2*third]...)
		w.block(past, plain[2*third:], d.window, false)
	default:
		w.block(d.past, plain, d.window, how == final)
	}
	w.bits(0, 3) // the empty stored block, whose length fields are cut off
	w.align()
	d.remember(plain)
	return w.out
}

func (d *deflater) remember(plain []byte) {
	if d.takeover {
		d.past = append(d.past, plain...)
		d.past = slices.Clone(d.past[max(0, len(d.past)-d.window):])
	}
}

// standard compresses with the standard library. Its window is 32 KiB, so that a longer message for a smaller window is
// cut into pieces that know nothing of each other. The fastest level always writes dynamic codes, and begins anew without
// clearing large tables.
func standard(plain []byte, window int) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		panic(err)
	}
	for len(plain) > 0 {
		n := len(plain)
		if window < 1<<15 {
			n = min(n, window)
		}
		w.Reset(&out)
		w.Write(plain[:n])
		w.Flush()
		plain = plain[n:]
	}
	return out.Bytes()
}

// bitWriter writes bits, the lowest first.
type bitWriter struct {
	out  []byte
	acc  uint64
	held uint
}

//go:norace
func (w *bitWriter) bits(value uint64, n uint) {
	w.acc |= value << w.held
	for w.held += n; w.held >= 8; w.held -= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
	}
}

func (w *bitWriter) align() {
	if w.held > 0 {
		w.bits(0, 8-w.held)
	}
}

func (w *bitWriter) stored(p []byte) {
	w.bits(0, 3)
	w.align()
	w.bits(uint64(len(p)), 16)
	w.bits(uint64(^uint16(len(p))), 16)
	w.out = append(w.out, p...)
}

// literal writes a symbol with its fixed code (RFC 1951 §3.2.6). Codes are written highest bit first.
//
//go:norace
func (w *bitWriter) literal(symbol int) {
	code, n := 0, 0
	switch {
	case symbol < 144:
		code, n = 0x30+symbol, 8
	case symbol < 256:
		code, n = 0x190+symbol-144, 9
	case symbol < 280:
		code, n = symbol-256, 7
	default:
		code, n = 0xC0+symbol-280, 8
	}
	w.bits(uint64(bits.Reverse16(uint16(code))>>(16-n)), uint(n))
}

// The lengths and distances of RFC 1951 §3.2.5: the smallest of each symbol, and its extra bits.
var (
	lengthBase  = [...]int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [...]uint{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [...]int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [...]uint{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// reference writes "length bytes from distance back".
//
//go:norace
func (w *bitWriter) reference(length, distance int) {
	i := len(lengthBase) - 1
	for lengthBase[i] > length {
		i--
	}
	w.literal(257 + i)
	w.bits(uint64(length-lengthBase[i]), lengthExtra[i])
	j := len(distBase) - 1
	for distBase[j] > distance {
		j--
	}
	w.bits(uint64(bits.Reverse8(uint8(j))>>3), 5)
	w.bits(uint64(distance-distBase[j]), distExtra[j])
}

// begin writes the header of a block with fixed codes.
func (w *bitWriter) begin(final bool) {
	if final {
		w.bits(1, 1)
	} else {
		w.bits(0, 1)
	}
	w.bits(1, 2)
}

// block writes p, which follows past, as one block with fixed codes and no reference further back than window.
//
//go:norace
func (w *bitWriter) block(past, p []byte, window int, final bool) {
	w.begin(final)
	all := slices.Concat(past, p)
	var latest [1 << 12]int // 1 + the position where four bytes of this hash were seen last
	hash := func(i int) int {
		return int((uint32(all[i])<<24 | uint32(all[i+1])<<16 | uint32(all[i+2])<<8 | uint32(all[i+3])) * 2654435761 >> 20)
	}
	for i := range past {
		if i+4 <= len(all) {
			latest[hash(i)] = i + 1
		}
	}
	for i := len(past); i < len(all); {
		length := 0
		if i+4 <= len(all) {
			at := latest[hash(i)] - 1
			latest[hash(i)] = i + 1
			for at >= 0 && i-at <= window && length < 258 && i+length < len(all) && all[at+length] == all[i+length] {
				length++
			}
			if length >= 4 {
				w.reference(length, i-at)
				i += length
				continue
			}
		}
		w.literal(int(all[i]))
		i++
	}
	w.literal(256)
}

// inflater inflates the messages of one direction, and refuses a reference beyond the window.
type inflater struct {
	window   int
	takeover bool
	past     []byte
}

var errShort = errors.New("its DEFLATE ends in the middle")

// message inflates one message (RFC 7692 §7.2.2).
func (f *inflater) message(packed []byte) ([]byte, error) {
	r := &bitReader{in: append(slices.Clip(packed), 0, 0, 0xFF, 0xFF)}
	out := slices.Clone(f.past)
	start := len(out)
	for r.pos < len(r.in) {
		var err error
		if out, err = r.block(out, f.window); err != nil {
			return nil, err
		}
		if len(out) > 64<<20 {
			return nil, errors.New("it inflates to more than was sent")
		}
	}
	plain := out[start:]
	if f.takeover {
		f.past = out[max(0, len(out)-f.window):]
	}
	return plain, nil
}

type bitReader struct {
	in   []byte
	pos  int
	acc  uint32
	held uint
}

//go:norace
func (r *bitReader) bits(n uint) (int, error) {
	for r.held < n {
		if r.pos == len(r.in) {
			return 0, errShort
		}
		r.acc |= uint32(r.in[r.pos]) << r.held
		r.pos, r.held = r.pos+1, r.held+8
	}
	v := int(r.acc & (1<<n - 1))
	r.acc >>= n
	r.held -= n
	return v, nil
}

// huffman is a canonical code: how many codes there are of each length, and their symbols in order.
type huffman struct {
	count  [16]int
	symbol []int
}

//go:norace
func newHuffman(lengths []int) *huffman {
	h := new(huffman)
	for n := 1; n < 16; n++ {
		for symbol, length := range lengths {
			if length == n {
				h.count[n]++
				h.symbol = append(h.symbol, symbol)
			}
		}
	}
	return h
}

//go:norace
func (r *bitReader) decode(h *huffman) (int, error) {
	code, first, index := 0, 0, 0
	for n := 1; n < 16; n++ {
		bit, err := r.bits(1)
		if err != nil {
			return 0, err
		}
		code |= bit
		if code-first < h.count[n] {
			return h.symbol[index+code-first], nil
		}
		index += h.count[n]
		first = (first + h.count[n]) << 1
		code <<= 1
	}
	return 0, errors.New("it has a bit sequence that is no code")
}

// block inflates one block onto out.
func (r *bitReader) block(out []byte, window int) ([]byte, error) {
	if _, err := r.bits(1); err != nil { // a final block is as good as any other
		return out, err
	}
	kind, err := r.bits(2)
	if err != nil {
		return out, err
	}
	switch kind {
	case 0:
		return r.storedBlock(out)
	case 1:
		return r.codedBlock(out, window, fixedLiterals, fixedDistances)
	case 2:
		literals, distances, err := r.codes()
		if err != nil {
			return out, err
		}
		return r.codedBlock(out, window, literals, distances)
	}
	return out, errors.New("it has a block of the reserved type")
}

func (r *bitReader) storedBlock(out []byte) ([]byte, error) {
	r.acc, r.held = 0, 0
	length, err := r.bits(16)
	if err != nil {
		return out, err
	}
	check, err := r.bits(16)
	if err != nil || check != length^0xFFFF || r.pos+length > len(r.in) {
		return out, errors.New("it has a stored block of a wrong length")
	}
	r.pos += length
	return append(out, r.in[r.pos-length:r.pos]...), nil
}

var fixedLiterals, fixedDistances = func() (*huffman, *huffman) {
	lengths := slices.Concat(slices.Repeat([]int{8}, 144), slices.Repeat([]int{9}, 112), slices.Repeat([]int{7}, 24), slices.Repeat([]int{8}, 8))
	return newHuffman(lengths), newHuffman(slices.Repeat([]int{5}, 30))
}()

// codes reads the codes of a dynamic block (RFC 1951 §3.2.7).
func (r *bitReader) codes() (literals, distances *huffman, err error) {
	var sizes [3]int
	for i, n := range []uint{5, 5, 4} {
		if sizes[i], err = r.bits(n); err != nil {
			return nil, nil, err
		}
	}
	nLiterals, total := sizes[0]+257, sizes[0]+257+sizes[1]+1
	lengths := make([]int, 19)
	for _, at := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:sizes[2]+4] {
		if lengths[at], err = r.bits(3); err != nil {
			return nil, nil, err
		}
	}
	h := newHuffman(lengths)
	lengths = nil
	for len(lengths) < total {
		symbol, err := r.decode(h)
		if err != nil {
			return nil, nil, err
		}
		if symbol < 16 {
			lengths = append(lengths, symbol)
			continue
		}
		repeat := map[int]struct {
			extra uint
			least int
		}{16: {2, 3}, 17: {3, 3}, 18: {7, 11}}[symbol]
		more, err := r.bits(repeat.extra)
		if err != nil {
			return nil, nil, err
		}
		value := 0
		if symbol == 16 {
			if len(lengths) == 0 {
				return nil, nil, errors.New("it repeats a length before the first")
			}
			value = lengths[len(lengths)-1]
		}
		lengths = append(lengths, slices.Repeat([]int{value}, repeat.least+more)...)
	}
	if len(lengths) != total {
		return nil, nil, errors.New("it has more lengths than codes")
	}
	return newHuffman(lengths[:nLiterals]), newHuffman(lengths[nLiterals:]), nil
}

// codedBlock inflates the symbols of a block. Nothing in it may lie further back than window, or than there is.
//
//go:norace
func (r *bitReader) codedBlock(out []byte, window int, literals, distances *huffman) ([]byte, error) {
	for {
		symbol, err := r.decode(literals)
		if err != nil {
			return out, err
		}
		if symbol < 256 {
			out = append(out, byte(symbol))
			continue
		}
		if symbol == 256 {
			return out, nil
		}
		length, err := r.extended(symbol-257, lengthBase[:], lengthExtra[:])
		if err != nil {
			return out, err
		}
		symbol, err = r.decode(distances)
		if err != nil {
			return out, err
		}
		distance, err := r.extended(symbol, distBase[:], distExtra[:])
		if err != nil {
			return out, err
		}
		if distance > window || distance > len(out) {
			return out, fmt.Errorf("it refers %d bytes back, with a window of %d and %d bytes there", distance, window, len(out))
		}
		for range length {
			out = append(out, out[len(out)-distance])
		}
	}
}

//go:norace
func (r *bitReader) extended(i int, base []int, extra []uint) (int, error) {
	if i >= len(base) {
		return 0, errors.New("it has a symbol that is reserved")
	}
	n, err := r.bits(extra[i])
	return base[i] + n, err
}
