// What a channel may be called.

package hub

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxChannelName is the longest name of a channel, in bytes of UTF-8.
const MaxChannelName = 255

// CheckChannel tells what is wrong with a channel's name, as an [*Error] with [BadChannel], or returns nil. A name is 1 to [MaxChannelName] bytes of valid
// UTF-8; every character is printable (a letter, mark, digit, punctuation, symbol, or the plain space, as
// [unicode.IsPrint] has it, so no control and no invisible formatting characters); and it neither begins nor ends with a
// space. It is not "." or "..", which browsers take out of a URL however they are escaped. Names are compared byte by
// byte: "Lobby" and "lobby" are two channels.
func CheckChannel(name string) error {
	if name == "" {
		return Errorf(BadChannel, "the channel name is empty; name it with 1 to %d bytes", MaxChannelName)
	}
	if len(name) > MaxChannelName {
		return Errorf(BadChannel, "the channel name has %d bytes; shorten it to at most %d", len(name), MaxChannelName)
	}
	if !utf8.ValidString(name) {
		return Errorf(BadChannel, "the channel name %+q is not valid UTF-8; encode it as UTF-8", name)
	}
	for at, r := range name {
		if !unicode.IsPrint(r) {
			return Errorf(BadChannel, "the channel name holds %U at byte %d; use printable characters only", r, at)
		}
	}
	if strings.HasPrefix(name, " ") || strings.HasSuffix(name, " ") {
		return Errorf(BadChannel, "the channel name %q begins or ends with a space; remove it", name)
	}
	if name == "." || name == ".." {
		return Errorf(BadChannel, "the channel name is %q, which stands for a folder in a URL; choose another", name)
	}
	return nil
}
