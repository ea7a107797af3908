// Where the way leads: the URL as it was given, taken apart.

package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// target is a node.
type target struct {
	base    *url.URL // http or https; its path is the prefix of the node's
	host    string   // without port
	port    string
	secure  bool
	channel string // that the URL names, or ""
}

// parseTarget reads a URL. Its errors do not quote it: a URL may hold a password or a token.
func parseTarget(raw string) (*target, error) {
	unreadable := errors.New("the URL cannot be read; write it as https://rt.example.com or ws://127.0.0.1:8000/connect")
	u, err := url.Parse(raw)
	if err != nil {
		return nil, unreadable
	}
	t := &target{}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "http"
	case "https", "wss":
		u.Scheme, t.secure = "https", true
	default:
		return nil, fmt.Errorf("the URL has the scheme %.20q; begin it with http://, https://, ws:// or wss://", u.Scheme)
	}
	if u, err = url.Parse(u.String()); err != nil { // which is strict about hosts with http only
		return nil, unreadable
	}
	t.base = u
	switch {
	case u.Hostname() == "":
		return nil, errors.New("the URL names no host; write it as https://rt.example.com or ws://127.0.0.1:8000/connect")
	case u.User != nil:
		return nil, errors.New("the URL holds a user or password, which ends up in logs; leave it out")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the URL has a query or fragment; leave it out, and put a token into a file (--token-file)")
	}
	if err := t.splitPath(); err != nil {
		return nil, err
	}
	t.host, t.port = u.Hostname(), u.Port()
	if t.port == "" {
		t.port = map[bool]string{false: "80", true: "443"}[t.secure]
	}
	return t, nil
}

// splitPath leaves the prefix in base.
func (t *target) splitPath() error {
	path := strings.TrimSuffix(t.base.EscapedPath(), "/")
	path = strings.TrimSuffix(path, "/connect")
	prefix, name, named := strings.Cut(path, "/channels/")
	if named {
		var err error
		if t.channel, err = url.PathUnescape(name); err != nil || strings.Contains(name, "/") {
			return errors.New("the URL names no channel; write it as https://rt.example.com/channels/NAME, a slash within NAME as %2F")
		}
		path = prefix
	}
	path = strings.TrimSuffix(path, "/channels")
	t.base.RawPath = path
	t.base.Path, _ = url.PathUnescape(path) // it was escaped by net/url
	return nil
}

func (t *target) String() string { return t.base.String() }

// address is what is dialled.
func (t *target) address() string { return net.JoinHostPort(t.host, t.port) }

// origin is that of a page which the node itself serves, as a browser writes it.
func (t *target) origin() string { return t.base.Scheme + "://" + t.base.Host }

// local tells whether the way does not leave this machine.
func (t *target) local() bool {
	ip := net.ParseIP(t.host)
	return t.host == "localhost" || strings.HasSuffix(t.host, ".localhost") || ip != nil && ip.IsLoopback()
}

// at is the URL of a path of the node, its elements not yet escaped.
func (t *target) at(query url.Values, path ...string) *url.URL {
	escaped := make([]string, len(path))
	for i, element := range path {
		escaped[i] = url.PathEscape(element)
	}
	u := t.base.JoinPath(escaped...)
	u.RawQuery = query.Encode()
	return u
}

// checkOrigin refuses what no browser would send.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("the origin %.100q is none; write it as https://app.example.com, without a path", origin)
	}
	return nil
}
