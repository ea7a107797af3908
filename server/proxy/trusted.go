// Whom to believe.

package proxy

import (
	"fmt"
	"net"
	"net/netip"
)

// Trusted are the proxies that are believed. The zero value, and nil, believe nobody.
type Trusted struct {
	// Forwarded says that the proxies write Forwarded (RFC 7239), and X-Forwarded-For, -Proto and -Host otherwise. The other is
	// ignored: proxies pass on as it is what they do not write themselves, and so a client could write it.
	Forwarded bool

	networks []netip.Prefix
	unix     bool // whoever may open our Unix socket
}

// Parse reads a list of trusted proxies: networks ("10.0.0.0/8"), addresses ("192.0.2.1"), and "unix" for whoever connects over a
// Unix socket. The error says which item is none of these.
func Parse(list ...string) (*Trusted, error) {
	t := new(Trusted)
	for _, item := range list {
		if item == "unix" {
			t.unix = true
			continue
		}
		network, err := netip.ParsePrefix(item)
		if address, plain := netip.ParseAddr(item); plain == nil && address.Zone() == "" {
			address = address.Unmap()
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf(`trusted proxy %q is no network; write it as "10.0.0.0/8", "192.0.2.1" or "unix"`, item)
		}
		if network.Masked() != network {
			return nil, fmt.Errorf("trusted proxy %q has bits beyond its mask; did you mean %s?", item, network.Masked())
		}
		if network.Addr().Is4In6() {
			return nil, fmt.Errorf("trusted proxy %q is an IPv4 network in IPv6 notation; write it as IPv4", item)
		}
		t.networks = append(t.networks, network)
	}
	return t, nil
}

// Contains reports whether a trusted proxy has this address.
func (t *Trusted) Contains(a netip.Addr) bool {
	if t == nil || !a.IsValid() {
		return false
	}
	a = a.Unmap().WithZone("")
	for _, network := range t.networks {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// trusts reports whether the peer of a connection is trusted.
func (t *Trusted) trusts(peer net.Addr) bool {
	switch peer := peer.(type) {
	case *net.TCPAddr:
		return t.Contains(peer.AddrPort().Addr())
	case *net.UnixAddr:
		return t != nil && t.unix
	}
	return false
}
