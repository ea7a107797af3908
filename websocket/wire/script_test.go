// Conversations with a Decoder, written down in testdata/*.txt: what comes in, a line of dashes, what the Decoder makes
// of it. "go test ./websocket/wire -update" writes the answers anew; read the difference before you believe it.
//
// A block's lines up to the dashes are fed as one input. They are
//
//	new server [deflate] [message=N] [frame=N] [fragments=N] [control=N]     start afresh, as the side that receives
//	bytes 81 85 …                                                            bytes as they come
//	frame [cont|text|binary|close|ping|pong|opcode=N] [more] [rsv1] [rsv2] [rsv3] [masked|bare] [len=N] [payload…]
//	allow control                                                            refill the budget of control frames
//
// A frame is the last of its message unless it says "more", is masked if the receiver is a server unless it says
// otherwise, and announces the length of its payload unless len does. A payload is quoted as in Go, with *N behind it to
// be repeated; close takes a number before it as its code. A line that begins with # is a comment.

package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/websocket/wire"
)

var update = flag.Bool("update", false, "write the answers in testdata anew")

func TestConversations(t *testing.T) {
	for _, file := range scripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := new(script).run(t, file, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := diffLines(string(text), got); diff != "" {
				t.Errorf("%s (- what it says, + what happens):\n%s", file, diff)
			}
		})
	}
}

func scripts(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in testdata: %v", err)
	}
	return files
}

// conversation is what a script feeds to one Decoder.
type conversation struct {
	name    string
	role    wire.Role
	limits  wire.Limits
	deflate bool
	input   []byte
	refills bool // the budget of control frames is refilled in between, so the input is more than its bytes
}

func (c *conversation) decoder() *wire.Decoder { return wire.NewDecoder(c.role, &c.limits, c.deflate) }

// script runs a file and collects its conversations.
type script struct {
	decoder       *wire.Decoder
	conversations []*conversation
}

func (s *script) now() *conversation { return s.conversations[len(s.conversations)-1] }

// run returns text with the answers that the Decoder gives.
func (s *script) run(t testing.TB, name, text string) string {
	var out strings.Builder
	var input []byte
	answers := false // within a block's answers, which are not copied
	for number, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		switch {
		case line == "----":
			answers = true
			out.WriteString("----\n" + s.feed(input))
			input = nil
			continue
		case line == "":
			answers = false
		case answers:
			continue
		case line[0] != '#':
			b, err := s.directive(line, fmt.Sprintf("%s:%d", name, number+1))
			if err != nil {
				t.Fatalf("%s:%d: %v", name, number+1, err)
			}
			input = append(input, b...)
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

// feed gives input to the Decoder and returns what it says, one line for each event.
func (s *script) feed(input []byte) string {
	now := s.now()
	now.input = append(now.input, input...)
	var out strings.Builder
	for {
		n, ev, err := s.decoder.Next(input)
		input = input[n:]
		switch {
		case err != nil:
			fmt.Fprintf(&out, "error %v\n", err)
			return out.String()
		case ev.Kind != wire.None:
			out.WriteString(describe(&ev) + "\n")
		case len(input) == 0:
			if out.Len() == 0 {
				return "nothing\n"
			}
			return out.String()
		}
	}
}

// describe is one line for an event.
func describe(ev *wire.Event) string {
	switch ev.Kind {
	case wire.ClosedIn:
		return fmt.Sprintf("close %d %s", ev.Code, quote(ev.Payload))
	case wire.Data:
		s := ev.Opcode.String()
		for _, flag := range []struct {
			set  bool
			name string
		}{{ev.First, "first"}, {ev.Last, "last"}, {ev.Compressed, "compressed"}} {
			if flag.set {
				s += " " + flag.name
			}
		}
		return s + " " + quote(ev.Payload)
	}
	return ev.Kind.String() + " " + quote(ev.Payload)
}

// quote is strconv.Quote, with a byte that fills a long payload written once.
func quote(b []byte) string {
	if len(b) > 8 && bytes.Count(b, b[:1]) == len(b) {
		return fmt.Sprintf("%q*%d", b[:1], len(b))
	}
	return strconv.Quote(string(b))
}

// directive is the bytes that a line of input stands for.
func (s *script) directive(line, at string) ([]byte, error) {
	verb, rest, _ := strings.Cut(line, " ")
	if verb != "new" && s.decoder == nil {
		return nil, fmt.Errorf("%s before the first new", verb)
	}
	switch verb {
	case "new":
		return nil, s.start(rest, at)
	case "bytes":
		return hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
	case "frame":
		return s.frame(rest)
	case "allow":
		s.now().refills = true
		s.decoder.AllowControl()
		return nil, nil
	}
	return nil, fmt.Errorf("unknown directive %q", verb)
}

func (s *script) start(options, at string) error {
	c := &conversation{name: at}
	for _, option := range strings.Fields(options) {
		name, value, _ := strings.Cut(option, "=")
		number, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "server", "client":
			c.role = map[string]wire.Role{"server": wire.Server, "client": wire.Client}[name]
		case "deflate":
			c.deflate = true
		case "message":
			c.limits.Message = number
		case "frame":
			c.limits.Frame = number
		case "fragments":
			c.limits.Fragments = int(number)
		case "control":
			c.limits.Control = int(number)
		default:
			return fmt.Errorf("unknown option %q", option)
		}
	}
	s.conversations = append(s.conversations, c)
	s.decoder = c.decoder()
	return nil
}

var opcodes = map[string]wire.Opcode{
	"cont": wire.Continuation, "text": wire.Text, "binary": wire.Binary, "close": wire.Close, "ping": wire.Ping, "pong": wire.Pong,
}

// frame builds the frame that a line describes.
func (s *script) frame(line string) ([]byte, error) {
	h := wire.Header{Fin: true, Masked: s.now().role == wire.Server, Key: 0x3d21fa37}
	var payload []byte
	announced := int64(-1)
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if line[0] == '"' {
			var err error
			if payload, line, err = literal(payload, line); err != nil {
				return nil, err
			}
			continue
		}
		var word string
		word, line, _ = strings.Cut(line, " ")
		op, known := opcodes[word]
		switch {
		case known:
			h.Opcode = op
		case word == "more":
			h.Fin = false
		case word == "rsv1":
			h.RSV1 = true
		case word == "rsv2":
			h.RSV2 = true
		case word == "rsv3":
			h.RSV3 = true
		case word == "masked" || word == "bare":
			h.Masked = word == "masked"
		case strings.HasPrefix(word, "opcode="), strings.HasPrefix(word, "len="):
			name, value, _ := strings.Cut(word, "=")
			number, err := strconv.ParseInt(value, 0, 64)
			if err != nil {
				return nil, err
			}
			if name == "len" {
				announced = number
			} else {
				h.Opcode = wire.Opcode(number)
			}
		default: // a close code
			code, err := strconv.ParseUint(word, 10, 16)
			if err != nil {
				return nil, fmt.Errorf("unknown word %q", word)
			}
			payload = binary.BigEndian.AppendUint16(payload, uint16(code))
		}
	}
	b := wire.AppendFrame(nil, h, payload)
	if announced < 0 {
		return b, nil
	}
	h.Length = uint64(len(payload))
	masked := b[h.Size():]
	h.Length = uint64(announced)
	return append(wire.AppendHeader(nil, h), masked...), nil
}

// literal takes a quoted string, and the *N behind it, from the front of line.
func literal(payload []byte, line string) ([]byte, string, error) {
	quoted, err := strconv.QuotedPrefix(line)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", line, err)
	}
	text, _ := strconv.Unquote(quoted)
	rest := line[len(quoted):]
	times := 1
	if strings.HasPrefix(rest, "*") {
		var digits string
		digits, rest, _ = strings.Cut(rest[1:], " ")
		if times, err = strconv.Atoi(digits); err != nil {
			return nil, "", err
		}
	}
	return append(payload, strings.Repeat(text, times)...), rest, nil
}

// diffLines shows where two texts differ, or is empty.
func diffLines(want, got string) string {
	if want == got {
		return ""
	}
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out strings.Builder
	for len(a) > 0 || len(b) > 0 {
		if len(a) > 0 && len(b) > 0 && a[0] == b[0] {
			a, b = a[1:], b[1:]
			continue
		}
		skip, take := nextMatch(a, b)
		for _, line := range a[:skip] {
			out.WriteString("- " + line + "\n")
		}
		for _, line := range b[:take] {
			out.WriteString("+ " + line + "\n")
		}
		a, b = a[skip:], b[take:]
		if len(a) > 0 {
			out.WriteString("  " + a[0] + "\n")
		}
	}
	return out.String()
}

// nextMatch is how many lines of each text come before they agree again, together as few as possible.
func nextMatch(a, b []string) (int, int) {
	for sum := 1; sum < len(a)+len(b); sum++ {
		for i := max(0, sum-len(b)); i <= min(sum, len(a)); i++ {
			if j := sum - i; i < len(a) && j < len(b) && a[i] == b[j] {
				return i, j
			}
		}
	}
	return len(a), len(b)
}
