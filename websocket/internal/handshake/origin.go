package handshake

// Which web pages may connect (RFC 6455 §4.2.2 item 2 and §10.2, RFC 6454). A browser sends its visitor's cookies along
// with a WebSocket handshake whatever page asked for it, and Origin is all that tells the server which page that was.

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

const fieldOrigin = "Origin"

// allowedOrigins says where a server is told whom to let in, for those who run one: their own or ours.
const allowedOrigins = "the origins that the server allows (AcceptOptions.Origins, --origin of ringdown serve)"

// Origins is a compiled origin policy. The zero value allows a server's own origin and clients that send none.
type Origins struct {
	exact    map[origin]struct{}
	patterns []pattern
	null     bool // the opaque origin, "null", is listed
}

// origin is a page's origin in normal form: lower case, IPv6 addresses in their shortest form and in brackets. A port of
// zero means that none was given and that the scheme has no default.
type origin struct {
	scheme string
	host   string
	port   uint16
}

// pattern stands for many origins.
type pattern struct {
	scheme     string // "" for any
	host       string // with a leading dot: every name below it, at any depth, but not itself
	port       uint16 // 0 for the default of the origin's scheme
	subdomains bool
	anyPort    bool
}

// ParseOrigins compiles a list of entries, each in one of these forms:
//
//	https://a.example          this origin, with the scheme's default port
//	https://a.example:8443     this origin
//	a.example, a.example:8080  this host at its scheme's default port, or at this port, under any scheme
//	*.example.com              every name below example.com, at any depth, but not example.com itself
//	localhost:*                this host at any port
//	null                       pages without an origin: local files, sandboxed frames
//
// "*." and ":*" go with a scheme as well. Schemes other than http and https name applications
// ("chrome-extension://id", "file://"). Entries are compared without regard to case. A bare "*" is refused: allowing
// every page is AnyOrigin's business.
func ParseOrigins(list []string) (Origins, error) {
	o := Origins{}
	for i, entry := range list {
		if err := o.add(entry); err != nil {
			return Origins{}, fmt.Errorf("entry %d of Origins, %s: %w", i+1, quote(entry), err)
		}
	}
	return o, nil
}

func (o *Origins) add(entry string) error {
	if entry == "null" {
		o.null = true
		return nil
	}
	p, err := parsePattern(entry)
	if err != nil {
		return err
	}
	if p.scheme == "" || p.subdomains || p.anyPort {
		o.patterns = append(o.patterns, p)
		return nil
	}
	if o.exact == nil {
		o.exact = make(map[origin]struct{})
	}
	o.exact[origin{p.scheme, p.host, p.port}] = struct{}{}
	return nil
}

// Check returns nil when the page that sent r may connect: r has no Origin (then no browser sent it), or its origin is
// the server's own, the same in scheme, host and port, or it is listed.
//
// The server's own origin is r.Host under https if r came over TLS and under http if not. X-Forwarded-Proto is not
// believed, since anyone can send it; behind a proxy that ends TLS the public origin has to be listed.
func (o Origins) Check(r *http.Request) *Refusal { return o.CheckAt(r, r.TLS != nil) }

// CheckAt is Check for a server that knows better whether the client came over TLS, because it trusts the proxy in front.
func (o Origins) CheckAt(r *http.Request, secure bool) *Refusal {
	lines := r.Header[fieldOrigin]
	switch {
	case len(lines) == 0:
		return nil
	case len(lines) > 1:
		return refuse(http.StatusForbidden, "Origin is sent %d times; send one", len(lines))
	case lines[0] == "null":
		return o.checkNull()
	}
	page, err := parseOrigin(lines[0])
	if err != nil {
		return refuse(http.StatusForbidden, "Origin is %s: %v", quote(lines[0]), err)
	}
	own, ownErr := requestOrigin(r, secure)
	if ownErr == nil && page == own || o.lists(page) {
		return nil
	}
	return refuseOrigin(lines[0], page, own)
}

func (o Origins) checkNull() *Refusal {
	if o.null {
		return nil
	}
	return refuse(http.StatusForbidden, `origin "null" is not allowed; it stands for local files and sandboxed frames; `+
		`list "null" among `+allowedOrigins+` to let all of them in`)
}

func (o Origins) lists(page origin) bool {
	if _, ok := o.exact[page]; ok {
		return true
	}
	for _, p := range o.patterns {
		if p.matches(page) {
			return true
		}
	}
	return false
}

func (p pattern) matches(page origin) bool {
	if p.scheme != "" && p.scheme != page.scheme {
		return false
	}
	switch {
	case p.anyPort:
	case p.port == 0 && page.port != defaultPort(page.scheme):
		return false
	case p.port != 0 && page.port != p.port:
		return false
	}
	if p.subdomains {
		return len(page.host) > len(p.host) && strings.HasSuffix(page.host, p.host)
	}
	return page.host == p.host
}

// refuseOrigin words the refusal for whoever runs the server. It does not name the server's own origin: behind a proxy
// that may be a name the outside should not learn.
func refuseOrigin(text string, page, own origin) *Refusal {
	quoted := quote(text)
	if page.host == own.host && page.scheme == "https" && own.scheme == "http" {
		return refuse(http.StatusForbidden, "origin %s is not allowed: the request came over http, perhaps through a proxy "+
			"that ends TLS; list it among "+allowedOrigins, quoted)
	}
	return refuse(http.StatusForbidden, "origin %s is not allowed; list it among "+allowedOrigins, quoted)
}

// requestOrigin is the origin of pages that the server serves itself where r reached it.
func requestOrigin(r *http.Request, secure bool) (own origin, err error) {
	own.scheme = "http"
	if secure {
		own.scheme = "https"
	}
	var port string
	if own.host, port, err = splitAuthority(r.Host); err != nil {
		return own, err
	}
	own.port, err = parsePort(port, own.scheme)
	return own, err
}

// parseOrigin reads an origin as browsers write it (RFC 6454 §6.2). Several origins in one field, which that RFC allows
// and no browser sends, are refused with all else that is not one scheme, host and port.
func parseOrigin(s string) (o origin, err error) {
	scheme, authority, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) {
		return o, errors.New("an origin is written scheme://host or scheme://host:port")
	}
	o.scheme = strings.ToLower(scheme)
	if authority == "" && !isWeb(o.scheme) {
		return o, nil // "file://", as some application shells send it
	}
	var port string
	if o.host, port, err = splitAuthority(authority); err != nil {
		return o, err
	}
	o.port, err = parsePort(port, o.scheme)
	return o, err
}

// parsePattern reads an entry of the list, also one that stands for a single origin.
func parsePattern(s string) (p pattern, err error) {
	scheme, rest, hasScheme := strings.Cut(s, "://")
	if !hasScheme {
		scheme, rest = "", s
	} else if err := checkListedScheme(scheme); err != nil {
		return p, err
	}
	p.scheme = strings.ToLower(scheme)
	rest, p.anyPort = strings.CutSuffix(rest, ":*")
	if rest == "*" || strings.HasPrefix(rest, "*:") {
		return p, errors.New(`"*" would allow every web page to connect in its visitor's name; if that is meant, set AnyOrigin`)
	}
	rest, p.subdomains = strings.CutPrefix(rest, "*.")
	if rest == "" && hasScheme && !isWeb(p.scheme) && !p.subdomains && !p.anyPort {
		return p, nil // "file://"
	}
	var port string
	if p.host, port, err = splitAuthority(rest); err != nil {
		return p, err
	}
	if p.anyPort && port != "" {
		return p, fmt.Errorf("there is a port before %q; keep one of the two", ":*")
	}
	if p.port, err = parsePort(port, p.scheme); err != nil {
		return p, err
	}
	if p.subdomains {
		if p.host[0] == '[' || p.host[0] == '.' {
			return p, fmt.Errorf(`%q goes before a domain name, as in "*.example.com"`, "*.")
		}
		p.host = "." + p.host
	}
	return p, nil
}

func checkListedScheme(scheme string) error {
	switch {
	case !isScheme(scheme):
		return fmt.Errorf("%s is not a scheme; write https://host, or leave out the scheme to allow any", quote(scheme))
	case equalFold(scheme, "ws"), equalFold(scheme, "wss"):
		return errors.New("an origin is the page's, not the WebSocket's; write http:// or https://")
	}
	return nil
}

// splitAuthority parts "host", "host:port", "[v6]" and "[v6]:port", and brings the host into normal form. A colon calls
// for a port behind it.
func splitAuthority(s string) (host, port string, err error) {
	if strings.HasPrefix(s, "[") {
		host, port, err = splitBracketed(s)
	} else {
		var colon bool
		host, port, colon = strings.Cut(s, ":")
		switch {
		case colon && port == "":
			return "", "", errors.New("the port is missing behind the colon")
		case strings.Contains(port, ":"):
			return "", "", errors.New("an IPv6 address is written in brackets")
		}
		err = checkHostName(host)
	}
	return strings.ToLower(host), port, err
}

func splitBracketed(s string) (host, port string, err error) {
	text, rest, ok := strings.Cut(s[1:], "]")
	addr, err := netip.ParseAddr(text)
	if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", "", fmt.Errorf("%s is not an IPv6 address in brackets", quote(s))
	}
	port, colon := strings.CutPrefix(rest, ":")
	if rest != "" && (!colon || port == "") {
		return "", "", fmt.Errorf("%s stands behind the address where a port was expected", quote(rest))
	}
	return "[" + addr.String() + "]", port, nil
}

func checkHostName(host string) error {
	if host == "" {
		return errors.New("the host is missing")
	}
	for i := range len(host) {
		switch c := host[i]; {
		case isAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~':
		case c == '/':
			return errors.New("an origin ends with its host or port; leave out the slash and what follows")
		case c == '@':
			return errors.New("an origin has no user name; leave out the @ and what comes before")
		case c == '*':
			return errors.New(`"*" stands for whole labels at the start ("*.example.com") or for the port ("localhost:*")`)
		case c >= 0x80:
			return errors.New("write an international domain name in its ASCII form, as browsers send it (xn--...)")
		default:
			return fmt.Errorf("%s does not belong in a host name", quote(host[i:i+1]))
		}
	}
	return nil
}

// parsePort reads a port; an empty one is the default of scheme, 0 if it has none.
func parsePort(s, scheme string) (uint16, error) {
	if s == "" {
		return defaultPort(scheme), nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%s is not a port; ports are 1 to 65535", quote(s))
	}
	return uint16(n), nil
}

func defaultPort(scheme string) uint16 {
	switch scheme {
	case "http":
		return 80
	case "https":
		return 443
	}
	return 0
}

// isScheme is the grammar of RFC 3986 §3.1.
func isScheme(s string) bool {
	if s == "" || !isAlpha(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isWeb(scheme string) bool {
	return scheme == "http" || scheme == "https"
}
