package deflate

// Compressing: whole messages, with and without the context of earlier ones.

import "github.com/klauspost/compress/flate"

const (
	// syncTail ends what a sync flush wrote: the length fields of an empty stored block. A message is sent without it
	// and its receiver puts it back, RFC 7692 §7.2.1 and §7.2.2.
	syncTail = "\x00\x00\xff\xff"

	// sendWindow is how far back a message refers to earlier ones, at most. A pooled compressor must index it for every
	// message: for 1 KiB of JSON, 2 KiB cost no more time than the shorter output saves and give 99 % of what 4 KiB give.
	sendWindow = 2 << 10
)

// Deflator compresses the messages of one direction of one connection. It holds 40 bytes, and with takeover at most
// 2304 bytes of plaintext.
type Deflator struct {
	win      window
	level    int8
	bits     int8
	takeover bool
}

// NewDeflator compresses for a peer that allows windows of 1<<windowBits bytes, 8 to 15, at a level from 1, the fastest,
// to 9; levels beyond are taken as the nearest of these. With takeover messages refer to earlier ones.
func NewDeflator(takeover bool, windowBits, level int) *Deflator {
	return &Deflator{
		win:      window{limit: min(sendWindow, 1<<windowBits)},
		level:    int8(min(max(level, flate.BestSpeed), flate.BestCompression)),
		bits:     int8(windowBits),
		takeover: takeover,
	}
}

// Append compresses payload as one whole message and appends the result, never empty, to dst. It cannot fail, and it
// allocates only what dst lacks. The two must not overlap.
func (d *Deflator) Append(dst, payload []byte) []byte {
	if !d.takeover {
		return Compress(dst, payload, int(d.level), int(d.bits))
	}
	dst = d.piece(dst, payload)
	return dst[:len(dst)-len(syncTail)]
}

// Remember tells d of a message that the peer gets in the form that [Compress] gave it, so that later messages count
// their distances right. Messages sent uncompressed are none of its business: they enter no window (RFC 7692 §7.2.1).
func (d *Deflator) Remember(payload []byte) {
	if d.takeover {
		d.win.add(payload)
	}
}

// piece compresses p in the context of the window and moves the window on. The result ends in syncTail.
func (d *Deflator) piece(dst, p []byte) []byte {
	dst = encode(dst, p, d.win.bytes(), int(d.level), int(d.bits))
	d.win.add(p)
	return dst
}

// Compress is a message compressed on its own, for any number of connections whose windows are at least
// 1<<windowBits; with takeover each of their Deflators must [Deflator.Remember] it. It appends to dst, like
// [Deflator.Append].
//
// A payload of at most 1<<windowBits bytes cannot reach beyond that window: it comes out the same for larger ones.
func Compress(dst, payload []byte, level, windowBits int) []byte {
	level = min(max(level, flate.BestSpeed), flate.BestCompression)
	dst = encode(dst, payload, nil, level, windowBits)
	return dst[:len(dst)-len(syncTail)]
}

// encoder is a compressor that appends to a slice.
type encoder struct {
	flate *flate.Writer
	out   []byte
}

func (e *encoder) Write(p []byte) (int, error) {
	e.out = append(e.out, p...)
	return len(p), nil
}

// Compressors take about 1 MB each and are used for microseconds, so that there are hardly more of them than
// processors: encoders by level for the full window, narrowEncoders by window bits.
var (
	encoders       [flate.BestCompression + 1]pool
	narrowEncoders [maxWindowBits]pool
)

// encode appends p, compressed as the continuation of dict and ended by a sync flush, to dst.
func encode(dst, p, dict []byte, level, windowBits int) []byte {
	idle := &encoders[level]
	narrow := false
	if excess := len(dict) + len(p) - 1<<windowBits; excess > 0 && windowBits < maxWindowBits {
		// What is no longer than the window, dictionary included, cannot refer back any further. If that would take too
		// much of the dictionary, or the message is longer by itself, distances have to be counted. There is one level of
		// compressors that do, and it takes half as long again.
		if narrow = excess > len(dict)/2; narrow {
			idle = &narrowEncoders[windowBits]
		} else {
			dict = dict[excess:]
		}
	}
	e, _ := idle.Get().(*encoder)
	if e == nil {
		e = newEncoder(level, windowBits, narrow)
	}
	e.out = dst
	// Always with a dictionary, even an empty one: Reset would bring back the last one. It is copied into the
	// compressor's history; the slice that stays behind in it is never read again.
	e.flate.ResetDict(e, dict)
	_, _ = e.flate.Write(p) // only its writer can fail, and appending doesn't
	_ = e.flate.Flush()
	dst, e.out = e.out, nil
	idle.Put(e)
	return dst
}

func newEncoder(level, windowBits int, narrow bool) *encoder {
	e := new(encoder)
	var err error
	if narrow {
		e.flate, err = flate.NewWriterWindow(e, 1<<windowBits)
	} else {
		e.flate, err = flate.NewWriter(e, level)
	}
	if err != nil {
		panic("deflate: " + err.Error()) // a level or window that the negotiation cannot have let through
	}
	return e
}
