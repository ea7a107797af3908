// Package listen opens listeners from their description: TCP or Unix sockets, or such as systemd has opened; with TLS from files that
// may be replaced while the server runs, or from an ACME authority.
//
//	listeners, err := listen.Open([]listen.Spec{
//		{Address: ":443", Certificate: "site.crt", Key: "site.key"},
//		{Address: "unix:/run/ringdown/http.sock"},
//	}, nil)
//	if err != nil {
//		return err
//	}
//	for _, l := range listeners {
//		go server.Serve(l)
//	}
//
// Connections of all of them can ride an event loop, over TLS, too. Over TLS clients choose between HTTP/2 and HTTP/1.1 on the same
// port: browsers open their WebSockets over HTTP/1.1, which the loop takes over, and have everything else over HTTP/2. Give the
// http.Server no TLSConfig, and call Serve, not ServeTLS.
package listen

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/ringdown/ringdown/websocket/loop"
)

// DefaultMode is that of Unix sockets: for the owner and the group.
const DefaultMode fs.FileMode = 0o660

// Spec describes a listener.
type Spec struct {
	// Address is host:port, "unix:/path/of.sock", or "systemd" or "systemd:NAME" for a socket that systemd has opened (systemd.socket(5)).
	Address string
	Mode    fs.FileMode // of a Unix socket; 0 means DefaultMode

	// Certificate and Key are PEM files: the chain, and its key. They are read again within a second of their change.
	Certificate, Key string
	// ACME gets certificates from an authority, in place of files.
	ACME *ACME

	// Wrap, if it is not nil, stands between the socket and TLS: the PROXY protocol, limits of connections.
	Wrap func(net.Listener) net.Listener
}

// Listener is an open listener.
type Listener struct {
	net.Listener
	spec      Spec
	files     *Files
	authority *authority
}

// Secure reports whether it is TLS.
func (l *Listener) Secure() bool { return l.files != nil || l.authority != nil }

// Spec is what it was opened from.
func (l *Listener) Spec() Spec { return l.spec }

// Files are the certificate's, or nil.
func (l *Listener) Files() *Files { return l.files }

// Challenges answers the challenges of an ACME authority over plain HTTP, for a listener on port 80, and leaves other requests to next;
// where there is no authority, all. Without it, and always first, the authority asks over TLS on port 443.
func (l *Listener) Challenges(next http.Handler) http.Handler {
	if l.authority == nil {
		return next
	}
	return l.authority.HTTPHandler(next)
}

// Open opens all listeners, or none. The error is a sentence that says what to change. log is told of certificates; nil means
// slog.Default.
func Open(specs []Spec, log *slog.Logger) ([]*Listener, error) {
	var open []*Listener
	for _, spec := range specs {
		l, err := openOne(spec, cmp.Or(log, slog.Default()))
		if err != nil {
			for _, l := range open {
				l.Close()
			}
			return nil, err
		}
		open = append(open, l)
	}
	return open, nil
}

// openOne prepares TLS first, so that no socket is open that cannot be served.
func openOne(spec Spec, log *slog.Logger) (*Listener, error) {
	l := &Listener{spec: spec}
	config, err := l.secure(log)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", spec.Address, err)
	}
	if l.Listener, err = openSocket(&spec); err != nil {
		return nil, err
	}
	if spec.Wrap != nil {
		l.Listener = spec.Wrap(l.Listener)
	}
	if config != nil {
		l.Listener = loop.NewTLSListener(l.Listener, config)
	}
	return l, nil
}

// secure is the listener's TLS, or nil for none.
func (l *Listener) secure(log *slog.Logger) (*tls.Config, error) {
	spec := &l.spec
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	var err error
	switch {
	case spec.ACME != nil && (spec.Certificate != "" || spec.Key != ""):
		return nil, errors.New("certificates come from files or from an ACME authority, not from both; leave one out")
	case spec.ACME != nil:
		if l.authority, err = spec.ACME.open(); err != nil {
			return nil, err
		}
		config.GetCertificate = l.authority.GetCertificate
		config.NextProtos = append(config.NextProtos, "acme-tls/1")
	case spec.Certificate != "" && spec.Key != "":
		if l.files, err = OpenFiles(spec.Certificate, spec.Key, log); err != nil {
			return nil, err
		}
		config.GetCertificate = l.files.GetCertificate
	case spec.Certificate != "" || spec.Key != "":
		return nil, errors.New("TLS needs both a certificate and its key; name both files, or none")
	default:
		return nil, nil
	}
	return config, nil
}

func openSocket(spec *Spec) (net.Listener, error) {
	if path, ok := strings.CutPrefix(spec.Address, "unix:"); ok {
		return openUnix(path, cmp.Or(spec.Mode, DefaultMode))
	}
	if name, ok := strings.CutPrefix(spec.Address, "systemd"); ok && (name == "" || name[0] == ':') {
		return inherit(strings.TrimPrefix(name, ":"))
	}
	l, err := net.Listen("tcp", spec.Address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is taken by another program; stop it, or choose another port (%w)", spec.Address, syscall.EADDRINUSE)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s needs privileges that this program does not have; choose a port above 1023, or give it CAP_NET_BIND_SERVICE (%w)", spec.Address, syscall.EACCES)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %q: %w; write it as host:port, or as unix:/path", spec.Address, err)
	}
	return l, nil
}

// openUnix opens a Unix socket, in place of one that a program which was killed has left.
func openUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if info, err := os.Stat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("%s exists and is no socket; remove it, or choose another path", path)
		}
		if nc, err := net.DialTimeout("unix", path, time.Second); err == nil {
			nc.Close()
			return nil, fmt.Errorf("another program listens on %s; stop it, or choose another path", path)
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("cannot tell whether somebody listens on %s: %w", path, err)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("removing a socket that nobody listens on: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; its directory must exist, and be this program's to write", path, err)
	}
	if err := os.Chmod(path, mode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
