// What holds for a Decoder whatever it is fed: the cut of the input does not matter, nothing is allocated, the input is
// the only thing written to.

package wire_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/websocket/wire"
)

// transcript is what a Decoder makes of input when it comes in the pieces that cuts make, with the pieces of a message
// joined where nothing stands between them. Each piece lies in memory of its own, with nothing behind it.
func (c *conversation) transcript(cuts ...int) []string {
	d := c.decoder()
	var told []string
	var data *wire.Event // the message's pieces since the last other event
	flush := func() {
		if data != nil {
			told = append(told, describe(data))
			data = nil
		}
	}
	from := 0
	for _, to := range append(slices.Clip(cuts), len(c.input)) {
		in := slices.Clip(bytes.Clone(c.input[from:to]))
		from = to
		for {
			n, ev, err := d.Next(in)
			if n < 0 || n > len(in) {
				return append(told, fmt.Sprintf("took %d of %d bytes", n, len(in)))
			}
			in = in[n:]
			if err != nil {
				// How much of a message is handed up before the error that ends it depends on the cut, and must.
				return append(told, "error "+err.Error())
			}
			switch {
			case ev.Kind == wire.None:
			case ev.Kind != wire.Data:
				flush()
				told = append(told, describe(&ev))
			case data == nil:
				ev.Payload = bytes.Clone(ev.Payload)
				data = &ev
			default:
				data.Payload, data.Last = append(data.Payload, ev.Payload...), ev.Last
				if ev.First {
					return append(told, "a message's second piece is First")
				}
			}
			if data != nil && data.Last {
				flush()
			}
			if len(in) == 0 {
				break
			}
		}
	}
	flush()
	return told
}

// allConversations are those of the scripts.
func allConversations(t testing.TB) []*conversation {
	var all []*conversation
	for _, file := range scripts(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := new(script)
		s.run(t, file, string(text))
		for _, c := range s.conversations {
			if !c.refills {
				all = append(all, c)
			}
		}
	}
	return all
}

func TestAnyCutGivesTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, c := range allConversations(t) {
		want := c.transcript()
		check := func(cuts ...int) {
			if got := c.transcript(cuts...); !slices.Equal(got, want) {
				t.Errorf("%s: cut at %v:\n%s\nwant\n%s", c.name, cuts, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		if len(c.input) > 3000 {
			for range 100 {
				check(r.IntN(len(c.input)))
			}
		} else {
			for cut := range c.input {
				check(cut)
			}
		}
		check(byteByByte(len(c.input))...)
	}
}

func FuzzDecoder(f *testing.F) {
	for i, c := range allConversations(f) {
		if len(c.input) < 2000 {
			f.Add(c.input, c.role == wire.Client, c.deflate, uint16(i), uint16(3*i))
		}
	}
	f.Fuzz(func(t *testing.T, input []byte, client, deflate bool, a, b uint16) {
		c := &conversation{role: wire.Server, deflate: deflate, input: input}
		c.limits = wire.Limits{Message: 1 << 16, Frame: 1 << 15, Fragments: 20, Control: 50}
		if client {
			c.role = wire.Client
		}
		first, second := int(a)%(len(input)+1), int(b)%(len(input)+1)
		want := c.transcript()
		for _, cuts := range [][]int{{first}, {min(first, second), max(first, second)}, byteByByte(len(input))} {
			if got := c.transcript(cuts...); !slices.Equal(got, want) {
				t.Fatalf("cut at %v:\n%s\nwant\n%s", cuts, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	})
}

// A message's announced bytes are held against the limit as a whole, so the top of the number range must not wrap round.
func TestLengthsDoNotOverflow(t *testing.T) {
	header := func(op wire.Opcode, length uint64) []byte {
		return wire.AppendHeader(nil, wire.Header{Opcode: op, Length: length})
	}
	for _, limit := range []int64{0, 1, 1000, 1<<63 - 1} {
		for _, deflate := range []bool{false, true} {
			d := wire.NewDecoder(wire.Client, &wire.Limits{Message: limit}, deflate)
			if _, _, err := d.Next(append(header(wire.Binary, 1), 'x')); err != nil {
				t.Fatal(err)
			}
			_, _, err := d.Next(header(wire.Continuation, 1<<63-1))
			if e, ok := err.(*wire.Error); !ok || e.Code != wire.StatusMessageTooBig {
				t.Errorf("limit %d, deflate %v: 2^63-1 more bytes: %v", limit, deflate, err)
			}
		}
	}
}

func TestErrorIsFinal(t *testing.T) {
	d := wire.NewDecoder(wire.Client, nil, false)
	_, _, first := d.Next([]byte{0xF0, 0})
	good := wire.AppendFrame(nil, wire.Header{Fin: true, Opcode: wire.Text}, []byte("good"))
	n, ev, second := d.Next(good)
	if first == nil || second != first || n != 0 || ev.Kind != wire.None {
		t.Errorf("first %v, then %v with %d bytes taken and %v", first, second, n, ev)
	}
}

func TestWhereADecoderStands(t *testing.T) {
	d := wire.NewDecoder(wire.Server, nil, true)
	frame := wire.AppendFrame(nil, wire.Header{Opcode: wire.Text, RSV1: true, Masked: true, Key: 1}, []byte("ab"))
	frame = wire.AppendFrame(frame, wire.Header{Fin: true, Opcode: wire.Ping, Masked: true}, nil)
	frame = wire.AppendFrame(frame, wire.Header{Fin: true, Masked: true}, nil)
	type stand struct {
		idle, message bool
		left          uint64
	}
	want := map[int]stand{0: {idle: true}, 1: {}, 5: {}, 6: {message: true, left: 2}, 7: {message: true, left: 1}, 8: {message: true},
		12: {message: true}, 14: {message: true}, 19: {message: true}, 20: {idle: true}}
	for i := range len(frame) + 1 {
		op, compressed, message := d.Message()
		got := stand{d.Idle(), message, d.Left()}
		if want, ok := want[i]; ok && got != want {
			t.Errorf("after %d bytes: %+v, want %+v", i, got, want)
		}
		if message && (op != wire.Text || !compressed) {
			t.Errorf("after %d bytes: %v, compressed %v", i, op, compressed)
		}
		if i < len(frame) {
			if _, _, err := d.Next(frame[i : i+1]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestPayloadPointsIntoTheInput(t *testing.T) {
	in := wire.AppendFrame(nil, wire.Header{Fin: true, Opcode: wire.Binary, Masked: true, Key: 0x01020304}, []byte("payload"))
	n, ev, err := wire.NewDecoder(wire.Server, nil, false).Next(in)
	if err != nil || n != len(in) || string(ev.Payload) != "payload" || &ev.Payload[0] != &in[6] {
		t.Errorf("took %d of %d bytes, event %v, error %v", n, len(in), ev, err)
	}
}

// A peer that sends frame after frame, whole or in pieces, costs no allocation. Only a control frame that comes in pieces
// does: its payload has to be gathered, and idle connections do not keep the room.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, role := range []wire.Role{wire.Server, wire.Client} {
		masked := role == wire.Server
		var in []byte
		for _, h := range []wire.Header{
			{Fin: true, Opcode: wire.Text}, {Opcode: wire.Text}, {Fin: true, Opcode: wire.Ping}, {}, {Fin: true},
			{Fin: true, Opcode: wire.Pong}, {Fin: true, Opcode: wire.Binary},
		} {
			h.Masked = masked // with a key of zero, so that the text stays text however often it is unmasked
			in = wire.AppendFrame(in, h, []byte("κόσμε"))
		}
		d := wire.NewDecoder(role, &wire.Limits{Message: 1 << 20, Fragments: 100}, false)
		for _, cut := range []int{len(in), 3} { // 3 lies within the first header
			allocated := testing.AllocsPerRun(100, func() {
				for rest := in[:cut]; len(rest) > 0; {
					n, _, err := d.Next(rest)
					if err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				for rest := in[cut:]; len(rest) > 0; {
					n, _, err := d.Next(rest)
					if err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
			})
			if allocated != 0 {
				t.Errorf("%s, cut at %d: %v allocations", role, cut, allocated)
			}
		}
	}
}

func TestWritingFramesAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 256)
	payload := []byte("payload")
	for _, role := range []wire.Role{wire.Server, wire.Client} {
		if n := testing.AllocsPerRun(100, func() {
			buf = wire.AppendFrame(buf[:0], wire.Header{Fin: true, Opcode: wire.Text, Masked: role == wire.Client, Key: wire.NewMaskKey()}, payload)
			buf = wire.AppendControl(buf, role, wire.Pong, payload)
			buf, _ = wire.AppendClose(buf, role, wire.StatusNormalClosure, "bye")
		}); n != 0 {
			t.Errorf("%s: %v allocations", role, n)
		}
	}
}

func BenchmarkDecoder(b *testing.B) {
	for _, size := range []int{32, 1 << 10, 16 << 10} {
		for _, op := range []wire.Opcode{wire.Text, wire.Binary} {
			b.Run(fmt.Sprintf("%s/%d", op, size), func(b *testing.B) {
				payload := bytes.Repeat([]byte("a"), size)
				in := wire.AppendFrame(nil, wire.Header{Fin: true, Opcode: op, Masked: true}, payload)
				d := wire.NewDecoder(wire.Server, &wire.Limits{Message: 1 << 20}, false)
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, ev, err := d.Next(in); err != nil || !ev.Last {
						b.Fatal(ev, err)
					}
				}
			})
		}
	}
}

func BenchmarkMask(b *testing.B) {
	for _, size := range []int{125, 1 << 10, 16 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				wire.Mask(p, 0xA1B2C3D4)
			}
		})
	}
}
