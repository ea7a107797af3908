// Latencies in buckets whose width grows with the value, so that recording one costs a few nanoseconds and no allocation,
// and a percentile is within 1.6 % of the truth.

package loadtest

import (
	"math/bits"
	"time"
)

const (
	subBits    = 6 // 64 buckets per doubling
	subBuckets = 1 << subBits
	buckets    = (64 - subBits) * subBuckets
)

// A Histogram counts durations. The zero value is empty. It is not safe for concurrent use.
type Histogram struct {
	counts [buckets]uint64
	total  uint64
	max    time.Duration
}

// Record counts n durations of d.
func (h *Histogram) Record(d time.Duration, n int) {
	h.counts[bucket(uint64(max(d, 0)))] += uint64(n)
	h.total += uint64(n)
	h.max = max(h.max, d)
}

// Count is how many durations were recorded.
func (h *Histogram) Count() int { return int(h.total) }

// Max is the longest duration recorded, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Percentile returns a duration that a share of p (0 to 1) of those recorded do not exceed; zero when there are none.
func (h *Histogram) Percentile(p float64) time.Duration {
	rank := uint64(p * float64(h.total))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= max(rank, 1) {
			return time.Duration(upper(i))
		}
	}
	return 0
}

// bucket keeps values below subBuckets apart, and of larger ones the first subBits+1 bits.
func bucket(v uint64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return shift*subBuckets + int(v>>shift)
}

// upper returns the largest value of bucket i.
func upper(i int) uint64 {
	if i < subBuckets {
		return uint64(i)
	}
	shift := i/subBuckets - 1
	first := uint64(i%subBuckets+subBuckets) << shift
	return first + 1<<shift - 1
}
