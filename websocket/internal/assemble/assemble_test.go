// Whole messages from pieces: joined, inflated, checked, within bounds.

package assemble_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/websocket/internal/assemble"
	"github.com/ringdown/ringdown/websocket/internal/deflate"
	"github.com/ringdown/ringdown/websocket/wire"
)

// firstStep is the promise of the package: what a header alone can make it allocate, in bytes.
const firstStep = 32 << 10

func limits(message int64) *assemble.Limits {
	size := message
	if size == 0 {
		size = -1
	}
	return &assemble.Limits{Wire: wire.Limits{Message: message}, Inflate: deflate.Bounds{Size: size}}
}

// newAssembler returns one for a server, whose frames come with a masking key of zero so that they read as they are.
func newAssembler(l *assemble.Limits, compressed bool) *assemble.Assembler {
	a := new(assemble.Assembler)
	var inflator *deflate.Inflator
	if compressed {
		inflator = deflate.NewInflator(true, 15)
	}
	a.Init(wire.Server, l, inflator)
	return a
}

// frame is one masked frame. more leaves the message open, packed sets RSV1.
func frame(op wire.Opcode, payload string, options ...string) []byte {
	h := wire.Header{Opcode: op, Masked: true, Fin: !slices.Contains(options, "more"), RSV1: slices.Contains(options, "packed")}
	return wire.AppendFrame(nil, h, []byte(payload))
}

// feed gives input to a in the pieces that cuts make and tells what it handed up.
func feed(a *assemble.Assembler, input []byte, cuts ...int) []string {
	var told []string
	from := 0
	for _, to := range append(slices.Clip(cuts), len(input)) {
		in := slices.Clip(bytes.Clone(input[from:to]))
		from = to
		for {
			n, ev, err := a.Next(in)
			in = in[n:]
			switch {
			case err != nil:
				return append(told, err.Error())
			case ev.Kind == wire.Data:
				told = append(told, fmt.Sprintf("%s %q", ev.Opcode, ev.Payload))
			case ev.Kind != wire.None:
				told = append(told, fmt.Sprintf("%s %q", ev.Kind, ev.Payload))
			}
			if ev.Kind == wire.None && len(in) == 0 {
				break
			}
		}
	}
	return told
}

func every(n int) []int {
	cuts := make([]int, n)
	for i := range cuts {
		cuts[i] = i
	}
	return cuts
}

func TestMessagesComeWhole(t *testing.T) {
	d := deflate.NewDeflator(true, 15, 1)
	pack := func(s string) string { return string(d.Append(nil, []byte(s))) }
	long := strings.Repeat("all of this was said before; ", 300)
	packedLong, packedAgain := pack(long), pack(long)
	tests := []struct {
		name  string
		input [][]byte
		want  []string
	}{
		{"one frame", [][]byte{frame(wire.Text, "Hello")}, []string{`text "Hello"`}},
		{"an empty message", [][]byte{frame(wire.Binary, "")}, []string{`binary ""`}},
		{"fragments", [][]byte{
			frame(wire.Text, "Hel", "more"), frame(wire.Continuation, "lo, ", "more"), frame(wire.Continuation, "world"),
		}, []string{`text "Hello, world"`}},
		{"empty fragments", [][]byte{
			frame(wire.Binary, "", "more"), frame(wire.Continuation, "", "more"), frame(wire.Continuation, ""),
			frame(wire.Binary, "", "more"), frame(wire.Continuation, "x", "more"), frame(wire.Continuation, ""),
		}, []string{`binary ""`, `binary "x"`}},
		{"control frames between fragments", [][]byte{
			frame(wire.Text, "a", "more"), frame(wire.Ping, "p"), frame(wire.Continuation, "b", "more"), frame(wire.Pong, "q"),
			frame(wire.Continuation, "c"),
		}, []string{`ping "p"`, `pong "q"`, `text "abc"`}},
		{"a character cut by fragments", [][]byte{frame(wire.Text, "\xe2\x82", "more"), frame(wire.Continuation, "\xac")}, []string{`text "€"`}},
		{"compressed, then with its context", [][]byte{
			frame(wire.Text, packedLong, "packed"), frame(wire.Text, packedAgain, "packed"),
		}, []string{fmt.Sprintf("text %q", long), fmt.Sprintf("text %q", long)}},
		{"the peer is gone", [][]byte{frame(wire.Text, "never", "more"), frame(wire.Close, "\x03\xe8")}, []string{`close ""`}},
		{"not UTF-8", [][]byte{frame(wire.Text, "a\xff")}, []string{"text message is not UTF-8 (close code 1007)"}},
		{"not UTF-8 within an unfinished fragment", [][]byte{frame(wire.Text, "a", "more"), frame(wire.Continuation, "\xff", "more")},
			[]string{"text message is not UTF-8 (close code 1007)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			input := slices.Concat(tt.input...)
			for _, cuts := range [][]int{nil, every(len(input))} {
				if got := feed(newAssembler(limits(0), true), input, cuts...); !slices.Equal(got, tt.want) {
					t.Errorf("%d cuts: got %.200q\nwant %.200q", len(cuts), got, tt.want)
				}
			}
		})
	}
	if len(packedAgain) >= len(packedLong) {
		t.Errorf("the second message of the test, %d bytes, does without the first, %d: it proves nothing", len(packedAgain), len(packedLong))
	}
}

func TestCompressedMessagesInFragments(t *testing.T) {
	d := deflate.NewDeflator(false, 15, 1)
	for _, size := range []int{0, 1, 100, 5000, 100_000} {
		plain := strings.Repeat("0123456789 κόσμε ", size/16+1)[:size]
		plain = strings.ToValidUTF8(plain, "")
		packed := string(d.Append(nil, []byte(plain)))
		half := len(packed) / 2
		input := slices.Concat(
			frame(wire.Text, packed[:half], "packed", "more"), frame(wire.Ping, "between"),
			frame(wire.Continuation, "", "more"), frame(wire.Continuation, packed[half:]), frame(wire.Text, "plain"))
		want := []string{`ping "between"`, fmt.Sprintf("text %q", plain), `text "plain"`}
		for _, cuts := range [][]int{nil, {3}, {len(input) / 2}, every(len(input))} {
			if got := feed(newAssembler(limits(0), true), input, cuts...); !slices.Equal(got, want) {
				t.Errorf("%d bytes, %d cuts: got %.100q", size, len(cuts), got)
			}
		}
	}
}

func TestWhatAMessageMayNotBe(t *testing.T) {
	zeros := string(deflate.Compress(nil, make([]byte, 1<<20), 9, 15))
	pack := func(s string) string { return string(deflate.Compress(nil, []byte(s), 1, 15)) }
	ratio := &assemble.Limits{Inflate: deflate.Bounds{Size: -1, Ratio: 100}}
	tests := []struct {
		name   string
		limits *assemble.Limits
		input  []byte
		want   string // within the error; empty for none
	}{
		{"as large as the limit", limits(10), frame(wire.Binary, "0123456789"), ""},
		{"over the limit", limits(10), frame(wire.Binary, "0123456789a"), "11 bytes is over the limit of 10 (close code 1009)"},
		{"over the limit in fragments", limits(10), slices.Concat(frame(wire.Binary, "012345", "more"), frame(wire.Continuation, "6789a")), "(close code 1009)"},
		{"inflated as large as the limit", limits(1 << 20), frame(wire.Binary, zeros, "packed"), ""},
		{"inflated over the limit", limits(1<<20 - 1), frame(wire.Binary, zeros, "packed"), "limit of 1048575 bytes once inflated (close code 1009)"},
		{"inflated out of proportion", ratio, frame(wire.Binary, zeros, "packed"), "100 to 1"},
		{"corrupt", limits(0), frame(wire.Binary, "\xff\xff\xff", "packed"), "corrupt"},
		{"ends in the middle", limits(0), frame(wire.Binary, pack("cut short")[:3], "packed"), "(close code 1007)"},
		{"compressed text that is not UTF-8", limits(0), frame(wire.Text, pack("a\xffb"), "packed"), "text message is not UTF-8 (close code 1007)"},
		{"compressed text that ends in a character", limits(0), frame(wire.Text, pack("a\xe2\x82"), "packed"), "text message is not UTF-8 (close code 1007)"},
		{"compressed binary is any bytes", limits(0), frame(wire.Binary, pack("a\xffb"), "packed"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAssembler(tt.limits, true)
			var err error
			for in := tt.input; len(in) > 0 && err == nil; {
				var n int
				n, _, err = a.Next(in)
				in = in[n:]
			}
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if _, ok := err.(*wire.Error); !ok {
				t.Errorf("a %T has no close code", err)
			}
			if _, _, again := a.Next(frame(wire.Text, "too late")); again != err {
				t.Errorf("then %v: an error is final", again)
			}
		})
	}
}

// A frame that announces a gigabyte gets memory as its bytes come, whatever the limit.
func TestMemoryFollowsTheBytesNotTheHeader(t *testing.T) {
	for _, op := range []wire.Opcode{wire.Binary, wire.Text} {
		for _, packed := range []bool{false, true} {
			a := newAssembler(limits(0), true)
			in := wire.AppendHeader(nil, wire.Header{Fin: true, Opcode: op, RSV1: packed, Masked: true, Length: 1 << 30})
			before := allocated()
			if _, _, err := a.Next(append(in, "abc"...)); err != nil {
				t.Fatal(err)
			}
			if grown := allocated() - before; grown > 2*firstStep {
				t.Errorf("%s, compressed %v: 3 bytes of a gigabyte took %d bytes of memory", op, packed, grown)
			}
			if room := cap(a.Pending()); room > firstStep {
				t.Errorf("%s, compressed %v: room for %d bytes at first, more than %d", op, packed, room, firstStep)
			}
			chunk := bytes.Repeat([]byte("x"), 10_000)
			for range 100 {
				if _, _, err := a.Next(chunk); err != nil {
					t.Fatal(err)
				}
				have := len(a.Pending())
				if room := cap(a.Pending()); room > max(firstStep, 4*have) {
					t.Fatalf("%d bytes have come and there is room for %d", have, room)
				}
			}
			if string(a.Pending()[:5]) != "abcxx" || len(a.Pending()) != 1_000_003 {
				t.Errorf("pending are %d bytes, %q…", len(a.Pending()), a.Pending()[:5])
			}
			a.Release()
			if a.Pending() != nil {
				t.Error("pending after Release")
			}
		}
	}
}

// allocated is how many bytes the program has allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestAWholeFrameIsNotCopied(t *testing.T) {
	in := frame(wire.Binary, "payload")
	_, ev, err := newAssembler(limits(0), false).Next(in)
	if err != nil || string(ev.Payload) != "payload" || &ev.Payload[0] != &in[6] {
		t.Errorf("event %v, error %v", ev, err)
	}
}

func TestAnAssembledMessageLivesUntilTheNextCall(t *testing.T) {
	a := newAssembler(limits(0), false)
	first, second := frame(wire.Text, "one, ", "more"), frame(wire.Continuation, "two")
	a.Next(first)
	_, ev, err := a.Next(second)
	if err != nil {
		t.Fatal(err)
	}
	clear(first)
	clear(second) // the buffers that they were received in serve others now
	if string(ev.Payload) != "one, two" || a.Pending() != nil {
		t.Errorf("%q, pending %q", ev.Payload, a.Pending())
	}
	a.Abandon()
	feed(a, slices.Concat(frame(wire.Text, "other ", "more"), frame(wire.Continuation, "words")))
	if string(ev.Payload) != "one, two" {
		t.Errorf("abandoned and then overwritten: %q", ev.Payload)
	}
}

// A driver may take a message with Next and stream the one behind it.
func TestGatherStartsAfreshBehindAnAssembledMessage(t *testing.T) {
	packed := string(deflate.Compress(nil, []byte("streamed and compressed"), 1, 15))
	a := newAssembler(limits(0), true)
	if got := feed(a, slices.Concat(frame(wire.Text, "assembled ", "more"), frame(wire.Continuation, "before"))); got[0] != `text "assembled before"` {
		t.Fatal(got)
	}
	for _, in := range [][]byte{frame(wire.Text, packed[:5], "packed", "more"), frame(wire.Continuation, packed[5:])} {
		_, ev, err := a.Decoder.Next(in)
		if err != nil {
			t.Fatal(err)
		}
		if !a.Gather(&ev) {
			continue
		}
		if string(ev.Payload) != packed {
			t.Fatalf("gathered %q, want %q", ev.Payload, packed)
		}
		plain, err := io.ReadAll(a.Inflate(bytes.NewReader(ev.Payload)))
		if err != nil || string(plain) != "streamed and compressed" {
			t.Errorf("inflated %q, error %v", plain, err)
		}
		a.Release()
		return
	}
	t.Error("not whole after its last piece")
}

// inFragments is payload as a message in frames of at most size bytes, with pings between them.
func inFragments(op wire.Opcode, payload string, size int, packed ...string) []byte {
	var out []byte
	for len(payload) > size {
		out = append(out, frame(op, payload[:size], append(packed, "more")...)...)
		out = append(out, frame(wire.Ping, "p")...)
		payload, op, packed = payload[size:], wire.Continuation, nil
	}
	return append(out, frame(op, payload, packed...)...)
}

// The input is fed as it is, then as the payload of messages in fragments, plain and compressed.
func FuzzAssembler(f *testing.F) {
	f.Add(slices.Concat(frame(wire.Text, "Hel", "more"), frame(wire.Ping, "p"), frame(wire.Continuation, "lo")), uint8(4), uint16(3), uint16(9))
	f.Add([]byte("κόσμε, and more of it, and more of it"), uint8(3), uint16(8), uint16(9))
	f.Add(frame(wire.Binary, "\x01\x05\x00\xfa\xffHello", "packed"), uint8(1), uint16(0), uint16(0))
	l := &assemble.Limits{
		Wire:    wire.Limits{Message: 1 << 16, Fragments: 1000, Control: math.MaxInt32},
		Inflate: deflate.Bounds{Size: 1 << 16, Ratio: 1000},
	}
	f.Fuzz(func(t *testing.T, input []byte, size uint8, one, two uint16) {
		plain, step := string(input), int(size)+1
		packer := deflate.NewDeflator(true, 15, 1)
		messages := slices.Concat(
			inFragments(wire.Binary, plain, step), inFragments(wire.Text, string(packer.Append(nil, input)), step, "packed"),
			inFragments(wire.Text, string(packer.Append(nil, input)), step+1, "packed"), inFragments(wire.Text, plain, step))
		feed(newAssembler(l, true), input) // whatever it makes of a compressed message, it lives
		for _, in := range [][]byte{input, messages} {
			a, b := int(one)%(len(in)+1), int(two)%(len(in)+1)
			compressed := len(in) > len(input)
			want := feed(newAssembler(l, compressed), in)
			for _, cuts := range [][]int{{a}, {min(a, b), max(a, b)}, every(len(in))} {
				if got := feed(newAssembler(l, compressed), in, cuts...); !slices.Equal(got, want) {
					t.Fatalf("cut at %v: %q\nwant %q", cuts, got, want)
				}
			}
		}
	})
}
