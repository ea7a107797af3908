package tlsshim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// config is the two ends of a TLS connection that trust each other.
func config(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: "test"}
}

// connect returns a shim that has done its handshake, the connection beneath it, and the peer.
func connect(t *testing.T) (*Shim, net.Conn, *tls.Conn) {
	t.Helper()
	server, client := config(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(inner, server)
	defer l.Close()
	tcp, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer := tls.Client(tcp, client)
	t.Cleanup(func() { peer.Close() })
	var shaking sync.WaitGroup
	shaking.Go(func() {
		if err := peer.Handshake(); err != nil {
			t.Error(err)
		}
	})
	nc, err := l.Accept()
	shaking.Wait()
	if err != nil {
		t.Fatal(err)
	}
	s := Of(nc)
	if s == nil {
		t.Fatal("there is no shim beneath it")
	}
	beneath := s.Conn
	t.Cleanup(func() { beneath.Close() })
	return s, beneath, peer
}

// Bytes may come cut anywhere: what is not a whole record yet is no error that crypto/tls remembers.
func TestRecordsComeByteByByte(t *testing.T) {
	s, beneath, peer := connect(t)
	s.TakeOver()
	const text = "a message that is cut into its bytes"
	peer.Write([]byte(text))
	var got []byte
	one, p := make([]byte, 1), make([]byte, 100)
	for len(got) < len(text) {
		if _, err := beneath.Read(one); err != nil {
			t.Fatal(err)
		}
		s.Receive(one)
		n, err := s.Decrypt(p)
		if err != nil && err != Again {
			t.Fatal(err)
		}
		got = append(got, p[:n]...)
	}
	if string(got) != text {
		t.Errorf("got %q", got)
	}
	if _, err := s.Decrypt(p); err != Again || s.in != nil {
		t.Errorf("%v at the end, and %d bytes are held", err, len(s.in))
	}
}

func TestWhatIsEncryptedCanBeSentInPieces(t *testing.T) {
	s, beneath, peer := connect(t)
	s.TakeOver()
	text := strings.Repeat("0123456789", 3000)
	if err := s.Encrypt([]byte(text)); err != nil {
		t.Fatal(err)
	}
	s.CloseWrite()
	go func() {
		for len(s.Out()) > 0 {
			n, _ := beneath.Write(s.Out()[:min(700, len(s.Out()))])
			s.Sent(s.Out()[n:])
		}
	}()
	got, err := io.ReadAll(peer)
	if err != nil || string(got) != text {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// What was received before the bytes were given back goes before what is read from the connection.
func TestGivingBackLosesNothing(t *testing.T) {
	s, beneath, peer := connect(t)
	s.TakeOver()
	peer.Write([]byte("first "))
	p := make([]byte, 1000)
	n, err := beneath.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	s.Receive(p[:n])
	secure := s.GiveBack(beneath)
	peer.Write([]byte("second"))
	peer.CloseWrite()
	if got, err := io.ReadAll(secure); err != nil || string(got) != "first second" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestOthersTLSHasNoShim(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	if Of(a) != nil || Of(tls.Server(a, new(tls.Config))) != nil {
		t.Error("a shim that nobody has put there")
	}
}
