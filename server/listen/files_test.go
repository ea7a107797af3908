package listen_test

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server/listen"
)

func inAnHour() time.Time { return time.Now().Add(time.Hour) }

// shown is the host of the certificate that the listener shows.
func shown(t *testing.T, ca *issuer, address string) string {
	t.Helper()
	config := ca.client("127.0.0.1")
	nc, err := tls.Dial("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	return nc.ConnectionState().PeerCertificates[0].DNSNames[0]
}

// becomes waits until handshakes show a certificate of this host.
func becomes(t *testing.T, ca *issuer, address, host string) {
	t.Helper()
	for deadline := time.Now().Add(patience); shown(t, ca, address) != host; {
		if time.Now().After(deadline) {
			t.Fatalf("shows %s, not %s", shown(t, ca, address), host)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestACertificateThatWasReplacedIsShownWithoutARestart(t *testing.T) {
	ca, dir, log := newIssuer(t), t.TempDir(), new(records)
	certificate, key := ca.files(dir, "first.example", inAnHour())
	all, err := listen.Open([]listen.Spec{{Address: "127.0.0.1:0", Certificate: certificate, Key: key}}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	l := all[0]
	defer l.Close()
	go greet(l, "hello")
	address := l.Addr().String()
	if got := shown(t, ca, address); got != "first.example" || !l.Secure() {
		t.Fatalf("shows %s", got)
	}

	ca.files(dir, "second.example", inAnHour())
	becomes(t, ca, address, "second.example")

	for name, breakIt := range map[string]func(){
		"nonsense": func() { write(t, certificate, []byte("nonsense")) },
		"no file":  func() { os.Remove(key) },
		"the key of another": func() {
			other, _ := ca.files(t.TempDir(), "x", inAnHour())
			copyFile(t, other, certificate)
		},
		"one that has expired": func() { ca.files(dir, "old.example", time.Now().Add(-time.Minute)) },
	} {
		ca.files(dir, "good.example", inAnHour())
		becomes(t, ca, address, "good.example")
		before := log.count("cannot be used")
		breakIt()
		for deadline := time.Now().Add(patience); log.count("cannot be used") == before; time.Sleep(20 * time.Millisecond) {
			if got := shown(t, ca, address); got != "good.example" {
				t.Fatalf("%s: shows %s", name, got)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: not logged", name)
			}
		}
		if got := shown(t, ca, address); got != "good.example" {
			t.Errorf("%s: shows %s", name, got)
		}
	}
	ca.files(dir, "last.example", inAnHour())
	becomes(t, ca, address, "last.example")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, content)
}

func TestReloadReadsAtOnce(t *testing.T) {
	ca, dir := newIssuer(t), t.TempDir()
	certificate, key := ca.files(dir, "first.example", inAnHour())
	files, err := listen.OpenFiles(certificate, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	host := func() string {
		pair, err := files.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.DNSNames[0]
	}
	host()
	ca.files(dir, "second.example", inAnHour())
	if err := files.Reload(); err != nil || host() != "second.example" {
		t.Errorf("%v, shows %s", err, host())
	}
	write(t, key, []byte("nonsense"))
	if err := files.Reload(); err == nil || host() != "second.example" {
		t.Errorf("%v, shows %s", err, host())
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				files.GetCertificate(nil)
				files.Reload()
			}
		})
	}
	all.Wait()
}
