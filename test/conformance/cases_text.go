// Chapters 6 and 7: text, and the closing handshake.

package conformance

import (
	"fmt"
	"strings"
)

// Chapter 6: text is UTF-8 (RFC 6455 §8.1), and what cannot become UTF-8 is refused without waiting for more.
func utf8Texts() []Case {
	var cases []Case
	for _, good := range []struct{ what, text string }{
		{"ASCII", "Hello, world"},
		{"Greek", "κόσμε"},
		{"the first characters of every length", "\x00\u0080\u0800\U00010000"},
		{"the last characters of every length", "\x7f\u07FF\uFFFF\U0010FFFF"},
		{"the edges of the surrogates", "\uD7FF\uE000"},
		{"the replacement character", "\uFFFD"},
		{"noncharacters", "\uFFFE\uFFFF\U0001FFFE\U0010FFFE\U0010FFFF"},
		{"emoji", "👩‍👩‍👧‍👦🏳️‍🌈"},
	} {
		cases = append(cases,
			Case{Proves: good.what + " is echoed", Steps: echo(text(good.text))},
			Case{Proves: good.what + " that comes byte by byte is echoed", Steps: []Step{chop(1, text(good.text)), expect(text(good.text))}},
			Case{Proves: good.what + " in fragments of a byte is echoed",
				Steps: []Step{send(fragmented(text(good.text), 1)...), expect(text(good.text))}},
		)
	}
	for _, bad := range []struct{ what, text string }{
		{"a lone continuation byte", "\x80"},
		{"the last continuation byte", "\xbf"},
		{"seven continuation bytes", "\x80\xbf\x80\xbf\x80\xbf\x80"},
		{"two lone first bytes", "\xc2 \xc3 "},
		{"a lone first byte of three", "\xe0 "},
		{"a lone first byte of four", "\xf0 "},
		{"an overlong slash of two bytes", "\xc0\xaf"},
		{"an overlong slash of three bytes", "\xe0\x80\xaf"},
		{"an overlong slash of four bytes", "\xf0\x80\x80\xaf"},
		{"an overlong zero", "\xc0\x80"},
		{"the longest overlong forms", "\xc1\xbf\xe0\x9f\xbf\xf0\x8f\xbf\xbf"},
		{"five bytes", "\xf8\x88\x80\x80\x80"},
		{"six bytes", "\xfc\x84\x80\x80\x80\x80"},
		{"FE", "\xfe"},
		{"FF", "\xff"},
		{"the first surrogate", "\xed\xa0\x80"},
		{"the last surrogate", "\xed\xbf\xbf"},
		{"a pair of surrogates", "\xed\xa0\x80\xed\xb0\x80"},
		{"a character past the last", "\xf4\x90\x80\x80"},
		{"F5", "\xf5\x80\x80\x80"},
		{"a bad byte behind good text", "κόσμε\xed\xa0\x80edited"},
	} {
		cases = append(cases,
			Case{Proves: bad.what + " is refused", Steps: []Step{send(text(bad.text))}, End: fails(1007)},
			Case{Proves: bad.what + " that comes byte by byte is refused", Steps: []Step{chop(1, text(bad.text))}, End: fails(1007)},
			Case{Proves: bad.what + " in fragments of a byte is refused", Steps: []Step{send(fragmented(text(bad.text), 1)...)}, End: fails(1007)},
			Case{Proves: bad.what + " is refused while its message goes on", Strictness: Should,
				Steps: []Step{send(text("good "+bad.text).more(), ping("not reached"))}, End: fails(1007)},
			Case{Proves: bad.what + " is refused while its frame goes on", Strictness: Should,
				Steps: []Step{send(text(bad.text).claims(100))}, End: fails(1007)},
		)
	}
	for _, cut := range []string{"\xc3", "\xe2\x82", "\xf0\x9f\x98"} {
		cases = append(cases,
			Case{Proves: fmt.Sprintf("a message may not end in the middle of a character, %d bytes in", len(cut)),
				Steps: []Step{send(text("good " + cut))}, End: fails(1007)},
			Case{Proves: fmt.Sprintf("nor may its last fragment, %d bytes in", len(cut)),
				Steps: []Step{send(text("good "+cut).more(), cont(""))}, End: fails(1007)})
	}
	// The first byte that decides: what can still become a character must wait, what cannot must not.
	for _, c := range []struct{ hopeful, hopeless string }{
		{"\xf4", "\x90"}, {"\xed", "\xa0"}, {"\xe0", "\x9f"}, {"\xf0", "\x8f"}, {"\xc2", "\x7f"}, {"\xe2\x82", "\xc0"}, {"\xf0\x9f\x98", " "},
	} {
		cases = append(cases,
			Case{Proves: fmt.Sprintf("% x waits for what follows, and % x is refused at once", c.hopeful, c.hopeless), Strictness: Should,
				Steps: []Step{send(text("good " + c.hopeful).more()), alive(), send(cont(c.hopeless).more())}, End: fails(1007)})
	}
	return append(cases,
		Case{Proves: "binary is any bytes", Steps: echo(bin([]byte("\xff\xfe\xed\xa0\x80")))},
		Case{Proves: "a ping is any bytes", Steps: []Step{send(ping("\xff\xed\xa0\x80")), expectPong("\xff\xed\xa0\x80")}},
		Case{Proves: "a character cut by a fragment and a ping is whole again",
			Steps: []Step{send(text("\xf0\x9f").more(), ping("p"), cont("\x98\x80")), expectPong("p"), expect(text("😀"))}},
		Case{Proves: "a message is judged by itself, not with the one before it",
			Steps: []Step{send(text("é"), bin([]byte("\xe2\x82")), text("é")), expect(text("é"), bin([]byte("\xe2\x82")), text("é"))}},
	)
}

// Chapter 7: the closing handshake (RFC 6455 §5.5.1, §7).
func closes() []Case {
	full := strings.Repeat("r", 123)
	cases := []Case{
		{Proves: "a connection closes with 1000 after a message", Steps: echo(text("Hello"))},
		{Proves: "a connection closes with 1000 at once"},
		{Proves: "a Close frame without a payload is answered", Steps: []Step{send(closing(0, ""))}, End: answers(1005, 1000)},
		{Proves: "a Close frame with a reason is answered", Steps: []Step{send(closing(1000, "bye"))}, End: answers(1000)},
		{Proves: "a Close frame with the longest reason is answered", Steps: []Step{send(closing(1000, full))}, End: answers(1000)},
		{Proves: "a Close frame that comes byte by byte is answered", Steps: []Step{chop(1, closing(1001, full))}, End: answers(1001, 1000)},
		{Proves: "a Close frame with a reason of 124 bytes is refused", Steps: []Step{send(closing(1000, full+"r"))}, End: fails(1002)},
		{Proves: "a Close frame with a payload of one byte is refused", Steps: []Step{send(raw(opClose, "\x03"))}, End: fails(1002)},
		{Proves: "a reason that is not UTF-8 is refused", Steps: []Step{send(closing(1000, "κόσμε\xed\xa0\x80edited"))}, End: fails(1007, 1002)},
		{Proves: "a reason that ends in the middle of a character is refused", Steps: []Step{send(closing(1000, "\xe2\x82"))}, End: fails(1007, 1002)},
		{Proves: "one of two Close frames is answered", Steps: []Step{send(closing(1000, ""), closing(1001, ""))}, End: answers(1000)},
		{Proves: "a ping behind a Close frame is not answered", Steps: []Step{send(closing(1000, ""), ping("late"))}, End: answers(1000)},
		{Proves: "a message behind a Close frame is not echoed", Steps: []Step{send(closing(1000, ""), text("late"))}, End: answers(1000)},
		{Proves: "nonsense behind a Close frame is not looked at", Steps: []Step{send(closing(1000, ""), raw(3, "late").bits(7))}, End: answers(1000)},
		{Proves: "a message before a Close frame is echoed", Steps: []Step{send(text("first"), closing(1000, "")), expect(text("first"))}, End: answers(1000)},
		{Proves: "a large message before a Close frame is echoed", Steps: []Step{send(text(words(256<<10)), closing(1000, "")), expect(text(words(256 << 10)))}, End: answers(1000)},
		{Proves: "a ping before a Close frame is answered", Steps: []Step{send(ping("first")), expectPong("first"), send(closing(1000, ""))}, End: answers(1000)},
		{Proves: "a message that was not finished is gone with the Close frame", Steps: []Step{send(text("never").more(), closing(1000, ""), cont("ended"))}, End: answers(1000)},
		{Proves: "256 KiB behind a Close frame do not cost its answer", Steps: []Step{send(closing(1000, ""), bin(noise(256<<10)))}, End: answers(1000)},
		{Proves: "256 KiB behind a violation do not cost its Close frame", Steps: []Step{send(raw(3, ""), bin(noise(256<<10)))}, End: fails(1002)},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		cases = append(cases, Case{Proves: fmt.Sprintf("the close code %d is answered", code),
			Steps: []Step{send(closing(code, "reason"))}, End: answers(code, 1000)})
	}
	for _, code := range []int{1, 500, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases,
			Case{Proves: fmt.Sprintf("the close code %d is refused", code), Steps: []Step{send(closing(code, ""))}, End: fails(1002)},
			Case{Proves: fmt.Sprintf("the close code %d with a reason is refused", code), Steps: []Step{send(closing(code, "reason"))}, End: fails(1002)})
	}
	return append(cases, Case{Proves: "the close code 0 is refused", Steps: []Step{send(raw(opClose, "\x00\x00"))}, End: fails(1002)})
}
