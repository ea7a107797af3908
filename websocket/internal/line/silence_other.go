//go:build !linux

package line

import (
	"net"
	"time"
)

// limitUnacknowledged does nothing: the system's own patience holds.
func limitUnacknowledged(*net.TCPConn, time.Duration) {}
