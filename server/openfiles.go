// How many connections the system lets a node hold.

package server

import "fmt"

// affordable is how many of the connections asked for fit under the limit on open files (0 is none), and a sentence for the log if these are fewer than somebody asked for.
//
// A connection holds one file, and two for the moment of its handshake; listeners, event loops, plain HTTP and the log want
// some, too.
func affordable(asked, files int) (connections int, sentence string) {
	room := roomIn(files)
	if files == 0 || asked <= room {
		return asked, ""
	}
	return room, fmt.Sprintf("open files are limited to %d; so at most %d clients can be connected at once, not %d "+
		"(limits.connections, --max-connections): raise the limit, with ulimit -n or as LimitNOFILE= of a systemd unit", files, room, asked)
}

// roomIn is how many of so many files connections may take.
func roomIn(files int) int { return max(files-files/16-32, 1) }
