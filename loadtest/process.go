// What the operating system knows of the server's process.

package loadtest

import "time"

// Process is what a process has used so far, and holds now.
type Process struct {
	CPU       time.Duration // processor time, user and system
	Resident  uint64        // bytes of memory in all, shared files and code included
	Anonymous uint64        // bytes of those that are the program's own: heap and stacks
}
