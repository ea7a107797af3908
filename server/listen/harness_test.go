// What the tests stand on: an authority for certificates, and log records.

package listen_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server/listen"
)

const patience = 20 * time.Second

// issuer signs certificates.
type issuer struct {
	t     testing.TB
	key   *ecdsa.PrivateKey
	root  *x509.Certificate
	roots *x509.CertPool
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	ca := &issuer{t: t, key: newKey(t), roots: x509.NewCertPool()}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ca.key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	ca.root, _ = x509.ParseCertificate(der)
	ca.roots.AddCert(ca.root)
	return ca
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a certificate for 127.0.0.1 and the host, in PEM.
func (ca *issuer) sign(host string, key crypto.PublicKey, notAfter time.Time) []byte {
	ca.t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: notAfter,
		DNSNames: []string{host}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.root, key, ca.key)
	if err != nil {
		ca.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// file is the issuer's own certificate, in PEM.
func (ca *issuer) file() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.root.Raw})
}

// files writes a pair for host into dir and returns the names.
func (ca *issuer) files(dir, host string, notAfter time.Time) (certificate, key string) {
	ca.t.Helper()
	k := newKey(ca.t)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		ca.t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "site.crt"), filepath.Join(dir, "site.key")
	write(ca.t, certificate, ca.sign(host, k.Public(), notAfter))
	write(ca.t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return certificate, key
}

// write replaces a file as tools do, by another of the same name.
func write(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// client is a TLS configuration that trusts the issuer.
func (ca *issuer) client(host string) *tls.Config {
	return &tls.Config{RootCAs: ca.roots, ServerName: host, CurvePreferences: []tls.CurveID{tls.CurveP256}}
}

// records is what was logged.
type records struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *records) count(words string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Count(r.buf.Bytes(), []byte(words))
}

func open(t testing.TB, specs ...listen.Spec) []*listen.Listener {
	t.Helper()
	all, err := listen.Open(specs, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		t.Cleanup(func() { l.Close() })
	}
	return all
}

// greet has l say a word to whoever comes, until it is closed.
func greet(l net.Listener, word string) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		io.WriteString(nc, word)
		nc.Close()
	}
}

// greeted is what the listener at an address says.
func greeted(t testing.TB, network, address string) string {
	t.Helper()
	nc, err := net.DialTimeout(network, address, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	word, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	return string(word)
}
