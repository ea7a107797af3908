package line

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/websocket"
)

// A close reason has room for 123 bytes (RFC 6455 §5.5).
func TestEveryGoodbyeFitsIntoACloseFrame(t *testing.T) {
	causes := []error{hub.ErrShutdown, hub.ErrFull, fmt.Errorf("%w: all of them", hub.ErrFull), hub.ErrEnded, errors.New("secret")}
	for _, r := range hub.Refusals() {
		causes = append(causes, hub.Errorf(r.Code, "%s", r.Means), hub.Errorf(r.Code, "%s", strings.Repeat("é", 200)))
	}
	for _, cause := range causes {
		code, reason := Goodbye(cause)
		if len(reason) > maxReason || !utf8.ValidString(reason) || !code.Sendable() || strings.Contains(reason, "secret") {
			t.Errorf("%v: code %v, reason of %d bytes %q", cause, code, len(reason), reason)
		}
	}
}

func TestCausesHaveTheCloseCodesOfTheTable(t *testing.T) {
	for _, c := range []struct {
		cause error
		code  websocket.StatusCode
	}{
		{hub.ErrShutdown, websocket.StatusServiceRestart},
		{hub.ErrFull, websocket.StatusTryAgainLater},
		{hub.ErrEnded, websocket.StatusNormalClosure},
		{errors.New("unknown"), websocket.StatusInternalError},
		{hub.Errorf(hub.NotAllowed, ""), websocket.StatusPolicyViolation},
		{hub.Errorf(hub.TooLarge, ""), websocket.StatusMessageTooBig},
		{hub.Errorf(hub.BadPayload, ""), websocket.StatusInvalidPayload},
		{hub.Errorf(hub.SlowConsumer, ""), websocket.StatusTryAgainLater},
		{hub.Errorf(hub.Unavailable, ""), websocket.StatusTryAgainLater},
		{hub.Errorf(hub.TooManySubscriptions, ""), websocket.StatusPolicyViolation},
		{&hub.Dismissal{}, 4400},
		{&hub.Dismissal{Reconnect: true}, websocket.StatusTryAgainLater},
		{&hub.Dismissal{Close: 4001, Reconnect: true}, 4001},
	} {
		if code, _ := Goodbye(c.cause); code != c.code {
			t.Errorf("%v: %v, want %v", c.cause, code, c.code)
		}
	}
}
