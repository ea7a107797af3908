// The syntax of Forwarded (RFC 7239), read strictly.

package proxy

import (
	"net/netip"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// longest is how many proxies are followed at most.
const longest = 64

// cutLast cuts off the last element of a field. It looks from the end, for only there has somebody written who is trusted: quotes
// that a client has left open would swallow all that proxies have added behind them.
func cutLast(field string) (rest, element string) {
	quoted := false
	for i := len(field) - 1; i >= 0; i-- {
		switch c := field[i]; {
		case c == '"' && !(quoted && escaped(field, i)):
			quoted = !quoted
		case c == ',' && !quoted:
			return field[:i], field[i+1:]
		}
	}
	return "", field
}

// escaped reports whether an odd number of backslashes stands before s[i].
func escaped(s string, i int) bool {
	before := strings.TrimRight(s[:i], `\`)
	return (i-len(before))%2 == 1
}

// splitPairs splits an element at its semicolons, those in quotes excepted, where a backslash escapes (RFC 9110, section 5.6.4).
func splitPairs(element string) (pairs []string, ok bool) {
	begin, quoted := 0, false
	for i := 0; i < len(element); i++ {
		switch c := element[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && c == ';':
			pairs = append(pairs, element[begin:i])
			begin = i + 1
		}
	}
	return append(pairs, element[begin:]), !quoted
}

// parseElement reads what one proxy has written: pairs, each at most once (section 4).
func parseElement(element string) (h hop, ok bool) {
	pairs, ok := splitPairs(element)
	if !ok {
		return hop{}, false
	}
	seen := 0 // bits, of the four parameters that the RFC knows
	for _, pair := range pairs {
		name, value, ok := parsePair(strings.Trim(pair, " \t"))
		if !ok {
			return hop{}, false
		}
		bit := 0
		switch name {
		case "for":
			bit = 1
			h.address, ok = parseNode(value)
		case "proto":
			bit = 2
			h.scheme, ok = strings.ToLower(value), isHTTP(value)
		case "host":
			bit = 4
			h.host, ok = value, validHost(value)
		case "by":
			bit = 8
		}
		if !ok || seen&bit != 0 {
			return hop{}, false
		}
		seen |= bit
	}
	return h, seen&1 != 0 // without "for" it is not known who comes next
}

// parsePair reads name=value, where value is a token or quoted.
func parsePair(pair string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(pair, "=")
	if !ok || !isToken(name) {
		return "", "", false
	}
	if strings.HasPrefix(value, `"`) {
		value, ok = unquote(value)
		return strings.ToLower(name), value, ok
	}
	return strings.ToLower(name), value, isToken(value)
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !httpguts.IsTokenRune(rune(s[i])) {
			return false
		}
	}
	return s != ""
}

// unquote reads a quoted string, all of s.
func unquote(s string) (value string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), i == len(s)-1
		case c == '\\':
			if i++; i == len(s) {
				return "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// parseNode reads a node (section 6), or what stands in X-Forwarded-For: an address, perhaps with a port, in brackets if it is IPv6
// (without, some proxies write it in X-Forwarded-For). "unknown" and "_hidden" are nodes without an address.
func parseNode(s string) (a netip.Addr, ok bool) {
	if s == "unknown" || strings.HasPrefix(s, "_") && len(s) > 1 && isToken(s) {
		return netip.Addr{}, true
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		host, port, bracketed := s, "", strings.HasPrefix(s, "[")
		if bracketed {
			host, port, ok = strings.Cut(s[1:], "]")
			if !ok || port != "" && port[0] != ':' {
				return netip.Addr{}, false
			}
			port = strings.TrimPrefix(port, ":")
		} else if host, port, ok = strings.Cut(s, ":"); !ok || port == "" {
			return netip.Addr{}, false
		}
		if a, err = netip.ParseAddr(host); err != nil || a.Is6() != bracketed || !validPort(port) {
			return netip.Addr{}, false
		}
	}
	if a.Zone() != "" || a.IsUnspecified() {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// validPort takes a number, an obfuscated port (section 6.3), or none.
func validPort(s string) bool {
	if strings.HasPrefix(s, "_") {
		return isToken(s)
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) <= 5
}

// validHost takes what may stand in a Host header (RFC 9110, section 7.2).
func validHost(s string) bool {
	return s != "" && len(s) <= 255+6 && httpguts.ValidHostHeader(s) && !strings.ContainsAny(s, "/@?#\\, \t")
}
