// What a node can be told, and what it refuses to be told.

package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/ringdown/ringdown/auth"
)

// DefaultListen is where a node listens unless it is told otherwise: reachable from this machine only.
const DefaultListen = "127.0.0.1:8000"

// DefaultMaxConnections is how many clients may be connected at once unless it is told otherwise: at less than a
// kilobyte each, a size that a small machine can hold.
const DefaultMaxConnections = 100_000

// Config is everything that decides how a node behaves. The zero value is a safe node: reachable from this machine only,
// read-only, closed to pages of other origins.
type Config struct {
	// Listen is the TCP address, host:port. Empty means DefaultListen; an empty host means every address of the machine.
	Listen string
	// Dev lets anybody publish. It is refused unless Listen is a loopback address, and a node in dev mode answers only
	// requests that name it as localhost or by an IP address.
	Dev bool
	// Origins are the web origins beside the node's own whose pages may connect: "https://app.example.com", or
	// "*.example.com" for every subdomain over any scheme and port.
	Origins []string
	// MaxMessage is the longest message taken from a client, in bytes; 0 means 64 KiB.
	MaxMessage int64
	// MaxConnections is how many clients may be connected at once; 0 means DefaultMaxConnections. Where the system allows
	// fewer open files than that takes, it is as many as it allows.
	MaxConnections int
	// Auth says which tokens are good. Without keys none is, and everybody is anonymous.
	Auth auth.Options
	// Tokens says where a request may carry one.
	Tokens auth.Sources
	// RequireToken refuses whoever brings none.
	RequireToken bool
	// Log is where the node writes what it does; nil means slog.Default.
	Log *slog.Logger
}

// check refuses a configuration that is contradictory or unsafe, with a sentence that says what to change.
func (c *Config) check() error {
	if c.MaxMessage < 0 {
		return fmt.Errorf("max-message is %d; give it a positive number of bytes", c.MaxMessage)
	}
	if c.MaxConnections < 0 {
		return fmt.Errorf("max-connections is %d; give it a positive number", c.MaxConnections)
	}
	if c.RequireToken && len(c.Auth.Keys) == 0 {
		return errors.New("a token is required of everybody, but there is no key to check one with; give the node a key")
	}
	for _, origin := range c.Origins {
		if err := checkOrigin(origin); err != nil {
			return err
		}
	}
	return nil
}

// address resolves Listen, and refuses an address that is open to others in dev mode.
func (c *Config) address() (*net.TCPAddr, error) {
	address, err := net.ResolveTCPAddr("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w; write it as host:port, for instance %s", c.Listen, err, DefaultListen)
	}
	if c.Dev && !address.IP.IsLoopback() {
		return nil, fmt.Errorf("dev mode lets anybody publish, so it listens on loopback only, and %q is open to others; "+
			"use --listen 127.0.0.1:%d, or leave out --dev", c.Listen, address.Port)
	}
	return address, nil
}

// checkOrigin refuses what could never equal the Origin header of a browser.
func checkOrigin(origin string) error {
	if origin == "*" {
		return errors.New(`origin "*" would let every web page act for its visitors; list the origins of your own pages`)
	}
	if pattern, ok := strings.CutPrefix(origin, "*."); ok {
		if pattern == "" || strings.ContainsAny(pattern, "*/: ") {
			return fmt.Errorf(`origin %q is not a host pattern; write it as "*.example.com"`, origin)
		}
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return fmt.Errorf(`origin %q is not an origin; write it as "https://app.example.com" or "*.example.com"`, origin)
	}
	if exact := u.Scheme + "://" + u.Host; exact != origin {
		return fmt.Errorf("origin %q is more than an origin; write it as %q", origin, exact)
	}
	return nil
}

// local tells whether a Host header names this machine in a way that no foreign page can bring about: localhost, or an
// IP address. A name may be one that an attacker lets point to 127.0.0.1 ("DNS rebinding"), which would make his page
// same-origin with ours.
func local(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
