// Certificates from an ACME authority (RFC 8555), as Let's Encrypt is.

package listen

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACME is where certificates come from. Using it accepts the authority's terms of service.
type ACME struct {
	Hosts     []string // the names to get certificates for; nobody else's requests make us ask for one
	Cache     string   // the directory in which certificates and keys are kept, made if it is not there; for the owner alone
	Email     string   // whom the authority tells of problems; may be ""
	Directory string   // the authority's URL; "" means Let's Encrypt

	Client *http.Client // for talking to the authority; nil means http.DefaultClient
}

// authority is an open ACME.
type authority struct{ *autocert.Manager }

// open checks what is said, and makes the cache.
func (a *ACME) open() (*authority, error) {
	if len(a.Hosts) == 0 {
		return nil, errors.New("ACME needs hosts: the names to get certificates for")
	}
	for _, host := range a.Hosts {
		if net.ParseIP(host) != nil || !strings.Contains(host, ".") || strings.ContainsAny(host, "*/: ") {
			return nil, fmt.Errorf("ACME gives no certificate for %q here; name hosts as in chat.example.com, without wildcards", host)
		}
	}
	if a.Cache == "" {
		return nil, errors.New("ACME needs a cache directory: without one each restart would ask for new certificates, and authorities allow few")
	}
	if err := os.MkdirAll(a.Cache, 0o700); err != nil {
		return nil, fmt.Errorf("ACME's cache: %w", err)
	}
	return &authority{&autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(a.Cache),
		HostPolicy: autocert.HostWhitelist(a.Hosts...),
		Email:      a.Email,
		Client:     &acme.Client{DirectoryURL: cmp.Or(a.Directory, autocert.DefaultACMEDirectory), HTTPClient: a.Client, UserAgent: "ringdown"},
	}}, nil
}
