// What a run found.

package loadtest

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// A Result is what a run found.
type Result struct {
	Wanted     int           // connections asked for
	Opened     int           // that opened
	Lost       int           // that ended before they were told to
	Connecting time.Duration // the time that opening them took
	Handshakes Histogram     // of each connection, from dialing to the server's answer

	Sent      int           // messages sent; of Fanout, publications
	Messages  int           // received as they should be: answers, or deliveries
	Bytes     int           // of their payload
	Elapsed   time.Duration // from the first message to the last; of Idle, how long the connections were held
	Latencies Histogram     // from sending a message to receiving it

	Echoed      bool           // of Idle: the server is an echo, and every connection was echoed once
	Interrupted bool           // the context ended before the run did
	Errors      map[string]int // what went wrong, by kind
	Server      *Server        // nil without Options.PID
}

// Rate is how many messages were received a second.
func (r *Result) Rate() float64 { return perSecond(r.Messages, r.Elapsed) }

// Throughput is how many bytes of payload were received a second.
func (r *Result) Throughput() float64 { return perSecond(r.Bytes, r.Elapsed) }

func perSecond(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Server is what the server's process used.
type Server struct {
	Before Process // with no connection of ours but those that have come and gone
	Open   Process // with all connections open, before messages flow
	After  Process // at the end of the messages, or of the time that connections were held
}

// CPUPerMessage is the processor time that the server spent on each message received; 0 if there was none.
func (r *Result) CPUPerMessage() time.Duration {
	if r.Server == nil || r.Messages == 0 {
		return 0
	}
	return (r.Server.After.CPU - r.Server.Open.CPU) / time.Duration(r.Messages)
}

// MemoryPerConnection is by how many bytes the server's own memory grew for each connection that was open at the end:
// what its program allocated and touched, garbage included, without what the kernel holds for a socket.
func (r *Result) MemoryPerConnection() int {
	open := r.Opened - r.Lost
	if r.Server == nil || open == 0 {
		return 0
	}
	return (int(r.Server.After.Anonymous) - int(r.Server.Before.Anonymous)) / open
}

// kindOf words an error so that errors of one kind are alike: without addresses and the like.
func kindOf(err error) string {
	if refused, ok := errors.AsType[*websocket.HandshakeError](err); ok && refused.Status != 0 {
		return fmt.Sprintf("refused with status %d", refused.Status)
	}
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		return closedWith(closed.Code, closed.Reason)
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() {
		return "timed out"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "cut off"
	}
	return err.Error()
}

func closedWith(code websocket.StatusCode, reason string) string {
	if reason == "" {
		return fmt.Sprintf("closed by the server with %v", code)
	}
	return fmt.Sprintf("closed by the server with %v: %s", code, reason)
}
