package connect

import (
	"context"
	"net"
	"time"
)

// Interrupt makes what nc is doing fail when ctx ends, until stop is called. stop leaves nc without a deadline, unless ctx
// has ended already.
func Interrupt(ctx context.Context, nc net.Conn) (stop func()) {
	tripped := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		nc.SetDeadline(time.Unix(1, 0))
		close(tripped)
	})
	return func() {
		if !cancel() {
			<-tripped
		}
	}
}
