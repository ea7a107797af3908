//go:build linux

// NATS: one server with JetStream, and one that speaks TLS to users it knows.

package servers

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// NATS is one nats-server with JetStream.
type NATS struct {
	*Process
	Addr  string // host and port
	store string // the folder of JetStream
}

// StartNATS starts a server, whose program comes with the package nats-server. config is more of its configuration, which ready must be
// able to connect with.
func StartNATS(t testing.TB, config string, ready ...nats.Option) *NATS {
	t.Helper()
	path, port, dir := program(t, "nats-server", "nats-server"), freePort(t), t.TempDir()
	n := &NATS{Addr: "127.0.0.1:" + port, store: filepath.Join(dir, "jetstream")}
	file, log := filepath.Join(dir, "nats.conf"), filepath.Join(dir, "log")
	text := fmt.Sprintf("listen: %q\nlog_file: %q\njetstream { store_dir: %q }\n%s\n", n.Addr, log, n.store, config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.Process = &Process{t: t, name: "nats-server", log: log, command: func() *exec.Cmd { return exec.Command(path, "-c", file) },
		ready: func() error { return n.ping(ready) }}
	t.Cleanup(n.Kill)
	n.Start()
	return n
}

// URL is the address for broker/nats, without user.
func (n *NATS) URL() string { return "nats://" + n.Addr }

// ping connects and asks whether JetStream runs.
func (n *NATS) ping(options []nats.Option) error {
	c, err := nats.Connect(n.Addr, append([]nats.Option{nats.Timeout(10 * time.Second)}, options...)...)
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.Request("$JS.API.INFO", nil, 10*time.Second)
	if err == nil && strings.Contains(string(answer.Data), `"error"`) {
		err = fmt.Errorf("JetStream answers %s", answer.Data)
	}
	return err
}

// Forget deletes what the server has stored. It must have been killed before.
func (n *NATS) Forget() {
	n.t.Helper()
	if err := os.RemoveAll(n.store); err != nil {
		n.t.Fatal(err)
	}
}

// SecureNATS is a server that speaks TLS only, to one user only.
type SecureNATS struct {
	*NATS
	CA             *x509.CertPool
	CAFile         string
	User, Password string // of a user with the permissions that it was started with
}

// StartSecureNATS starts a server with TLS and one user with these permissions, written as the value of permissions in nats.conf.
func StartSecureNATS(t testing.TB, permissions string) *SecureNATS {
	t.Helper()
	files := newCertificate(t)
	s := &SecureNATS{CA: files.pool, CAFile: files.cert, User: "ringdown", Password: "p@ss/word"}
	s.NATS = StartNATS(t, fmt.Sprintf(`
tls { cert_file: %q, key_file: %q }
authorization { users: [
  { user: %q, password: %q, permissions: %s }
  { user: "admin", password: "admin" }
] }`, files.cert, files.key, s.User, s.Password, permissions),
		nats.Secure(&tls.Config{RootCAs: files.pool}), nats.UserInfo("admin", "admin"))
	return s
}
