// The front of a node: its listeners, whom they let in, and who clients are behind proxies.

package server

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/ringdown/ringdown/hub"
	"github.com/ringdown/ringdown/limit"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/server/listen"
	"github.com/ringdown/ringdown/server/proxy"
)

// front is what stands between the network and the gateways. It does not change.
type front struct {
	listeners []*listen.Listener // the first is that of listen.address
	trusted   *proxy.Trusted
	limiter   *limit.Limiter // nil if nothing is limited
	files     *files
}

// openFront opens the listeners. The errors are sentences that say what to change.
func openFront(c *config.Config, log *slog.Logger) (*front, error) {
	f := &front{files: newFiles(openFiles(), log)}
	var err error
	if f.trusted, err = proxy.Parse(c.Listen.TrustedProxies...); err != nil {
		return nil, fmt.Errorf("listen.trusted_proxies: %w", err)
	}
	f.trusted.Forwarded = c.Listen.Forwarded
	sessions, _ := affordable(c.Limits.Connections, openFiles())
	if f.limiter, err = newLimiter(c, sessions, log); err != nil {
		return nil, err
	}
	first := config.Listener{Address: c.Listen.Address, TLS: c.Listen.TLS.Cert != "" || len(c.Listen.ACME.Domains) > 0, ProxyProtocol: c.Listen.ProxyProtocol}
	for i, each := range append([]config.Listener{first}, c.Listen.More...) {
		key := "--listen (listen.address)"
		if i > 0 {
			key = fmt.Sprintf("listen.more[%d].address", i-1)
		}
		l, err := f.open(c, each, key, log)
		if err != nil {
			f.close()
			return nil, err
		}
		f.listeners = append(f.listeners, l)
	}
	return f, nil
}

// open opens one listener; key is what says where.
func (f *front) open(c *config.Config, each config.Listener, key string, log *slog.Logger) (*listen.Listener, error) {
	spec := listen.Spec{Address: each.Address, Wrap: func(inner net.Listener) net.Listener { return f.wrap(inner, c, each.ProxyProtocol, log) }}
	if each.TLS && len(c.Listen.ACME.Domains) > 0 {
		a := &c.Listen.ACME
		spec.ACME = &listen.ACME{Hosts: a.Domains, Cache: a.Cache, Email: a.Email}
	} else if each.TLS {
		spec.Certificate, spec.Key = c.Listen.TLS.Cert, c.Listen.TLS.Key
	}
	if !strings.HasPrefix(each.Address, "unix:") {
		address, err := net.ResolveTCPAddr("tcp", each.Address)
		if err != nil {
			return nil, fmt.Errorf("cannot listen on %q: %w; write it as host:port, for instance 127.0.0.1:8000", each.Address, err)
		}
		if c.Dev && !address.IP.IsLoopback() { // a name may mean any machine, so the check of the configuration is not enough
			return nil, fmt.Errorf("dev mode lets anybody publish, so it listens on loopback only, and %q is open to others; "+
				"give %s 127.0.0.1:%d, or leave out --dev", each.Address, key, address.Port)
		}
		spec.Address = address.String() // that and no other: the name might mean another machine when it is asked for again
	}
	open, err := listen.Open([]listen.Spec{spec}, log)
	if err != nil {
		return nil, cure(err, spec.Address, key)
	}
	return open[0], nil
}

// cure says of the usual reasons why a TCP address cannot be listened on what to do about them.
func cure(err error, address, key string) error {
	host, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		other, _ := strconv.Atoi(port)
		if other++; other > math.MaxUint16 {
			other -= 2
		}
		return fmt.Errorf("port %s is taken by another program; stop it, or choose another port with %s, for instance %s",
			port, key, net.JoinHostPort(host, strconv.Itoa(other)))
	case errors.Is(err, syscall.EACCES) && port != "":
		return fmt.Errorf("port %s needs privileges that this program does not have; choose a port above 1023 with %s, or give it CAP_NET_BIND_SERVICE",
			port, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("cannot listen on %s: %w; choose an address of this machine with %s", address, syscall.EADDRNOTAVAIL, key)
	}
	return err
}

// wrap has a listener heed the limit on open files, the PROXY protocol and the limits. Proxies, and who is on this machine, are not counted as connections:
// their clients are, as sessions.
func (f *front) wrap(inner net.Listener, c *config.Config, proxied bool, log *slog.Logger) net.Listener {
	inner = f.files.listener(inner)
	if proxied {
		inner = f.trusted.Listener(inner, proxy.Options{Timeout: c.Limits.HandshakeTimeout, Log: log})
	}
	if f.limiter == nil {
		return inner
	}
	return f.limiter.Listener(inner, func(a netip.Addr) bool {
		return !a.IsValid() || a.Unmap().IsLoopback() || f.trusted.Contains(a)
	})
}

// bounded has the rates of new sessions asked before a gateway finds out who a client is: whoever is turned away by his token or by the
// backend has taken more from the node than a session would.
func (f *front) bounded(identify func(*http.Request) (hub.Identity, error)) func(*http.Request) (hub.Identity, error) {
	if f.limiter == nil {
		return identify
	}
	return func(r *http.Request) (hub.Identity, error) {
		if err := f.limiter.Knock(proxy.From(r).Address); err != nil {
			return hub.Identity{}, err
		}
		return identify(r)
	}
}

// guards are those of the hub that the front has.
func (f *front) guards() []hub.Guard {
	if f.limiter == nil {
		return nil
	}
	return []hub.Guard{f.limiter}
}

// handler tells next who clients are, and answers an ACME authority.
func (f *front) handler(next http.Handler) http.Handler {
	next = f.trusted.Handler(next)
	if i := slices.IndexFunc(f.listeners, func(l *listen.Listener) bool { return l.Spec().ACME != nil }); i >= 0 {
		next = f.listeners[i].Challenges(next)
	}
	return next
}

// serve serves on all listeners, until server is shut down or closed, or until one of them fails.
func (f *front) serve(server *http.Server) error {
	ended := make(chan error, len(f.listeners))
	for _, l := range f.listeners {
		go func() {
			err := server.Serve(l)
			if errors.Is(err, http.ErrServerClosed) {
				err = nil
			} else if err != nil {
				err = fmt.Errorf("serving on %s: %w", l.Addr(), err)
			}
			ended <- err
		}()
	}
	for range f.listeners {
		if err := <-ended; err != nil {
			return err
		}
	}
	return nil
}

// reload reads the certificates again. One that cannot be used leaves the old in place.
func (f *front) reload(log *slog.Logger) {
	for _, l := range f.listeners {
		if l.Files() == nil {
			continue
		}
		if err := l.Files().Reload(); err != nil {
			log.Error("the certificate cannot be used; the old one stays", "cause", err)
		}
	}
}

func (f *front) close() {
	for _, l := range f.listeners {
		l.Close()
	}
}

// bases are where clients on this machine find the listeners: http://host:port, https://host:port, or unix:/path.
func (f *front) bases() []string {
	var all []string
	for _, l := range f.listeners {
		scheme := "http://"
		if l.Secure() {
			scheme = "https://"
		}
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			all = append(all, scheme+visible(tcp))
		} else {
			all = append(all, "unix:"+l.Addr().String())
		}
	}
	return all
}
