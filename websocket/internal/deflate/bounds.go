package deflate

// What an inflated message may not exceed, and the errors of inflating.

import (
	"fmt"
	"math"
)

// ratioGrace is the output, in bytes, up to which a message may be compressed as well as it likes: small ones of little
// content reach high ratios honestly and do no harm.
const ratioGrace = 64 << 10

// Bounds limit one message while it is being inflated.
type Bounds struct {
	// Size is the most bytes that may come out; negative for no bound.
	Size int64
	// Ratio is the most bytes that may come out for each byte that went in, once more than 64 KiB have come out; zero
	// or negative for no bound. DEFLATE itself ends at 1032.
	Ratio int
}

// output is how many bytes may come out of in compressed ones.
func (b Bounds) output(in int64) int64 {
	most := int64(math.MaxInt64)
	if b.Size >= 0 {
		most = min(most, b.Size)
	}
	if b.Ratio > 0 && in <= most/int64(b.Ratio) {
		most = min(most, max(ratioGrace, in*int64(b.Ratio)))
	}
	return most
}

// broken is the error for out bytes from in, of which Bounds.output allows fewer.
func (b Bounds) broken(in, out int64) error {
	if b.Size >= 0 && out > b.Size {
		return &TooBigError{Limit: b.Size}
	}
	return &RatioError{Limit: b.Ratio, In: in, Out: out}
}

// TooBigError says that a message inflates to more than [Bounds.Size]: close code 1009.
type TooBigError struct {
	Limit int64
}

func (e *TooBigError) Error() string {
	return fmt.Sprintf("compressed message is larger than the limit of %d bytes once inflated", e.Limit)
}

// RatioError says that a message inflates to more than [Bounds.Ratio] times its size: close code 1009.
type RatioError struct {
	Limit   int
	In, Out int64 // bytes taken and given when it was noticed
}

func (e *RatioError) Error() string {
	return fmt.Sprintf("compressed message inflates beyond the limit of %d to 1: %d bytes came out of %d", e.Limit, e.Out, e.In)
}

// CorruptError says that a message isn't DEFLATE, refers back beyond the window or ends in the middle of a block: close
// code 1007.
type CorruptError struct {
	Cause error
}

func (e *CorruptError) Error() string { return "compressed message is corrupt: " + e.Cause.Error() }

func (e *CorruptError) Unwrap() error { return e.Cause }
