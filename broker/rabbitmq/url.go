// The addresses of servers as text.

package rabbitmq

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Server is a node of RabbitMQ.
type Server struct {
	Address            string // host:port
	Secure             bool   // over TLS
	User, Password     string
	VHost              string
	InsecureSkipVerify bool // take any certificate
}

// Parse reads URLs that are separated by spaces or commas:
//
//	amqp://user:password@host:5672/vhost    user, password, port and virtual host may be left out: guest, guest, 5672, "/"
//	amqps://host1/vhost?insecure=true       over TLS, port 5671; insecure=true takes any certificate
//
// What is special in a part is escaped: "@" is %40, "/" is %2F. No error tells a password.
func Parse(text string) ([]Server, error) {
	var all []Server
	for field := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' }) {
		s, err := parseURL(field)
		if err != nil {
			return nil, fmt.Errorf("rabbitmq: address %d: %w", len(all)+1, err)
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("rabbitmq: no address is given; use one like amqp://localhost:5672")
	}
	return all, nil
}

var errUnescaped = errors.New("it is not a URL; escape what is special in user and password, like %40 for @ and %2F for /")

func parseURL(text string) (Server, error) {
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case !found:
		return Server{}, errors.New("it has no scheme; begin it with amqp://")
	case scheme != "amqp" && scheme != "amqps":
		return Server{}, fmt.Errorf("there is no scheme %.20q; use amqp or amqps", scheme)
	case strings.LastIndexByte(rest, '@') > strings.IndexAny(rest+"/", "/?#"): // what follows may be of the password
		return Server{}, errUnescaped
	}
	u, err := url.Parse(text)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // without the text, which may hold a password
		}
		if strings.Contains(err.Error(), "userinfo") || strings.Contains(err.Error(), "port") || strings.Contains(err.Error(), "escape") {
			err = errUnescaped
		}
		return Server{}, err
	}
	s := Server{User: "guest", Password: "guest", VHost: "/"}
	port := "5672"
	if scheme == "amqps" {
		s.Secure, port = true, "5671"
	}
	if u.Hostname() == "" {
		return Server{}, errors.New("it has no host; write it like amqp://localhost:5672")
	}
	if u.Port() != "" {
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
			return Server{}, errors.New("its port is no port; use a number up to 65535")
		}
		port = u.Port()
	}
	s.Address = net.JoinHostPort(u.Hostname(), port)
	if u.User != nil {
		s.User = u.User.Username()
		s.Password, _ = u.User.Password()
	}
	if vhost := strings.TrimPrefix(u.EscapedPath(), "/"); vhost != "" {
		if strings.Contains(vhost, "/") {
			return Server{}, errors.New("its virtual host has a slash; write it %2F")
		}
		if s.VHost, err = url.PathUnescape(vhost); err != nil {
			return Server{}, fmt.Errorf("its virtual host: %w", err)
		}
	}
	return s, s.query(u)
}

func (s *Server) query(u *url.URL) error {
	if u.Fragment != "" {
		return errors.New("it has a fragment; write # as %23")
	}
	for name, values := range u.Query() {
		if name != "insecure" || !s.Secure {
			return fmt.Errorf("the parameter %.30q is not known; insecure=true is, with amqps", name)
		}
		on, err := strconv.ParseBool(values[0])
		if err != nil {
			return fmt.Errorf("insecure=%.10q is neither true nor false", values[0])
		}
		s.InsecureSkipVerify = on
	}
	return nil
}
