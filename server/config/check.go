// What makes no sense: values out of bounds, and keys that contradict each other.

package config

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	trust "github.com/ringdown/ringdown/server/proxy"
)

// Check refuses what is out of bounds, contradictory or unsafe. The error is an [Errors]. What [Load] returns has been checked.
func (c *Config) Check() error { return c.problems().orNil() }

// checker gathers what is wrong.
type checker struct {
	*Config
	found Errors
}

// say notes what is wrong with a key.
func (c *checker) say(key, format string, args ...any) {
	c.found = append(c.found, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

func (c *Config) problems() Errors {
	check := &checker{Config: c}
	check.bounds(root().values(), reflect.ValueOf(c).Elem(), "")
	check.listen()
	check.tls()
	check.origins()
	check.limits()
	check.rules()
	check.auth()
	check.backend()
	check.socketIO()
	check.api()
	check.console()
	check.tracing()
	check.drain()
	check.broker()
	return check.found
}

// bounds checks each value by itself.
func (c *checker) bounds(fields []*field, v reflect.Value, prefix string) {
	for _, f := range fields {
		key, value := prefix+f.path, f.in(v)
		if f.list() {
			for i := range value.Len() {
				c.bounds(f.elementValues(), value.Index(i), fmt.Sprintf("%s[%d].", key, i))
			}
		}
		if f.need && value.IsZero() {
			c.say(key, "is missing; give it, for instance, %s", f.sample())
			continue
		}
		switch value.Kind() {
		case reflect.Int, reflect.Int64:
			c.number(f, key, value)
		case reflect.Float64:
			if n := value.Float(); !(n >= 0 && n <= 1) {
				c.say(key, "is %v; give it a share from 0 to 1, as 0.05", n)
			}
		case reflect.String:
			c.choice(f, key, value.String())
		case reflect.Slice:
			if texts, ok := value.Interface().([]string); ok {
				for i, text := range texts {
					c.choice(f, fmt.Sprintf("%s[%d]", key, i), text)
				}
			}
		}
	}
}

func (c *checker) number(f *field, key string, v reflect.Value) {
	what := map[string]string{"size": "number of bytes", "duration": "duration"}[f.kind()]
	if what == "" {
		what = "number"
	}
	switch n := v.Int(); {
	case n < 0 || n == 0 && !f.zero:
		c.say(key, "is %s; give it a positive %s", f.show(v), what)
	case n < f.min:
		c.say(key, "is %s; give it %s or more", f.show(v), f.show(reflect.ValueOf(f.min).Convert(f.typ)))
	}
}

func (c *checker) choice(f *field, key, text string) {
	if len(f.oneOf) == 0 || slices.Contains(f.oneOf, text) {
		return
	}
	hint := ""
	if n := nearest(text, f.oneOf); n != "" {
		hint = fmt.Sprintf("; did you mean %s?", n)
	}
	c.say(key, "is %.40q, and takes one of %s%s", text, strings.Join(f.oneOf, ", "), hint)
}

// sample is a value to show to who left one out.
func (f *field) sample() string {
	switch {
	case f.example != "":
		return strconv.Quote(f.example)
	case len(f.oneOf) > 0:
		return f.oneOf[0]
	}
	return "a " + f.kind()
}

// listen checks the addresses.
func (c *checker) listen() {
	taken := make(map[string]string)
	check := func(key, address string) {
		if problem := addressProblem(address); problem != "" {
			c.say(key, "is %q: %s; write it as host:port, for instance 127.0.0.1:8000, or as unix:/run/ringdown.sock", address, problem)
			return
		}
		for other, at := range taken {
			if overlap(address, other) {
				c.say(key, "is %q, where %s listens already; choose another port", address, at)
				break
			}
		}
		taken[address] = key
		if c.Dev && !loopback(address) {
			_, port, _ := net.SplitHostPort(address)
			flag := key + " "
			if key == "listen.address" {
				flag = "--listen "
			}
			c.say(key, "is %q, which is open to others, and dev mode lets anybody publish, so it listens on loopback only; "+
				"use %s127.0.0.1:%s, or leave out --dev", address, flag, port)
		}
	}
	check("listen.address", c.Listen.Address)
	for i, more := range c.Listen.More {
		key := fmt.Sprintf("listen.more[%d]", i)
		if more.Address != "" { // otherwise it is missed already
			check(key+".address", more.Address)
		}
		if more.TLS && c.Listen.TLS.Cert == "" && len(c.Listen.ACME.Domains) == 0 {
			c.say(key+".tls", "is true, and there is no certificate; set listen.tls.cert and listen.tls.key, or listen.acme.domains")
		}
		if more.ProxyProtocol && len(c.Listen.TrustedProxies) == 0 {
			c.say(key+".proxy_protocol", "is true, and no proxy is trusted; list the proxies in listen.trusted_proxies")
		}
	}
	if c.Listen.Private != "" {
		check("listen.private", c.Listen.Private)
	}
	if c.Listen.ProxyProtocol && len(c.Listen.TrustedProxies) == 0 {
		c.say("listen.proxy_protocol", "is true, and no proxy is trusted, so nobody could connect; list the proxies in listen.trusted_proxies")
	}
	for i, proxy := range c.Listen.TrustedProxies {
		key := fmt.Sprintf("listen.trusted_proxies[%d]", i)
		if proxy == "unix" {
			continue
		}
		prefix, err := netip.ParsePrefix(proxy)
		if _, notAddress := netip.ParseAddr(proxy); err != nil && notAddress != nil {
			c.say(key, "is %q; write it as an address, 10.0.0.1, or a network, 10.0.0.0/8, or as unix", proxy)
		} else if err == nil && prefix.Bits() == 0 {
			c.say(key, "is %q, and everybody could say that he is somebody else; list the networks of your proxies", proxy)
		} else if err == nil && prefix != prefix.Masked() {
			c.say(key, "is %q, which has bits beyond its mask; did you mean %s?", proxy, prefix.Masked())
		} else if _, err := trust.Parse(proxy); err != nil {
			c.say(key, "cannot be: %v", err)
		}
	}
}

// addressProblem says what is wrong with an address to listen on, or "".
func addressProblem(address string) string {
	if file, ok := strings.CutPrefix(address, "unix:"); ok {
		if !path.IsAbs(file) {
			return "the path of a socket file begins with /"
		}
		return ""
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "it is not host and port"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return "its port is no number from 0 to 65535"
	}
	if host != "" && strings.ContainsAny(host, " /@") {
		return "its host is none"
	}
	return ""
}

// overlap tells whether nobody can listen on both addresses: a host that is every address of the machine takes the port of each.
func overlap(a, b string) bool {
	if strings.HasPrefix(a, "unix:") || strings.HasPrefix(b, "unix:") {
		return a == b
	}
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	if portA != portB || portA == "0" {
		return false
	}
	ipA, notA := netip.ParseAddr(hostA)
	ipB, notB := netip.ParseAddr(hostB)
	every := func(host string, ip netip.Addr, other netip.Addr) bool {
		return host == "" || ip == netip.IPv6Unspecified() || ip == netip.IPv4Unspecified() && !(other.IsValid() && other.Unmap().Is6())
	}
	same := strings.EqualFold(hostA, hostB) || notA == nil && notB == nil && ipA.Unmap() == ipB.Unmap()
	return same || every(hostA, ipA, ipB) || every(hostB, ipB, ipA)
}

// loopback tells whether only this machine can reach an address. A name other than localhost may be any machine's.
func loopback(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func (c *checker) tls() {
	t, a := c.Listen.TLS, c.Listen.ACME
	switch {
	case t.Cert != "" && t.Key == "":
		c.say("listen.tls.key", "is missing, and listen.tls.cert is given; name the file with its private key, or leave out both")
	case t.Cert == "" && t.Key != "":
		c.say("listen.tls.cert", "is missing, and listen.tls.key is given; name the file with its certificate, or leave out both")
	case t.Cert != "" && len(a.Domains) > 0:
		c.say("listen.acme.domains", "are given, and so is listen.tls.cert; leave out one of the two")
	}
	if len(a.Domains) > 0 && a.Cache == "" {
		c.say("listen.acme.cache", "is missing, and each restart would ask for new certificates until the authority refuses; name a directory")
	}
	if len(a.Domains) == 0 && (a.Cache != "" || a.Email != "") {
		c.say("listen.acme.domains", "are missing; list the names to ask certificates for, or leave out listen.acme")
	}
	if len(a.Domains) > 0 && c.Dev {
		c.say("listen.acme.domains", "are given, and dev mode can be reached from this machine only; leave out one of the two")
	}
	for i, domain := range a.Domains {
		if domain == "" || net.ParseIP(domain) != nil || strings.ContainsAny(domain, "*/: ") || !strings.Contains(domain, ".") {
			c.say(fmt.Sprintf("listen.acme.domains[%d]", i), `is %q; write it as a whole name, "rt.example.com", without wildcards; addresses get no certificate`, domain)
		}
	}
}
