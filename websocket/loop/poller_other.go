//go:build !linux

package loop

// place holds nothing where there is no event loop.
type place struct{}

// newPoller returns none: every connection has goroutines of its own.
func newPoller(*Server) (poller, error) { return nil, nil }
