// The addresses of servers as text.

package redis

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Server is a Redis that keeps a part of the channels: one server, a cluster, or a master with its sentinels.
type Server struct {
	Kind               Kind
	Addresses          []string // host:port; of a cluster some of its nodes, of a master its sentinels
	Secure             bool     // over TLS
	User, Password     string
	DB                 int
	Master             string // the name that the sentinels know the master by
	SentinelUser       string
	SentinelPassword   string
	InsecureSkipVerify bool // take any certificate
}

// Kind is what a Server is.
type Kind uint8

// The kinds.
const (
	Single Kind = iota
	Cluster
	Sentinel
)

// Parse reads URLs that are separated by spaces:
//
//	redis://user:password@host:6379/2              one server; user, password, port and database may be left out
//	redis://host1:6379,host2:6379                  several that share the channels; the order does not matter
//	redis+cluster://user:password@host1,host2      a cluster, of which some nodes are named
//	redis+sentinel://user:password@s1,s2,s3/main   the master that the sentinels call main, and its replicas
//
// rediss://, rediss+cluster:// and rediss+sentinel:// are the same over TLS, and valkey may stand for redis. What may follow as a
// query: db (with sentinels), sentinel_user, sentinel_password, insecure=true for certificates of anybody. No error tells a password.
func Parse(text string) ([]Server, error) {
	var all []Server
	for field := range strings.FieldsSeq(text) {
		servers, err := parseURL(field)
		if err != nil {
			return nil, fmt.Errorf("redis: the address %s: %w", redacted(field), err)
		}
		all = append(all, servers...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("redis: no address is given; use one like redis://localhost:6379")
	}
	seen := make(map[string]bool)
	for _, s := range all {
		if seen[s.name()] {
			return nil, fmt.Errorf("redis: %s is given twice; name each server once", s.name())
		}
		seen[s.name()] = true
	}
	return all, nil
}

// name tells servers apart, on every node alike, and holds no password.
func (s *Server) name() string {
	return fmt.Sprint(strings.Join(s.Addresses, ","), "/", s.Master, "/", s.DB)
}

// parseURL takes the hosts out before it leaves the rest to net/url, which knows but one.
func parseURL(text string) ([]Server, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return nil, fmt.Errorf("it has no scheme; begin it with redis://")
	}
	s, err := ofScheme(scheme)
	if err != nil {
		return nil, err
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	login, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		login, hosts = authority[:i+1], authority[i+1:]
	}
	u, err := url.Parse("redis://" + login + "host" + path)
	if err != nil || u.Fragment != "" || cutsLogin(rest) { // the rest may be of the password
		return nil, fmt.Errorf("it cannot be read; escape what is special in user and password, like %%40 for @ and %%2F for /")
	}
	s.User = u.User.Username()
	s.Password, _ = u.User.Password()
	if err := s.setPath(strings.TrimPrefix(u.Path, "/")); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("its query cannot be read; escape what is special in it")
	}
	if err := s.setQuery(query); err != nil {
		return nil, err
	}
	return s.at(hosts)
}

func ofScheme(scheme string) (Server, error) {
	base, kind, _ := strings.Cut(scheme, "+")
	var s Server
	switch base {
	case "redis", "valkey":
	case "rediss", "valkeys":
		s.Secure = true
	default:
		return s, fmt.Errorf("there is no scheme %.20q; use redis or rediss", scheme)
	}
	switch kind {
	case "":
	case "cluster":
		s.Kind = Cluster
	case "sentinel":
		s.Kind = Sentinel
	default:
		return s, fmt.Errorf("there is no scheme %.20q; after + comes cluster or sentinel", scheme)
	}
	return s, nil
}

func (s *Server) setPath(path string) error {
	switch {
	case s.Kind == Sentinel && (path == "" || strings.Contains(path, "/")):
		return fmt.Errorf("it does not name the master; put the name that the sentinels know it by after the hosts, like /main")
	case s.Kind == Sentinel:
		s.Master = path
		return nil
	case path == "":
		return nil
	}
	return s.setDB(path)
}

func (s *Server) setDB(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return fmt.Errorf("there is no database %.20q; use a number", text)
	}
	if s.Kind == Cluster && n != 0 {
		return fmt.Errorf("a cluster has database 0 alone; leave it out")
	}
	s.DB = int(n)
	return nil
}

func (s *Server) setQuery(query url.Values) error {
	for name, values := range query {
		value := values[0]
		switch name {
		case "db":
			if err := s.setDB(value); err != nil {
				return err
			}
		case "sentinel_user":
			s.SentinelUser = value
		case "sentinel_password":
			s.SentinelPassword = value
		case "insecure":
			insecure, err := strconv.ParseBool(value)
			if err != nil {
				return fmt.Errorf("insecure is %.20q; use true or false", value)
			}
			s.InsecureSkipVerify = insecure
		default:
			return fmt.Errorf("there is no setting %.40q", name)
		}
	}
	return nil
}

// at completes the server with its addresses; plain servers become one each.
func (s Server) at(hosts string) ([]Server, error) {
	port := "6379"
	if s.Kind == Sentinel {
		port = "26379"
	}
	var addresses []string
	for host := range strings.SplitSeq(hosts, ",") {
		address, err := complete(host, port)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	if s.Kind != Single {
		s.Addresses = addresses
		return []Server{s}, nil
	}
	all := make([]Server, len(addresses))
	for i, address := range addresses {
		all[i] = s
		all[i].Addresses = []string{address}
	}
	return all, nil
}

// complete adds the port to a host that has none.
func complete(host, port string) (string, error) {
	if h, p, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(p, 10, 16); err != nil || h == "" {
			return "", fmt.Errorf("a host has no name or no port that can be; write host:port, and escape what is special in a password") // which it may be a part of
		}
		return host, nil
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if bare == "" || strings.Contains(bare, ":") && net.ParseIP(bare) == nil {
		return "", fmt.Errorf("a host cannot be read; write host:port, separated by commas")
	}
	return net.JoinHostPort(bare, port), nil
}

// cutsLogin tells whether what follows the scheme looks as if a password held something that ends it.
func cutsLogin(rest string) bool {
	path, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(path, "/")
	return strings.Contains(path, "@") || strings.Contains(query, "@") && !strings.Contains(authority, "@")
}

// redacted is the scheme and the hosts of an address, if it is beyond doubt that they are.
func redacted(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found || !only(scheme, "+") {
		return "given"
	}
	authority, _, _ := strings.Cut(rest, "?")
	authority, _, _ = strings.Cut(authority, "/")
	hosts := authority[strings.LastIndexByte(authority, '@')+1:]
	for host := range strings.SplitSeq(hosts, ",") {
		if _, err := complete(host, "1"); err != nil || cutsLogin(rest) {
			return fmt.Sprintf("%.20s://…", scheme)
		}
	}
	if hosts != authority {
		hosts = "…@" + hosts
	}
	return fmt.Sprintf("%.20s://%.100s", scheme, hosts)
}
