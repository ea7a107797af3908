package loadtest

import (
	"testing"
	"time"
)

func TestPercentilesAreCloseToTheTruth(t *testing.T) {
	var h Histogram
	for i := 1; i <= 100_000; i++ {
		h.Record(time.Duration(i)*time.Microsecond, 1)
	}
	for _, p := range []float64{0.01, 0.5, 0.99, 1} {
		want := time.Duration(p*100_000) * time.Microsecond
		if got := h.Percentile(p); got < want || float64(got) > 1.016*float64(want) {
			t.Errorf("percentile %v is %v, want %v to 1.6 %% more", p, got, want)
		}
	}
}

func TestPercentilesOfFewValues(t *testing.T) {
	var h Histogram
	if got := h.Percentile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v, want 0", got)
	}
	h.Record(5, 3)
	h.Record(60, 1)
	if p50, p99 := h.Percentile(0.5), h.Percentile(1); p50 != 5 || p99 != 60 {
		t.Errorf("median and maximum are %d and %d, want 5 and 60", p50, p99)
	}
}

func TestBucketsAreContiguous(t *testing.T) {
	for i := range buckets - 1 {
		if bucket(upper(i)) != i || bucket(upper(i)+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which is in %d; the next value is in %d", i, upper(i), bucket(upper(i)), bucket(upper(i)+1))
		}
	}
}
