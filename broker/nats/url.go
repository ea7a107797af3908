// The addresses of servers as text.

package nats

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// Server is a NATS server, or a cluster of which some servers are named.
type Server struct {
	Addresses          []string // host:port
	Secure             bool     // over TLS
	User, Password     string
	Token              string
	NKeyFile           string // the file of an nkey's seed
	CredentialsFile    string // a .creds file: a user's JWT and seed
	InsecureSkipVerify bool   // take any certificate
}

const defaultPort = "4222"

// Parse reads a URL:
//
//	nats://host                               one server; the port is 4222 unless another is written
//	nats://user:password@host1,host2:4223     some servers of a cluster, with a user
//	nats://token@host                         with a token
//	tls://host?creds=/path/to/user.creds      over TLS, with a file of credentials; or nkey=/path/to/seed
//
// insecure=true in the query takes certificates of anybody. No error tells a password, a token or a query.
func Parse(text string) (Server, error) {
	s, err := parseURL(text)
	if err != nil {
		return Server{}, fmt.Errorf("nats: the address %s: %w", redacted(text), err)
	}
	return s, nil
}

// parseURL takes the hosts out before it leaves the rest to net/url, which knows but one.
func parseURL(text string) (s Server, err error) {
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case !found:
		return s, fmt.Errorf("it has no scheme; begin it with nats://")
	case scheme == "tls":
		s.Secure = true
	case scheme != "nats":
		return s, fmt.Errorf("there is no scheme %.20q; use nats or tls", scheme)
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	login, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		login, hosts = authority[:i+1], authority[i+1:]
	}
	u, err := url.Parse("nats://" + login + "host" + path)
	if err != nil || u.Fragment != "" || cutsLogin(rest) { // the rest may be of the password
		return s, fmt.Errorf("it cannot be read; escape what is special in user and password, like %%40 for @ and %%2F for /")
	}
	if u.Path != "" && u.Path != "/" {
		return s, fmt.Errorf("there is something after the hosts; settings follow a question mark")
	}
	s.setLogin(u.User)
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return s, fmt.Errorf("its query cannot be read; escape what is special in it")
	}
	if err := s.setQuery(query); err != nil {
		return s, err
	}
	for host := range strings.SplitSeq(hosts, ",") {
		address, err := complete(host)
		if err != nil {
			return s, err
		}
		s.Addresses = append(s.Addresses, address)
	}
	return s, nil
}

// setLogin takes a name without a password for a token, as NATS does.
func (s *Server) setLogin(login *url.Userinfo) {
	password, given := login.Password()
	if given {
		s.User, s.Password = login.Username(), password
	} else {
		s.Token = login.Username()
	}
}

func (s *Server) setQuery(query url.Values) error {
	for name, values := range query {
		value := values[0]
		switch name {
		case "creds":
			s.CredentialsFile = value
		case "nkey":
			s.NKeyFile = value
		case "insecure":
			insecure, err := strconv.ParseBool(value)
			if err != nil {
				return fmt.Errorf("insecure is %.20q; use true or false", value)
			}
			s.InsecureSkipVerify = insecure
		default:
			return fmt.Errorf("there is no setting %.40q; use creds, nkey or insecure", name)
		}
	}
	return nil
}

// complete adds the port to a host that has none.
func complete(host string) (string, error) {
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
	return net.JoinHostPort(bare, defaultPort), nil
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
	if !found || !plain(scheme) {
		return "given"
	}
	authority, _, _ := strings.Cut(rest, "?")
	authority, _, _ = strings.Cut(authority, "/")
	hosts := authority[strings.LastIndexByte(authority, '@')+1:]
	for host := range strings.SplitSeq(hosts, ",") {
		if _, err := complete(host); err != nil || cutsLogin(rest) {
			return fmt.Sprintf("%.20s://…", scheme)
		}
	}
	if hosts != authority {
		hosts = "…@" + hosts
	}
	return fmt.Sprintf("%.20s://%.100s", scheme, hosts)
}

// name is what logs and errors call the server.
func (s *Server) name() string {
	if len(s.Addresses) == 0 {
		return "the server in this process"
	}
	return strings.Join(s.Addresses, ",")
}

// urls are the addresses as the client library takes them.
func (s *Server) urls() string {
	scheme := "nats://"
	if s.Secure {
		scheme = "tls://"
	}
	all := make([]string, len(s.Addresses))
	for i, address := range s.Addresses {
		all[i] = scheme + address
	}
	return strings.Join(all, ",")
}

// login is how the client library says who we are.
func (s *Server) login(given *tls.Config) ([]nats.Option, error) {
	var all []nats.Option
	if s.Secure {
		c := &tls.Config{MinVersion: tls.VersionTLS12}
		if given != nil {
			c = given.Clone()
		}
		c.InsecureSkipVerify = c.InsecureSkipVerify || s.InsecureSkipVerify
		all = append(all, nats.Secure(c))
	}
	if s.User != "" || s.Password != "" {
		all = append(all, nats.UserInfo(s.User, s.Password))
	}
	if s.Token != "" {
		all = append(all, nats.Token(s.Token))
	}
	if s.CredentialsFile != "" {
		all = append(all, nats.UserCredentials(s.CredentialsFile))
	}
	if s.NKeyFile != "" {
		o, err := nats.NkeyOptionFromSeed(s.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("nats: the seed of the nkey in %q cannot be read: %w", s.NKeyFile, err)
		}
		all = append(all, o)
	}
	return all, nil
}
