package load

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/ringdown/ringdown/bench/frames"
)

func TestAnswerToTheHandshake(t *testing.T) {
	const accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" // RFC 6455 section 1.3
	for _, test := range []struct {
		name, answer, refused string
		want                  agreement
	}{
		{name: "plain", answer: "HTTP/1.1 101 Switching Protocols\r\n" + accept + "\r\n", want: agreement{clientWindowBits: 15}},
		{
			name: "deflate", answer: "HTTP/1.1 101 X\r\n" + accept +
				"sec-websocket-extensions: permessage-deflate; client_no_context_takeover; client_max_window_bits=12\r\n\r\n",
			want: agreement{deflate: true, clientNoTakeover: true, clientWindowBits: 12},
		},
		{name: "refusal", answer: "HTTP/1.1 403 Forbidden\r\n\r\n", refused: "403"},
		{name: "wrong key", answer: "HTTP/1.1 101 X\r\nSec-WebSocket-Accept: x\r\n\r\n", refused: "does not accept"},
		{name: "unknown extension", answer: "HTTP/1.1 101 X\r\n" + accept + "Sec-WebSocket-Extensions: zip\r\n\r\n", refused: "not offered"},
		{
			name: "window too small", answer: "HTTP/1.1 101 X\r\n" + accept +
				"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=7\r\n\r\n", refused: "asked for",
		},
	} {
		got, err := parseAnswer([]byte(test.answer))
		if test.refused != "" {
			if err == nil || !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%s: error %v, want one that says %q", test.name, err, test.refused)
			}
		} else if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v, want %+v", test.name, got, err, test.want)
		}
	}
}

func TestAnyByteThatIsWrongIsNoticed(t *testing.T) {
	answer := frames.Server(nil, frames.Header{Fin: true, Opcode: frames.OpBinary}, frames.Payload(32))
	for i := range answer {
		c := Echo(32, 2).check(agreement{})
		if n, err := c.feed(answer); n != 1 || err != nil {
			t.Fatalf("the right answer: %d messages, %v", n, err)
		}
		wrong := bytes.Clone(answer)
		wrong[i] ^= 1
		if _, err := c.feed(wrong); err == nil {
			t.Errorf("byte %d was changed and nobody noticed", i)
		}
	}
}

func TestAnswersMayComeInPieces(t *testing.T) {
	const depth = 3
	answers := bytes.Repeat(frames.Server(nil, frames.Header{Fin: true, Opcode: frames.OpBinary}, frames.Payload(32)), depth)
	c := Echo(32, depth).check(agreement{})
	for range 2 {
		total := 0
		for i := range answers {
			n, err := c.feed(answers[i : i+1])
			if err != nil {
				t.Fatal(err)
			}
			total += n
		}
		if total != depth {
			t.Errorf("%d messages, want %d", total, depth)
		}
	}
}

// What the client sends must inflate at a server that keeps one window for the life of the connection, also after the
// prepared frames have begun to repeat.
func TestCompressedScriptInflatesForEver(t *testing.T) {
	const size = 1024
	docs := frames.Documents(documents, size)
	for _, a := range []agreement{
		{deflate: true, clientWindowBits: 15},
		{deflate: true, clientWindowBits: 9},
		{deflate: true, clientNoTakeover: true, clientWindowBits: 15},
	} {
		say, err := DeflateEcho(size, true).bursts(a)
		if err != nil {
			t.Fatal(err)
		}
		var window []byte
		for i, next := 0, 0; i < 5*documents; i, next = i+1, say.after(next) {
			plain := inflateClientFrame(t, say.bytes[next], window)
			if !bytes.Equal(plain, docs[i%documents]) {
				t.Fatalf("%+v: message %d inflates to %q", a, i, plain)
			}
			if !a.clientNoTakeover {
				window = append(window, plain...)
				window = window[max(0, len(window)-1<<a.clientWindowBits):]
			}
		}
	}
}

// A deflateChecker must follow a server that fragments and that refers to earlier messages: here the client's own
// frames, unmasked.
func TestCheckerFollowsFragmentsAndTakeover(t *testing.T) {
	for _, takeover := range []bool{true, false} {
		a := agreement{deflate: true, clientNoTakeover: !takeover, serverNoTakeover: !takeover, clientWindowBits: 15}
		script := DeflateEcho(1024, takeover)
		say, err := script.bursts(a)
		if err != nil {
			t.Fatal(err)
		}
		c := script.check(a)
		for i, next := 0, 0; i < 3*documents; i, next = i+1, say.after(next) {
			payload := unmask(say.bytes[next])
			half := len(payload) / 2
			answer := frames.Server(nil, frames.Header{RSV1: true, Opcode: frames.OpText}, payload[:half])
			answer = frames.Server(answer, frames.Header{Fin: true, Opcode: frames.OpContinuation}, payload[half:])
			first, err := c.feed(answer[:7])
			second, err2 := c.feed(answer[7:])
			if first != 0 || second != 1 || err != nil || err2 != nil {
				t.Fatalf("takeover %v, message %d: %d and %d messages, %v, %v", takeover, i, first, second, err, err2)
			}
		}
		uncompressed := frames.Server(nil, frames.Header{Fin: true, Opcode: frames.OpText}, frames.Documents(documents, 1024)[0])
		if _, err := c.feed(uncompressed); err == nil {
			t.Error("an answer without compression was taken for one with it")
		}
	}
}

func inflateClientFrame(t *testing.T, frame, window []byte) []byte {
	t.Helper()
	compressed := append(unmask(frame), inflateTail...)
	plain, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(compressed), window))
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func unmask(frame []byte) []byte {
	frame = bytes.Clone(frame)
	frame[1] &^= 0x80
	_, size := frames.ParseServer(frame)
	payload := frame[size+len(maskKey):]
	for i := range payload {
		payload[i] ^= maskKey[i%len(maskKey)]
	}
	return payload
}
