// The node's buckets: everybody takes from them, so they are taken from in portions.

package limit

import (
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	stripes  = 16
	portions = 1024 // a portion is this share of a burst: what lies unused in all stripes is at most a 64th of it
)

// striped is a bucket for very many at once. Each stripe holds a portion that was taken from the bucket.
type striped struct {
	bucket  *rate.Limiter
	portion int
	stripes [stripes]stripe
}

type stripe struct {
	mu     sync.Mutex
	tokens int
	_      [48]byte // a cache line each
}

func newStriped(r Rate) *striped {
	if r.PerSecond < 0 {
		return nil
	}
	return &striped{bucket: r.limiter(), portion: max(1, r.Burst/portions)}
}

// allow takes n tokens, or none.
func (s *striped) allow(now time.Time, n int) bool {
	st := &s.stripes[rand.Uint32()%stripes]
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.tokens >= n {
		st.tokens -= n
		return true
	}
	missing := n - st.tokens
	switch {
	case missing <= s.portion && s.bucket.AllowN(now, s.portion):
		st.tokens += s.portion - n
	case s.bucket.AllowN(now, missing):
		st.tokens = 0
	default:
		return false
	}
	return true
}
