// Origins that can change while a server runs.

package websocket

import (
	"net/http"
	"sync/atomic"

	"github.com/ringdown/ringdown/websocket/internal/handshake"
)

// OriginList is a list as in AcceptOptions.Origins that can be replaced while it is in use, by any number of acceptors. The zero
// value allows a server's own origin only. Its methods may be called by several goroutines.
type OriginList struct {
	origins atomic.Pointer[handshake.Origins] // nil is none
}

// Set replaces the list, for the handshakes from now on; connections that are open stay. The error tells a malformed origin, and then
// nothing has changed.
func (l *OriginList) Set(list []string) error {
	origins, err := handshake.ParseOrigins(list)
	if err != nil {
		return err
	}
	l.origins.Store(&origins)
	return nil
}

// check refuses the request of a page that is not listed, on a server to which the client came over TLS or not.
func (l *OriginList) check(r *http.Request, secure bool) *handshake.Refusal {
	if origins := l.origins.Load(); origins != nil {
		return origins.CheckAt(r, secure)
	}
	return handshake.Origins{}.CheckAt(r, secure)
}
