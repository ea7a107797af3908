// Chapters 8 to 10: masks, lengths, large messages, and bytes that come early.

package conformance

import "fmt"

// Chapter 8: who masks (RFC 6455 §5.1), and how lengths are written (§5.2).
func masksAndLengths() []Case {
	cases := []Case{
		{Proves: "text with the mask of the wrong side is refused", Steps: []Step{send(text("x").masksWrongly())}, End: fails(1002)},
		{Proves: "an empty message with the mask of the wrong side is refused", Steps: []Step{send(bin(nil).masksWrongly())}, End: fails(1002)},
		{Proves: "a ping with the mask of the wrong side is refused", Steps: []Step{send(ping("x").masksWrongly())}, End: fails(1002)},
		{Proves: "a Close frame with the mask of the wrong side is refused", Steps: []Step{send(closing(1000, "").masksWrongly())}, End: fails(1002)},
		{Proves: "a fragment with the mask of the wrong side is refused",
			Steps: []Step{send(text("x").more(), cont("y").masksWrongly())}, End: fails(1002)},
		{Proves: "the mask is refused before the payload comes", Strictness: Should,
			Steps: []Step{send(text("").masksWrongly().claims(1000))}, End: fails(1002)},
	}
	for _, c := range []struct{ size, form int }{{0, 2}, {1, 2}, {125, 2}, {0, 8}, {125, 8}, {126, 8}, {65535, 8}} {
		cases = append(cases, Case{
			Proves: fmt.Sprintf("a length of %d in %d bytes is refused", c.size, c.form),
			Steps:  []Step{send(bin(noise(c.size)).length(c.form))}, End: fails(1002),
		})
	}
	return append(cases,
		Case{Proves: "a length with its top bit set is refused", Steps: []Step{send(bin(nil).claims(-1 << 63))}, End: fails(1002)},
		Case{Proves: "a length of all ones is refused", Steps: []Step{send(bin(nil).claims(-1))}, End: fails(1002)},
		Case{Proves: "a length of all ones on a ping is refused", Steps: []Step{send(ping("").claims(-1))}, End: fails(1002)},
	)
}

// Chapter 9: large messages come back; what is too large is refused before it comes.
func large() []Case {
	var cases []Case
	const kib, mib = 1 << 10, 1 << 20
	for _, size := range []int{64 * kib, 256 * kib, mib, 4 * mib, 16 * mib} {
		cases = append(cases,
			Case{Proves: fmt.Sprintf("text of %d KiB is echoed", size/kib), Long: size > mib,
				Steps: lazily("echo", func() []Step { return echo(text(words(size))) })},
			Case{Proves: fmt.Sprintf("binary of %d KiB is echoed", size/kib), Long: size > mib,
				Steps: lazily("echo", func() []Step { return echo(bin(noise(size))) })})
	}
	for _, size := range []int{64 * kib, 256 * kib, 4 * mib} {
		for _, fragment := range []int{64, 256, kib, 4 * kib, 16 * kib, 64 * kib} {
			cases = append(cases, Case{
				Proves: fmt.Sprintf("a message of %d KiB in fragments of %d bytes is echoed", size/kib, fragment), Long: size > mib,
				Steps: lazily("fragments", func() []Step {
					return []Step{send(fragmented(text(words(size)), fragment)...), expect(text(words(size)))}
				}),
			})
		}
	}
	for _, piece := range []int{64, 128, 1000, 4096} {
		cases = append(cases, Case{
			Proves: fmt.Sprintf("a message of 256 KiB that comes in pieces of %d bytes is echoed", piece),
			Steps:  lazily("pieces", func() []Step { return []Step{chop(piece, bin(noise(256*kib))), expect(bin(noise(256 * kib)))} }),
		})
	}
	return append(cases,
		Case{Proves: "16 messages of 64 KiB at once are echoed", Steps: []Step{send(times(16, bin(noise(64*kib)))...), expect(times(16, bin(noise(64*kib)))...)}},
		Case{Proves: "a frame of a tebibyte is refused before it comes", Steps: []Step{send(bin(nil).claims(1 << 40))}, End: fails(1009)},
		Case{Proves: "a frame of 2^63-1 bytes is refused before it comes", Steps: []Step{send(bin(nil).claims(1<<63 - 1))}, End: fails(1009)},
		Case{Proves: "a message that grows to a tebibyte is refused before it comes",
			Steps: []Step{send(text("a").more(), ping("p")), expectPong("p"), send(cont("").claims(1 << 40))}, End: fails(1009)},
		Case{Proves: "a length that wraps round with what is there is refused",
			Steps: []Step{send(text("a").more(), cont("").claims(1<<63-1))}, End: fails(1009)},
	)
}

func times(n int, f frame) []frame {
	frames := make([]frame, n)
	for i := range frames {
		frames[i] = f
	}
	return frames
}

// Chapter 10: what comes in the same segment as the end of the handshake is not lost.
func opening() []Case {
	return []Case{
		{Proves: "a message right behind the handshake is echoed", Early: true, Steps: echo(text("early"))},
		{Proves: "a ping right behind the handshake is answered", Early: true, Steps: []Step{send(ping("early")), expectPong("early")}},
		{Proves: "many messages right behind the handshake are echoed", Early: true,
			Steps: []Step{send(times(20, text(words(100)))...), expect(times(20, text(words(100)))...)}},
		{Proves: "half a frame right behind the handshake waits for the rest", Early: true,
			Steps: []Step{send(text("").claims(5)), alivePart(), expect(text("Hello"))}, Against: Clients},
		{Proves: "a Close frame right behind the handshake is answered", Early: true, Steps: []Step{send(closing(1000, "early"))}, End: answers(1000)},
		{Proves: "a violation right behind the handshake is refused", Early: true, Steps: []Step{send(raw(3, ""))}, End: fails(1002)},
	}
}

// alivePart sends the payload that a header before it has announced. A server does not mask.
func alivePart() Step { return sendBytes([]byte("Hello")...) }
