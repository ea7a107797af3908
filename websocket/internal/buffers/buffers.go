// Package buffers lends byte slices of power-of-two sizes from pools that every connection shares, so that a connection
// holds memory only while bytes are on their way through it.
package buffers

import (
	"math/bits"
	"sync"
	"unsafe"
)

// The smallest and the largest size that is pooled, in bytes. What is larger is left to the garbage collector: kept
// buffers of that size would cost more than they save.
const (
	minBits, maxBits = 9, 20
	Min              = 1 << minBits
	Max              = 1 << maxBits
)

// pools holds one pool for each power of two. A pool keeps the pointer to a buffer's first byte, which unlike a slice
// fits an interface without an allocation; the size is the pool's own.
var pools [maxBits - minBits + 1]sync.Pool

// Get returns a buffer of length 0 and a capacity of at least size bytes, for the caller alone until Put. Its contents
// are whatever an earlier user left.
func Get(size int) []byte {
	if size > Max {
		return make([]byte, 0, size)
	}
	class := classOf(size)
	if p, _ := pools[class].Get().(*byte); p != nil {
		return unsafe.Slice(p, Min<<class)[:0]
	}
	return make([]byte, 0, Min<<class)
}

// Put gives back a buffer that Get returned, or that grew from one by [Append]; nobody may use it any more. A nil buffer
// is fine.
func Put(b []byte) {
	size := cap(b)
	if size < Min || size > Max || size&(size-1) != 0 {
		return
	}
	pools[classOf(size)].Put(unsafe.SliceData(b[:1]))
}

// Append appends p to b, which came from Get or is nil. When it does not fit, it moves to a buffer of at least twice the
// size and the old one goes back to its pool.
func Append(b, p []byte) []byte {
	if need := len(b) + len(p); need > cap(b) {
		b = Grow(b, need)
	}
	return append(b, p...)
}

// Grow returns b with a capacity of at least size bytes, moved to a larger buffer if it must be.
func Grow(b []byte, size int) []byte {
	if size <= cap(b) {
		return b
	}
	larger := append(Get(max(size, 2*cap(b))), b...)
	Put(b)
	return larger
}

// classOf is the index of the smallest pool whose buffers hold size bytes.
func classOf(size int) int {
	if size <= Min {
		return 0
	}
	return bits.Len(uint(size-1)) - minBits
}
