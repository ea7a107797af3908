// The way to the machine: its name, its addresses, and whether they answer.

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// resolve looks the host up.
func (e *examination) resolve(ctx context.Context) bool {
	e.bypass()
	if net.ParseIP(e.target.host) != nil {
		e.ok("dns", "%s is an address; there is no name to look up", e.target.host)
		return true
	}
	ctx, cancel := e.within(ctx)
	defer cancel()
	start := time.Now()
	addresses, err := net.DefaultResolver.LookupHost(ctx, e.target.host)
	if err == nil {
		e.ok("dns", "%s is %s (%s)", e.target.host, strings.Join(addresses, ", "), brief(time.Since(start)))
		return true
	}
	if wrong, ok := errors.AsType[*net.DNSError](err); ok && wrong.IsNotFound {
		e.fail("dns", fmt.Sprintf("nobody knows the name %s", e.target.host),
			"correct the name, or add an A or AAAA record for it; a new record may take until the old answer's TTL is over")
		return false
	}
	e.fail("dns", fmt.Sprintf("%s could not be looked up: %v", e.target.host, err),
		"look at the resolver of this machine (/etc/resolv.conf), and at its way to the network")
	return false
}

// bypass warns of a proxy that other programs would use.
func (e *examination) bypass() {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: e.target.base})
	if err != nil || proxy == nil {
		return
	}
	e.warn("proxy", fmt.Sprintf("the environment sends requests to %s by way of the proxy %s; the doctor goes past it", e.target.host, proxy.Host),
		"keep in mind that programs on this machine take another way, or add the host to NO_PROXY")
}

// connect opens a connection to each address; one that works is enough to go on.
func (e *examination) connect(ctx context.Context) bool {
	addresses := []string{e.target.host}
	if net.ParseIP(e.target.host) == nil {
		lookup, cancel := e.within(ctx)
		defer cancel()
		found, err := net.DefaultResolver.LookupHost(lookup, e.target.host)
		if err != nil {
			e.fail("tcp", fmt.Sprintf("%s was found a moment ago, and now is not: %v", e.target.host, err), "look at the name servers of the domain")
			return false
		}
		addresses = found[:min(len(found), maxAddresses)]
	}
	var bad []error
	for _, address := range addresses {
		dial, cancel := e.within(ctx)
		start := time.Now()
		conn, err := new(net.Dialer).DialContext(dial, "tcp", net.JoinHostPort(address, e.target.port))
		cancel()
		if err != nil {
			bad = append(bad, err)
			continue
		}
		conn.Close()
		e.ok("tcp", "%s answers (%s)", net.JoinHostPort(address, e.target.port), brief(time.Since(start)))
	}
	report := e.fail
	if len(bad) < len(addresses) {
		report = e.warn // browsers try the others, some of them after a while
	}
	for _, err := range bad {
		report("tcp", fmt.Sprintf("no connection: %v", err), e.unreached(err))
	}
	return len(bad) < len(addresses)
}

// maxAddresses are tried.
const maxAddresses = 8

// unreached is what to do about an address that does not answer.
func (e *examination) unreached(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens on port %s there: start the server or the proxy, or correct the port; a node listens on "+
			"127.0.0.1 only unless it is told otherwise (--listen)", e.target.port)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no route: if this is an IPv6 address and the network has none, remove the AAAA record or give the network IPv6"
	}
	return fmt.Sprintf("packets get lost, mostly in a firewall or security group: open TCP port %s", e.target.port)
}

// brief is a time as people read it.
func brief(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
