// A proxy that nobody has listed: its clients all seem to be on its machine.

package server

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"

	"github.com/ringdown/ringdown/server/proxy"
)

// noticed has a line in the log, once, if a proxy on this machine says for whom it speaks and is not believed. Limits of an address do
// not hold for this machine's own, so behind such a proxy they hold for nobody.
func noticed(trusted *proxy.Trusted, log *slog.Logger, next http.Handler) http.Handler {
	var once sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if field := forwarding(r.Header); field != "" && unlisted(trusted, r.RemoteAddr) {
			once.Do(func() {
				log.Warn("requests come through a proxy on this machine that is not trusted, so all its clients have its address, "+
					"for which no limits of an address hold; list it in listen.trusted_proxies, or have it leave the field out",
					"remote", r.RemoteAddr, "field", field)
			})
		}
		next.ServeHTTP(w, r)
	})
}

// forwarding is the field by which a proxy says for whom it speaks, or "".
func forwarding(header http.Header) string {
	for _, field := range []string{"X-Forwarded-For", "Forwarded"} {
		if header.Get(field) != "" {
			return field
		}
	}
	return ""
}

// unlisted tells whether a peer is on this machine and not trusted.
func unlisted(trusted *proxy.Trusted, remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	return err == nil && at.Addr().Unmap().IsLoopback() && !trusted.Contains(at.Addr())
}
