// Chapters 1 to 5: frames.

package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// Chapter 1: messages of every size come back as they went.
func sizes() []Case {
	var cases []Case
	around := []int{0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 1000, 65534, 65535, 65536, 65537, 100_000}
	for _, n := range around {
		cases = append(cases,
			Case{Proves: fmt.Sprintf("text of %d bytes is echoed", n), Steps: echo(text(words(n)))},
			Case{Proves: fmt.Sprintf("binary of %d bytes is echoed", n), Steps: echo(bin(noise(n)))})
	}
	for _, c := range []struct{ size, piece int }{
		{0, 1}, {1, 1}, {125, 1}, {126, 1}, {127, 1}, {1000, 1}, {1000, 2}, {1000, 3}, {4096, 1}, {65535, 997}, {65536, 997}, {70_000, 4096},
	} {
		cases = append(cases, Case{
			Proves: fmt.Sprintf("text of %d bytes that comes in pieces of %d is echoed", c.size, c.piece),
			Steps:  []Step{chop(c.piece, text(words(c.size))), expect(text(words(c.size)))},
		})
	}
	long := bin(noise(65536))
	var burst []frame
	for i := range 100 {
		burst = append(burst, text(fmt.Sprintf("message %d", i)), bin(noise(i)))
	}
	return append(cases,
		Case{Proves: "binary of 65536 bytes that comes byte by byte is echoed", Long: true, Steps: []Step{chop(1, long), expect(long)}},
		Case{Proves: "200 messages in one write are echoed in order", Steps: []Step{send(burst...), expect(burst...)}},
		Case{Proves: "200 messages in pieces of 7 bytes are echoed in order", Steps: []Step{chop(7, burst...), expect(burst...)}},
		Case{Proves: "a zero byte is text like any other", Steps: echo(text("a\x00b"))},
	)
}

// Chapter 2: pings and pongs (RFC 6455 §5.5.2, §5.5.3).
func pings() []Case {
	var everySize []frame
	var payloads []string
	for n := range 126 {
		payloads = append(payloads, strings.Repeat("p", n))
		everySize = append(everySize, ping(payloads[n]))
	}
	var steps []Step // one after the other: only the newest of many at once need be answered
	for i := range everySize {
		steps = append(steps, send(everySize[i]), expectPong(payloads[i]))
	}
	ten, tenAnswers := []frame(nil), []string(nil)
	for i := range 10 {
		tenAnswers = append(tenAnswers, fmt.Sprintf("ping %d", i))
		ten = append(ten, ping(tenAnswers[i]))
	}
	full := strings.Repeat("p", 125)
	return []Case{
		{Proves: "an empty ping is answered", Steps: []Step{send(ping("")), expectPong("")}},
		{Proves: "a pong carries the ping's text", Steps: []Step{send(ping("Hello")), expectPong("Hello")}},
		{Proves: "a pong carries the ping's bytes, whatever they are", Steps: []Step{send(ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")), expectPong("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")}},
		{Proves: "pings of 0 to 125 bytes are answered", Steps: steps},
		{Proves: "a ping of 125 bytes that comes byte by byte is answered", Steps: []Step{chop(1, ping(full)), expectPong(full)}},
		{Proves: "a ping of 126 bytes is refused", Steps: []Step{send(ping(full + "p"))}, End: fails(1002)},
		{Proves: "a ping of 65536 bytes is refused before they come", Steps: []Step{send(ping("").claims(65536))}, End: fails(1002)},
		{Proves: "a pong of 126 bytes is refused", Steps: []Step{send(pong(full + "p"))}, End: fails(1002)},
		{Proves: "an unasked pong is ignored", Steps: []Step{send(pong("")), alive()}},
		{Proves: "an unasked pong with a payload is ignored", Steps: []Step{send(pong("unasked")), alive()}},
		{Proves: "an unasked pong before a message is ignored", Steps: []Step{send(pong("unasked"), text("Hello"), pong("again")), expect(text("Hello")), alive()}},
		{Proves: "10 unasked pongs are ignored", Steps: append([]Step{send(slices.Repeat([]frame{pong("x")}, 10)...)}, alive())},
		{Proves: "10 pings in one write are answered in order", Steps: []Step{send(ten...), expectPong(tenAnswers...)}},
		{Proves: "10 pings that come byte by byte are answered in order", Steps: []Step{chop(1, ten...), expectPong(tenAnswers...)}},
		{Proves: "a ping behind a message is answered behind its echo or before it, and both come", Steps: []Step{
			send(text("first")), expect(text("first")), send(ping("second")), expectPong("second"), send(text("third")), expect(text("third"))}},
	}
}

// Chapter 3: reserved bits that no extension has given a meaning (RFC 6455 §5.2).
func reservedBits() []Case {
	var cases []Case
	for rsv := byte(1); rsv < 8; rsv++ {
		bits := fmt.Sprintf("the reserved bits %03b", rsv)
		cases = append(cases,
			Case{Proves: bits + " on text are refused", Steps: []Step{send(text("x").bits(rsv))}, End: fails(1002)},
			Case{Proves: bits + " on an empty binary message are refused", Steps: []Step{send(bin(nil).bits(rsv))}, End: fails(1002)},
			Case{Proves: bits + " are refused behind a good message, which is echoed",
				Steps: []Step{send(text("good"), text("bad").bits(rsv), ping("too late")), expect(text("good"))}, End: fails(1002)},
			Case{Proves: bits + " are refused when they come byte by byte",
				Steps: []Step{chop(1, text("good"), text("bad").bits(rsv)), expect(text("good"))}, End: fails(1002)},
			Case{Proves: bits + " on a ping are refused", Steps: []Step{send(ping("x").bits(rsv))}, End: fails(1002)},
			Case{Proves: bits + " on a Close frame are refused", Steps: []Step{send(closing(1000, "").bits(rsv))}, End: fails(1002)},
			Case{Proves: bits + " on a continuation are refused",
				Steps: []Step{send(text("x").more(), cont("y").bits(rsv))}, End: fails(1002)},
		)
	}
	return append(cases, Case{Proves: "a reserved bit is refused before the payload comes", Strictness: Should,
		Steps: []Step{send(text("").bits(2).claims(1000))}, End: fails(1002)})
}

// Chapter 4: opcodes that mean nothing yet (RFC 6455 §5.2).
func reservedOpcodes() []Case {
	var cases []Case
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		name := fmt.Sprintf("the opcode %d", op)
		cases = append(cases,
			Case{Proves: name + " is refused", Steps: []Step{send(raw(op, ""))}, End: fails(1002)},
			Case{Proves: name + " with a payload is refused", Steps: []Step{send(raw(op, "payload"))}, End: fails(1002)},
			Case{Proves: name + " is refused behind a good message, which is echoed",
				Steps: []Step{send(text("good"), raw(op, ""), ping("too late")), expect(text("good"))}, End: fails(1002)},
			Case{Proves: name + " is refused when it comes byte by byte",
				Steps: []Step{chop(1, text("good"), raw(op, "bad"), ping("")), expect(text("good"))}, End: fails(1002)},
			Case{Proves: name + " is refused within a message", Steps: []Step{send(text("x").more(), raw(op, ""), cont("y"))}, End: fails(1002)},
		)
	}
	return cases
}

// Chapter 5: fragments (RFC 6455 §5.4).
func fragments() []Case {
	two := []frame{text("fragment1").more(), cont("fragment2")}
	whole := expect(text("fragment1fragment2"))
	between := []frame{two[0], ping("between"), two[1]}
	five := []frame{
		text("1").more(), cont("2").more(), ping("one"), cont("3").more(), cont("4").more(), ping("two"), cont("5"),
	}
	cases := []Case{
		{Proves: "a ping may not be fragmented", Steps: []Step{send(ping("a").more(), cont("b"))}, End: fails(1002)},
		{Proves: "a pong may not be fragmented", Steps: []Step{send(pong("a").more(), cont("b"))}, End: fails(1002)},
		{Proves: "a Close frame may not be fragmented", Steps: []Step{send(closing(1000, "").more(), cont("b"))}, End: fails(1002)},
		{Proves: "a message in two fragments is echoed", Steps: []Step{send(two...), whole}},
		{Proves: "a binary message in two fragments is echoed", Steps: []Step{send(bin([]byte("a")).more(), cont("b")), expect(bin([]byte("ab")))}},
		{Proves: "a message in two writes is echoed", Steps: []Step{send(two[0]), send(two[1]), whole}},
		{Proves: "a message in two fragments that come byte by byte is echoed", Steps: []Step{chop(1, two...), whole}},
		{Proves: "a ping between fragments is answered at once", Steps: []Step{send(two[0], ping("between")), expectPong("between"), send(two[1]), whole}},
		{Proves: "a ping between fragments is answered before the echo", Steps: []Step{send(between...), expectPong("between"), whole}},
		{Proves: "a ping between fragments that come byte by byte is answered", Steps: []Step{chop(1, between...), expectPong("between"), whole}},
		{Proves: "pings among five fragments are answered", Steps: []Step{send(five...), expectPong("one", "two"), expect(text("12345"))}},
		{Proves: "pings among five fragments that come byte by byte are answered", Steps: []Step{chop(1, five...), expectPong("one", "two"), expect(text("12345"))}},
		{Proves: "a pong between fragments is ignored", Steps: []Step{send(two[0], pong("unasked"), two[1]), whole}},
		{Proves: "empty fragments make an empty message", Steps: []Step{send(text("").more(), cont("").more(), cont("")), expect(text(""))}},
		{Proves: "an empty first fragment adds nothing", Steps: []Step{send(text("").more(), cont("middle").more(), cont("")), expect(text("middle"))}},
		{Proves: "a last continuation without a message is refused", Steps: []Step{send(cont("x"), text("late"))}, End: fails(1002)},
		{Proves: "a continuation without a message is refused", Steps: []Step{send(cont("x").more(), text("late"))}, End: fails(1002)},
		{Proves: "a continuation that comes byte by byte without a message is refused", Steps: []Step{chop(1, cont("x"))}, End: fails(1002)},
		{Proves: "a continuation behind a whole message is refused", Steps: []Step{send(text("whole"), cont("x")), expect(text("whole"))}, End: fails(1002)},
		{Proves: "a continuation behind the last fragment is refused", Steps: []Step{send(two...), send(cont("x")), whole}, End: fails(1002)},
		{Proves: "text within a message is refused", Steps: []Step{send(text("a").more(), text("b"))}, End: fails(1002)},
		{Proves: "binary within a text message is refused", Steps: []Step{send(text("a").more(), bin([]byte("b")).more())}, End: fails(1002)},
		{Proves: "a new message is refused even after a ping", Steps: []Step{send(text("a").more(), ping("p")), expectPong("p"), send(text("b"))}, End: fails(1002)},
		{Proves: "a message in 1000 fragments of a byte is echoed", Steps: []Step{send(fragmented(text(words(1000)), 1)...), expect(text(words(1000)))}},
		{Proves: "messages follow each other in fragments", Steps: []Step{
			send(slices.Concat(two, []frame{bin([]byte("x")).more(), cont("y")}, two)...), whole, expect(bin([]byte("xy"))), whole}},
	}
	return cases
}
