// When to come back: what Retry-After tells a client that was refused over HTTP (RFC 9110, section 10.2.3).

package line

import (
	"errors"
	"net/http"
	"time"

	"github.com/ringdown/ringdown/hub"
)

// comeBack is after how long a client may come back where nobody knows better.
const comeBack = 5 * time.Second

// RetryAfter is the value of Retry-After for a refusal, in whole seconds, or "" if coming back would not help. An error may know by a
// method Wait() time.Duration.
func RetryAfter(err error) string {
	if r, _ := hub.RefusalOf(err); r.Status != http.StatusServiceUnavailable && r.Status != http.StatusTooManyRequests {
		return ""
	}
	if knows, ok := errors.AsType[waiting](err); ok && knows.Wait() > 0 {
		return WholeSeconds(knows.Wait())
	}
	return WholeSeconds(comeBack)
}

// waiting is an error that knows when to come back.
type waiting interface {
	error
	Wait() time.Duration
}
