package channelhttp

import (
	"testing"
	"unicode/utf8"

	"github.com/ringdown/ringdown/hub"
)

// A close reason has room for 123 bytes (RFC 6455 §5.5); a longer one would be cut in the middle of the cure.
func TestGoodbyesFitIntoACloseFrame(t *testing.T) {
	for _, cause := range []error{hub.ErrShutdown, errReadOnly, hub.ErrEnded} {
		code, reason := goodbye(cause)
		if len(reason) > 123 || !utf8.ValidString(reason) || !code.Sendable() {
			t.Errorf("%v: code %v, reason of %d bytes %q", cause, code, len(reason), reason)
		}
	}
}
