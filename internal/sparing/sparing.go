// Package sparing keeps log lines that anybody can cause from filling a disk: so many are written in a second, and the next one tells
// how many were not.
//
//	if unlogged, ok := lines.Due(); ok {
//		log.Info("refused", "cause", err, "unlogged", unlogged)
//	}
package sparing

import (
	"sync"
	"time"
)

// PerSecond lines are written at most.
const PerSecond = 100

// Lines are log lines of one sort. The zero value is ready; it may be used from any goroutine.
type Lines struct {
	mu       sync.Mutex
	second   time.Time // when the current second began
	written  int       // in it
	unlogged int       // since the last one that was written
}

// Due reports whether a line may be written now, and how many were not before it.
func (l *Lines) Due() (unlogged int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.second) >= time.Second {
		l.second, l.written = now, 0
	}
	if l.written == PerSecond {
		l.unlogged++
		return 0, false
	}
	l.written++
	unlogged, l.unlogged = l.unlogged, 0
	return unlogged, true
}
