// Package proxy finds out who the client really is when there are proxies in front: from the header fields X-Forwarded-For,
// X-Forwarded-Proto and X-Forwarded-Host or Forwarded (RFC 7239) of a request, and from the PROXY protocol, versions 1 and 2, at the
// beginning of a connection.
//
//	trusted, err := proxy.Parse("10.0.0.0/8", "unix")
//	if err != nil {
//		return err
//	}
//	listener = trusted.Listener(listener, proxy.Options{})
//	handler = trusted.Handler(handler)
//	…
//	client := proxy.From(r) // in a handler
//
// Only what a trusted peer says is believed. The list of those that a request came by is read from its end, from proxy to proxy, and
// the first that is not trusted is the client: whatever the client itself has sent stands to the left of that and is never looked at.
// Host and scheme are those that the nearest proxies have written; a proxy in front must set or remove these fields, too.
package proxy
