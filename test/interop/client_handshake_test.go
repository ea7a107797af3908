// The opening handshake of our client with a server of ws.

package interop

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/websocket"
)

func TestClientIsGivenASubprotocol(t *testing.T) {
	ws := node.Shared(t, "server.js")
	for _, c := range []struct {
		name    string
		offered []string
		theirs  string
		want    string
	}{
		{"none offered", nil, "chat", ""},
		{"the only one", []string{"chat"}, "chat", "chat"},
		{"one of two", []string{"v2", "v1"}, "v1", "v1"},
		{"none in common", []string{"mqtt"}, "chat", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := theirs(t, ws, listener{Behaviour: "listen", Protocol: c.theirs})
			conn, _ := dial(t, url, &websocket.DialOptions{Subprotocols: c.offered})
			if got := conn.Subprotocol(); got != c.want {
				t.Errorf("agreed on %q, want %q", got, c.want)
			}
		})
	}
}

func TestClientIsUnwelcome(t *testing.T) {
	ws := node.Shared(t, "server.js")
	url := theirs(t, ws, listener{Behaviour: "listen", Origin: "https://app.example"})
	from := func(origin string) *websocket.DialOptions {
		return &websocket.DialOptions{Header: http.Header{"Origin": {origin}}}
	}
	dial(t, url, from("https://app.example"))

	_, _, err := websocket.Dial(soon(t), url, from("https://evil.example"))
	refusal, ok := errors.AsType[*websocket.HandshakeError](err)
	if !ok || refusal.Status != http.StatusForbidden || !strings.Contains(refusal.Reason, "https://evil.example is not welcome") {
		t.Errorf("Dial: %v, want a 403 with the words of ws", err)
	}
}

func TestClientOverTLS(t *testing.T) {
	ws := node.Shared(t, "server.js")
	cert, key, authority := certificate(t)
	url := theirs(t, ws, listener{Behaviour: "echo", Options: deflate(nil), TLS: &pair{Cert: cert, Key: key}})
	secure := strings.Replace(url, "ws:", "wss:", 1)

	conn, _ := dial(t, secure, &websocket.DialOptions{
		TLSConfig:   &tls.Config{RootCAs: authority},
		Compression: websocket.Compression{Mode: websocket.CompressionTakeover, Threshold: 1},
	})
	hearBack(t, ws, conn, allSizes, someJSON)

	_, _, err := websocket.Dial(soon(t), secure, nil)
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("Dial without trust in the certificate: %v, want an unknown authority", err)
	}
}

// certificate is that of httptest, which is good for 127.0.0.1.
func certificate(t *testing.T) (cert, key string, authority *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	own := s.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	authority = x509.NewCertPool()
	authority.AddCert(s.Certificate())
	encode := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return encode("CERTIFICATE", own.Certificate[0]), encode("PRIVATE KEY", der), authority
}
