package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/doctor"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate for name, signed by a, or by itself if a is nil.
func (a *authority) issue(t *testing.T, name string, from, until time.Time, ca bool) (*authority, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: from, NotAfter: until, BasicConstraintsValid: true, IsCA: ca,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestWhatIsWrongWithTLSIsNamed(t *testing.T) {
	now, long := time.Now(), time.Now().Add(90*24*time.Hour)
	root, _ := (*authority)(nil).issue(t, "root", now.Add(-100*24*time.Hour), long, true)
	middle, _ := root.issue(t, "middle", now.Add(-time.Hour), long, true)
	_, good := root.issue(t, "localhost", now.Add(-time.Hour), long, false)
	_, expired := root.issue(t, "localhost", now.Add(-48*time.Hour), now.Add(-time.Hour), false)
	_, early := root.issue(t, "localhost", now.Add(time.Hour), long, false)
	_, ending := root.issue(t, "localhost", now.Add(-80*24*time.Hour), now.Add(24*time.Hour), false)
	_, foreign := root.issue(t, "rt.example.com", now.Add(-time.Hour), long, false)
	_, own := (*authority)(nil).issue(t, "localhost", now.Add(-time.Hour), long, false)
	_, short := middle.issue(t, "localhost", now.Add(-time.Hour), long, false)
	whole := short
	whole.Certificate = [][]byte{short.Certificate[0], middle.cert.Raw}
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)

	for _, c := range []struct {
		name       string
		cert       tls.Certificate
		change     func(*tls.Config)
		status     doctor.Status
		step       string
		said, cure string
	}{
		{"good", good, nil, doctor.OK, "certificate", "for localhost", ""},
		{"a whole chain", whole, nil, doctor.OK, "certificate", "issued by CN=middle", ""},
		{"expired", expired, nil, doctor.Failure, "certificate", "expired on", "renew"},
		{"not yet valid", early, nil, doctor.Failure, "certificate", "not valid before", "clock"},
		{"about to expire", ending, nil, doctor.Warning, "certificate", "expires on", "renewed"},
		{"for another name", foreign, nil, doctor.Failure, "certificate", "is for rt.example.com, not for localhost", "name"},
		{"signed by itself", own, nil, doctor.Failure, "certificate", "signed by itself", "authority"},
		{"without its chain", short, nil, doctor.Failure, "certificate", "issued by CN=middle, whose own certificate is not sent", "fullchain.pem"},
		{"HTTP/2 alone", good, func(c *tls.Config) {
			c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				if !slices.Contains(hello.SupportedProtos, "h2") {
					return nil, errors.New("h2 alone is spoken here")
				}
				return nil, nil
			}
		}, doctor.Failure, "tls", "no TLS for HTTP/1.1", "ALPN"},
		{"old", good, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }, doctor.Warning, "tls", "outdated", "TLS 1.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.Config.ErrorLog = quietLog
			s.TLS = &tls.Config{Certificates: []tls.Certificate{c.cert}, NextProtos: []string{"h2", "http/1.1"}}
			if c.change != nil {
				c.change(s.TLS)
			}
			s.StartTLS()
			defer s.Close()
			_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
			expect(t, examine(t, doctor.Options{URL: "https://localhost:" + port, Roots: roots}), c.status, c.step, c.said, c.cure)
		})
	}
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	expect(t, examine(t, doctor.Options{URL: "https" + strings.TrimPrefix(s.URL, "http")}), doctor.Failure, "tls", "no TLS", "speaks no TLS")
}

func TestATokenDoesNotGoToAServerThatDoesNotVerify(t *testing.T) {
	got := make(chan string, 100)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
	}))
	s.Config.ErrorLog = quietLog
	s.StartTLS() // with a certificate that nobody trusts
	defer s.Close()
	_, token := mint(t, time.Hour)
	r := examine(t, doctor.Options{URL: s.URL, Token: token})
	expect(t, r, doctor.Failure, "tls", "does not verify", "--insecure")
	if len(got) > 0 {
		t.Errorf("it was sent %q", <-got)
	}
	if r = examine(t, doctor.Options{URL: s.URL, Insecure: true}); len(got) == 0 {
		t.Errorf("with Insecure nothing was sent:\n%s", text(r))
	}
}
