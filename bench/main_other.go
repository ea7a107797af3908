//go:build !linux

// Command bench measures WebSocket servers side by side, on Linux only: its client and its floor are epoll loops.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: needs Linux")
	os.Exit(1)
}
