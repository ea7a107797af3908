package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// certify writes a certificate for a name, signed by itself, and returns who trusts it.
func certify(t *testing.T, name string, files config.TLS) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, content := range map[string][]byte{files.Cert: certificate, files.Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	return &tls.Config{RootCAs: roots, ServerName: name}
}

func filesIn(dir string) config.TLS {
	return config.TLS{Cert: filepath.Join(dir, "site.crt"), Key: filepath.Join(dir, "site.key")}
}

func TestATLSNodeSpeaksHTTP2BesideWebSocketAndEventStream(t *testing.T) {
	files := filesIn(t.TempDir())
	trust := certify(t, "chat.example", files)
	node := start(t, changed(func(c *config.Config) { c.Dev, c.Listen.TLS = true, files }))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	base := "://" + node.Addr().String() + "/channels/chat"
	do := func(client *http.Client, method, accept, body string) *http.Response {
		r, err := http.NewRequestWithContext(ctx, method, "https"+base, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		return response
	}
	one, two := &http.Transport{TLSClientConfig: trust.Clone()}, &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}
	t.Cleanup(one.CloseIdleConnections)
	t.Cleanup(two.CloseIdleConnections)

	socket, _, err := websocket.Dial(ctx, "wss"+base, &websocket.DialOptions{TLSConfig: trust})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.CloseNow() })
	if err := socket.Write(ctx, websocket.Text, []byte("here")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := socket.Read(ctx); err != nil || string(got) != "here" { // now it is in the channel
		t.Fatalf("%q, %v", got, err)
	}
	stream := do(&http.Client{Transport: one}, "GET", "text/event-stream", "")
	if stream.Proto != "HTTP/1.1" || stream.StatusCode != http.StatusOK {
		t.Fatalf("the event stream: %s %s", stream.Proto, stream.Status)
	}
	if published := do(&http.Client{Transport: two}, "POST", "*/*", "hello"); published.Proto != "HTTP/2.0" || published.StatusCode/100 != 2 {
		t.Fatalf("published: %s %s", published.Proto, published.Status)
	}
	if _, got, err := socket.Read(ctx); err != nil || string(got) != "hello" {
		t.Errorf("over WebSocket: %q, %v", got, err)
	}
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "data:") {
	}
	if !strings.Contains(lines.Text(), "hello") {
		t.Errorf("over the event stream: %q, %v", lines.Text(), lines.Err())
	}
}

func TestReloadReadsCertificatesAgain(t *testing.T) {
	files := filesIn(t.TempDir())
	certify(t, "old.example", files)
	node := start(t, changed(func(c *config.Config) { c.Listen.TLS = files }))
	trust := certify(t, "new.example", files)
	if _, err := node.Reload(node.Config()); err != nil {
		t.Fatal(err)
	}
	nc, err := tls.Dial("tcp", node.Addr().String(), trust)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

func TestANodeListensInSeveralPlaces(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first.sock"), filepath.Join(dir, "second.sock")
	var log bytes.Buffer
	c := changed(func(c *config.Config) {
		c.Dev = true
		c.Listen.More = []config.Listener{{Address: "unix:" + first}, {Address: "unix:" + second, ProxyProtocol: true}}
		c.Listen.TrustedProxies = []string{"unix"}
	})
	t.Run("node", func(t *testing.T) {
		start(t, c, slog.New(slog.NewTextHandler(&log, nil)))
		for path, header := range map[string]string{first: "", second: "PROXY TCP4 203.0.113.7 203.0.113.8 1 2\r\n"} {
			nc, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { nc.Close() })
			nc.SetDeadline(time.Now().Add(20 * time.Second))
			fmt.Fprintf(nc, "%sGET /channels/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", header)
			answer, err := io.ReadAll(nc)
			if !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
				t.Errorf("%s answers %q, %v", path, answer, err)
			}
		}
	})
	if all := regexp.MustCompile(`listening as well`).FindAllString(log.String(), -1); len(all) != 2 {
		t.Errorf("the log does not tell where:\n%s", &log)
	}
}
