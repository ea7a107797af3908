// Chapters 11 to 13: permessage-deflate (RFC 7692).

package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// Chapter 11: agreeing on the extension (RFC 7692 §5, §7.1).
func negotiation() []Case {
	var cases []Case
	hello := slices.Concat([]Step{packed(0, fixed, text(words(1000))), expect(text(words(1000)))}, echo(text("plain")))
	for _, offer := range []string{
		"permessage-deflate",
		"permessage-deflate; client_max_window_bits",
		"permessage-deflate; client_max_window_bits=10",
		"permessage-deflate; client_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
		"permessage-deflate; server_no_context_takeover",
		"permessage-deflate; client_no_context_takeover",
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits",
		`permessage-deflate; client_max_window_bits="12"`,
		"permessage-deflate;client_max_window_bits",
		"permessage-deflate ; client_no_context_takeover ",
		"permessage-unknown, permessage-deflate",
		"permessage-unknown; x=1; y, permessage-deflate; client_max_window_bits",
		"permessage-deflate; unknown_parameter, permessage-deflate",
		"permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=9",
		"permessage-deflate; client_max_window_bits=16, permessage-deflate",
		"permessage-deflate; client_max_window_bits, permessage-deflate",
	} {
		cases = append(cases, Case{Proves: "a server agrees to " + offer, Against: Servers, Deflate: &Deflate{offer: offer}, Steps: hello})
	}
	for _, offer := range []string{
		"permessage-unknown",
		"x-webkit-deflate-frame",
		"permessage-deflate; unknown_parameter",
		"permessage-deflate; server_no_context_takeover=1",
		"permessage-deflate; client_no_context_takeover=true",
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
		"permessage-deflate; client_max_window_bits; client_max_window_bits=9",
		"permessage-deflate; server_max_window_bits",
		"permessage-deflate; server_max_window_bits=",
		"permessage-deflate; server_max_window_bits=7",
		"permessage-deflate; server_max_window_bits=16",
		"permessage-deflate; server_max_window_bits=09",
		"permessage-deflate; server_max_window_bits=+9",
		"permessage-deflate; server_max_window_bits=x",
		"permessage-deflate; client_max_window_bits=7",
		"permessage-deflate; client_max_window_bits=16",
		"permessage-deflate; client_max_window_bits=0",
	} {
		if strings.HasSuffix(offer, "=") {
			continue // not the grammar of RFC 6455 §9.1: the whole request may be refused
		}
		cases = append(cases, Case{Proves: "a server declines " + offer + ", and works without", Against: Servers,
			Deflate: &Deflate{offer: offer, declined: true}, Steps: echo(text(words(1000)))})
	}
	for _, answer := range []string{
		"permessage-unknown",
		"permessage-deflate; unknown_parameter",
		"permessage-deflate; server_no_context_takeover=1",
		"permessage-deflate; client_no_context_takeover; client_no_context_takeover",
		"permessage-deflate; server_max_window_bits",
		"permessage-deflate; server_max_window_bits=7",
		"permessage-deflate; server_max_window_bits=16",
		"permessage-deflate; client_max_window_bits",
		"permessage-deflate; client_max_window_bits=7",
		"permessage-deflate; client_max_window_bits=16",
		"permessage-deflate, permessage-deflate",
	} {
		cases = append(cases, Case{Proves: "a client does not go on with the answer " + answer, Against: Clients,
			Deflate: &Deflate{answer: answer}, End: never()})
	}
	return append(cases, Case{Proves: "a client that offers compression does without", Steps: echo(text(words(1000)))})
}

// Chapter 12: compressed messages come back, under every parameter.
func compressed() []Case {
	var cases []Case
	parameters := []struct {
		what string
		d    Deflate
	}{
		{"the defaults", Deflate{}},
		{"any window", Deflate{ownBits: anyBits}},
		{"no takeover by the tester", Deflate{ownReset: true}},
		{"no takeover by the other side", Deflate{peerReset: true}},
		{"no takeover", Deflate{ownReset: true, peerReset: true}},
	}
	for bits := 8; bits <= 15; bits++ {
		parameters = append(parameters,
			struct {
				what string
				d    Deflate
			}{fmt.Sprintf("windows of %d bits", bits), Deflate{ownBits: bits, peerBits: bits}},
			struct {
				what string
				d    Deflate
			}{fmt.Sprintf("windows of %d bits and no takeover", bits), Deflate{ownBits: bits, peerBits: bits, ownReset: true, peerReset: true}})
	}
	sizes := []frame{text(""), text("x"), text(words(16)), bin(noise(64)), text(words(256)), text(words(1000)), text(words(1000)), text(words(4096)),
		bin(noise(5000)), text(words(8192)), text(words(1000)), text(strings.Repeat("same ", 3000)), text(words(32768)), text("done")}
	large := []frame{text(words(65536)), bin(noise(65535)), text(words(131072)), text(words(65536))}
	for _, p := range parameters {
		d := p.d
		variant := d.ownBits > 8 || d.ownReset || d.peerReset // the defaults, any window and the smallest stand for all
		beyond := large
		if variant {
			beyond = large[:2] // each is longer than any window, and they take long to compress
		}
		for _, fragment := range []int{0, 256} {
			in := ""
			if fragment > 0 {
				in = fmt.Sprintf(" in fragments of %d bytes", fragment)
			}
			cases = append(cases, Case{Proves: "compressed messages" + in + " are echoed with " + p.what, Deflate: &d, Variant: variant,
				Steps: []Step{packed(fragment, fixed, sizes...), expect(sizes...)}})
		}
		cases = append(cases,
			Case{Proves: "large compressed messages are echoed with " + p.what, Deflate: &d, Variant: variant,
				Steps: []Step{packed(0, fixed, beyond...), expect(beyond...)}},
			Case{Proves: "20 alike messages are echoed with " + p.what, Deflate: &d, Variant: variant,
				Steps: []Step{packed(0, fixed, times(20, text(words(600)))...), expect(times(20, text(words(600)))...)}})
	}
	for _, how := range []struct {
		what string
		packing
	}{{"stored blocks", stored}, {"dynamic codes", dynamic}, {"a final block", final}, {"several blocks", blocks}} {
		cases = append(cases,
			Case{Proves: "messages in " + how.what + " are echoed", Deflate: &Deflate{ownReset: true},
				Steps: []Step{packed(0, how.packing, sizes...), expect(sizes...)}},
			Case{Proves: "messages in " + how.what + " are echoed when they come in pieces", Deflate: &Deflate{ownReset: true},
				Steps: []Step{packed(100, how.packing, sizes[4:9]...), expect(sizes[4:9]...)}})
	}
	cases = append(cases,
		Case{Proves: "compressed messages and others mix", Deflate: &Deflate{ownBits: anyBits}, Steps: []Step{
			packed(0, fixed, text(words(2000))), send(text("plain")), packed(0, fixed, text(words(2000))), send(bin(noise(3000))), packed(0, fixed, text(words(2000))),
			expect(text(words(2000)), text("plain"), text(words(2000)), bin(noise(3000)), text(words(2000)))}},
		Case{Proves: "packings mix within one context", Deflate: &Deflate{ownBits: anyBits}, Steps: []Step{
			packed(0, fixed, text(words(900))), packed(0, stored, text(words(900))), packed(0, final, text(words(900))),
			packed(0, blocks, text(words(900))), packed(0, fixed, text(words(900))), expect(times(5, text(words(900)))...)}},
		Case{Proves: "pings between compressed fragments are answered", Deflate: &Deflate{ownReset: true}, Steps: []Step{
			compressedAround(text(words(4000)), ping("between")), expectPong("between"), expect(text(words(4000)))}},
		Case{Proves: "a compressed character cut by fragments is whole again", Deflate: &Deflate{ownReset: true}, Steps: []Step{
			packed(1, stored, text("κόσμε 😀")), expect(text("κόσμε 😀"))}},
		Case{Proves: "an empty message in one zero byte is echoed", Deflate: &Deflate{ownReset: true}, Steps: []Step{
			send(raw(opText, "\x00").bits(4)), expect(text(""))}},
		Case{Proves: "the sample of RFC 7692 §7.2.3.1 is echoed", Deflate: &Deflate{ownReset: true}, Steps: []Step{
			send(raw(opText, "\xf2\x48\xcd\xc9\xc9\x07\x00").bits(4)), expect(text("Hello"))}},
		Case{Proves: "the stored sample of RFC 7692 §7.2.3.3 is echoed", Deflate: &Deflate{ownReset: true}, Steps: []Step{
			send(raw(opText, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00").bits(4)), expect(text("Hello"))}},
		Case{Proves: "the final sample of RFC 7692 §7.2.3.4 is echoed", Deflate: &Deflate{ownReset: true}, Steps: []Step{
			send(raw(opText, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00").bits(4)), expect(text("Hello"))}},
		Case{Proves: "the two blocks of RFC 7692 §7.2.3.5 are echoed", Deflate: &Deflate{ownReset: true}, Steps: []Step{
			send(raw(opText, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00").bits(4)), expect(text("Hello"))}},
		Case{Proves: "1 MiB compressed is echoed", Long: true, Deflate: &Deflate{ownBits: anyBits}, Steps: []Step{
			packed(0, fixed, text(words(1<<20))), expect(text(words(1 << 20)))}},
	)
	return cases
}

// compressedAround is a compressed message in two fragments with a frame between them.
func compressedAround(message, between frame) Step {
	return Step{"sending a compressed message with a frame in its middle", func(s *session) error {
		m := message.bits(4)
		m.payload = s.agreed.deflate.message(m.payload, fixed)
		parts := fragmented(m, len(m.payload)/2+1)
		s.write(s.frame(parts[0], between, parts[1]))
		return nil
	}}
}

// Chapter 13: what is no compressed message. RFC 7692 names no close code for it; 1007 says that the payload makes no
// sense, and 1002 is what many send.
func miscompressed() []Case {
	broken := fails(1007, 1002)
	agreed := &Deflate{ownReset: true}
	corrupt := func(proves, payload string) Case {
		return Case{Proves: proves + " is refused", Deflate: agreed, Steps: []Step{send(raw(opBinary, payload).bits(4))}, End: broken}
	}
	return []Case{
		{Proves: "RSV1 on a continuation is refused", Deflate: agreed, Steps: []Step{send(raw(opText, "\xf2\x48").bits(4).more(), cont("\xcd\xc9\xc9\x07\x00").bits(4))}, End: fails(1002)},
		{Proves: "RSV1 on a continuation of a plain message is refused", Deflate: agreed, Steps: []Step{send(text("x").more(), cont("y").bits(4))}, End: fails(1002)},
		{Proves: "RSV1 on a ping is refused", Deflate: agreed, Steps: []Step{send(ping("x").bits(4))}, End: fails(1002)},
		{Proves: "RSV1 on a pong is refused", Deflate: agreed, Steps: []Step{send(pong("x").bits(4))}, End: fails(1002)},
		{Proves: "RSV1 on a Close frame is refused", Deflate: agreed, Steps: []Step{send(closing(1000, "").bits(4))}, End: fails(1002)},
		{Proves: "RSV2 is refused as before", Deflate: agreed, Steps: []Step{send(text("x").bits(2))}, End: fails(1002)},
		{Proves: "RSV3 beside RSV1 is refused", Deflate: agreed, Steps: []Step{send(text("x").bits(5))}, End: fails(1002)},
		corrupt("a block of the reserved type", "\x07"),
		corrupt("a stored block whose length does not check", "\x00\x05\x00\xff\xff\x48\x65\x6c\x6c\x6f\x00"),
		corrupt("noise", "\xff\xff\xff\xff\xff\xff\xff\xff"),
		corrupt("a dynamic block without codes", "\x04\x00\x00\x00\x00\x00"),
		corrupt("a block that ends in the middle", "\xf2\x48\xcd\xc9"),
		{Proves: "a reference before the first byte is refused", Deflate: agreed, Steps: []Step{sendReference(1, 2)}, End: broken},
		{Proves: "a reference far before the first byte is refused", Deflate: agreed, Steps: []Step{sendReference(100, 32768)}, End: broken},
		{Proves: "a reference into an earlier message is refused without takeover", Deflate: agreed,
			Steps: []Step{packed(0, fixed, text(words(500))), expect(text(words(500))), sendReference(10, 100)}, End: broken},
		{Proves: "compressed text that is not UTF-8 is refused", Deflate: agreed, Steps: []Step{packed(0, fixed, text("a\xed\xa0\x80"))}, End: fails(1007)},
		{Proves: "compressed text that ends in the middle of a character is refused", Deflate: agreed, Steps: []Step{packed(0, fixed, text("a\xe2\x82"))}, End: fails(1007)},
		{Proves: "compressed binary is any bytes", Deflate: agreed, Steps: []Step{packed(0, fixed, bin([]byte("a\xed\xa0\x80"))), expect(bin([]byte("a\xed\xa0\x80")))}},
		{Proves: "a compressed frame of a tebibyte is refused before it comes", Deflate: agreed, Steps: []Step{send(bin(nil).bits(4).claims(1 << 40))}, End: fails(1009)},
		{Proves: "a bomb is refused", Deflate: agreed, Steps: []Step{send(raw(opBinary, bomb(256<<20)).bits(4))}, End: fails(1009)},
		{Proves: "a bomb in fragments is refused", Deflate: agreed, Steps: []Step{send(fragmented(raw(opBinary, bomb(256<<20)).bits(4), 16<<10)...)}, End: fails(1009)},
	}
}

// sendReference sends a message of some literal bytes and a reference distance bytes back.
func sendReference(literals, distance int) Step {
	var w bitWriter
	w.begin(false)
	for range literals {
		w.literal('a')
	}
	w.reference(10, distance)
	w.literal(256)
	w.bits(0, 3)
	w.align()
	return send(raw(opBinary, string(w.out)).bits(4))
}

// bomb is n zeros, compressed: each reference makes 258 of them out of 13 bits.
func bomb(n int) string {
	var w bitWriter
	w.begin(false)
	w.literal(0)
	for range n / 258 {
		w.reference(258, 1)
	}
	w.literal(256)
	w.bits(0, 3)
	w.align()
	return string(w.out)
}
