// Why a session ended, in the words of a Close frame.

package line

import (
	"errors"
	"net/http"
	"unicode/utf8"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// maxReason is how much room a Close frame has for a reason, in bytes (RFC 6455 §5.5).
const maxReason = 123

// Refusal is err as what clients may be told: the errors of a session itself in a gateway's words.
func Refusal(err error) *hub.Error {
	switch {
	case errors.Is(err, hub.ErrShutdown):
		return hub.Errorf(hub.ShuttingDown, "the server is shutting down; reconnect in a few seconds")
	case errors.Is(err, hub.ErrFull):
		return hub.Errorf(hub.Full, "the server has no room for another connection; try again later, or raise its limit (--max-connections)")
	case errors.Is(err, hub.ErrEnded):
		return hub.Errorf(hub.Unavailable, "the server has ended this session; try again")
	}
	if known, ok := errors.AsType[*hub.Error](err); ok {
		return known
	}
	_, sentence := hub.RefusalOf(err)
	return hub.Errorf(hub.Internal, "%s", sentence)
}

// Goodbye is how a client is told why its session ended.
func Goodbye(cause error) (websocket.StatusCode, string) {
	if errors.Is(cause, hub.ErrEnded) {
		return websocket.StatusNormalClosure, ""
	}
	r, sentence := hub.RefusalOf(Refusal(cause))
	if d, ok := errors.AsType[*hub.Dismissal](cause); ok && d.Close != 0 {
		return websocket.StatusCode(d.Close), cut(sentence)
	}
	return closeCode(r), cut(sentence)
}

// closeCode is the refusal's close code. Some refusals end no WebSocket of a protocol that has words for them; one without words
// must end for those, too.
func closeCode(r hub.Refusal) websocket.StatusCode {
	switch {
	case r.Close != 0:
		return websocket.StatusCode(r.Close)
	case r.Status == http.StatusServiceUnavailable:
		return websocket.StatusTryAgainLater
	case r.Status < http.StatusInternalServerError:
		return websocket.StatusPolicyViolation
	}
	return websocket.StatusInternalError
}

// cut shortens a sentence to what fits.
func cut(sentence string) string {
	if len(sentence) <= maxReason {
		return sentence
	}
	const ellipsis = "…"
	end := maxReason - len(ellipsis)
	for !utf8.RuneStart(sentence[end]) {
		end--
	}
	return sentence[:end] + ellipsis
}
