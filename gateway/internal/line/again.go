// When to come back: what Retry-After tells a client that was refused over HTTP (RFC 9110, section 10.2.3).

package line

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// comeBack is after how many seconds a client may come back where nobody knows better.
const comeBack = 5

// RetryAfter is the value of Retry-After for a refusal, in whole seconds, or "" if coming back would not help. An error may know by a
// method Wait() time.Duration.
func RetryAfter(err error) string {
	if r, _ := hub.RefusalOf(err); r.Status != http.StatusServiceUnavailable && r.Status != http.StatusTooManyRequests {
		return ""
	}
	seconds := comeBack
	if knows, ok := errors.AsType[waiting](err); ok && knows.Wait() > 0 {
		seconds = int((knows.Wait() + time.Second - 1) / time.Second)
	}
	return strconv.Itoa(seconds)
}

// waiting is an error that knows when to come back.
type waiting interface {
	error
	Wait() time.Duration
}
