//go:build unix

// The harness: a node, and a proxy in front of it.

package proxies

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
)

// patience bounds what takes milliseconds on a machine that is not busy.
const patience = 20 * time.Second

// site is a node behind a proxy.
type site struct {
	url   string // of the proxy, https
	plain string // the same, http
	roots *x509.CertPool
	logs  string // the folder in which the proxy writes its logs
}

// change is a replacement in a file of deploy/. What is replaced must be there.
type change struct{ old, new string }

// kind is a proxy program.
type kind struct {
	name string
	pack string // of Debian
	file string // in deploy/
	// set makes the file fit the test.
	set func(s *setting) []change
	// command starts the program in the foreground.
	command func(path, config, folder string) *exec.Cmd
}

// setting is where things are in a test.
type setting struct {
	folder, cert, key, both string // certificate and key, also in one file
	port, plain, node       string // ports of the proxy, with and without TLS, and the address of the node
}

var kinds = []kind{
	{
		"nginx", "nginx-light", "nginx.conf",
		func(s *setting) []change {
			temporary := ""
			for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				temporary += fmt.Sprintf("    %s_temp_path %s/%s;\n", name, s.folder, name)
			}
			return []change{
				{"http {\n", "http {\n" + temporary},
				{"worker_processes auto;", "worker_processes 1;"},
				{"worker_rlimit_nofile 262144;", ""},
				{"worker_connections 100000;", "worker_connections 256;"},
				{"/run/nginx.pid", s.folder + "/pid"},
				{"/var/log/nginx/error.log warn", s.folder + "/error.log warn"},
				{"/var/log/nginx/error.log emerg", s.folder + "/error.log emerg"},
				{"/var/log/nginx/access.log", s.folder + "/access.log"},
				{"/etc/nginx/tls/fullchain.pem", s.cert},
				{"/etc/nginx/tls/privkey.pem", s.key},
				{"listen 443", "listen 127.0.0.1:" + s.port},
				{"listen 80;", "listen 127.0.0.1:" + s.plain + ";"},
				{"127.0.0.1:8000", s.node},
			}
		},
		func(path, config, folder string) *exec.Cmd {
			return exec.Command(path, "-p", folder, "-c", config, "-e", filepath.Join(folder, "error.log"), "-g", "daemon off;")
		},
	},
	{
		"haproxy", "haproxy", "haproxy.cfg",
		func(s *setting) []change {
			return []change{
				{"maxconn 100000", "maxconn 256"},
				{"log /dev/log local0", "log stdout format raw local0"},
				{"bind :80\n", "bind 127.0.0.1:" + s.plain + "\n"},
				{"bind :443", "bind 127.0.0.1:" + s.port},
				{"/etc/haproxy/tls/rt.example.com.pem", s.both},
				{"server node1 127.0.0.1:8000\n", "server node1 " + s.node + "\n"},
			}
		},
		func(path, config, _ string) *exec.Cmd { return exec.Command(path, "-f", config) },
	},
	{
		"caddy", "caddy", "Caddyfile",
		func(s *setting) []change {
			return []change{
				{"\n{\n", "\n{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n\tservers {\n\t\tprotocols h1 h2\n\t}\n"},
				{"rt.example.com}", "https://127.0.0.1:" + s.port + "}"},
				{"127.0.0.1:8000", s.node},
				{"reverse_proxy {", fmt.Sprintf("tls %s %s\n\treverse_proxy {", s.cert, s.key)},
			}
		},
		func(path, config, folder string) *exec.Cmd {
			c := exec.Command(path, "run", "--adapter", "caddyfile", "--config", config)
			c.Env = append(os.Environ(), "HOME="+folder, "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
			return c
		},
	},
}

// behind starts a node and a proxy in front of it, with its file of deploy/ and the changes given.
func (k *kind) behind(t *testing.T, changes ...change) *site {
	t.Helper()
	path, set := k.prepare(t)
	set.node = startNode(t, "https://127.0.0.1:"+set.port).Addr().String()
	return k.inFront(t, path, set, changes...)
}

// inFront starts a proxy in front of set.node.
func (k *kind) inFront(t *testing.T, path string, set *setting, changes ...change) *site {
	t.Helper()
	s := &site{url: "https://127.0.0.1:" + set.port, plain: "http://127.0.0.1:" + set.plain, roots: x509.NewCertPool(), logs: set.folder}
	set.certify(t, s.roots)
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", k.file))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range append(changes, k.set(set)...) {
		if !bytes.Contains(text, []byte(c.old)) {
			t.Fatalf("deploy/%s lacks %q, which the test replaces", k.file, c.old)
		}
		text = bytes.Replace(text, []byte(c.old), []byte(c.new), 1)
	}
	config := filepath.Join(set.folder, k.file)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	k.start(t, k.command(path, config, set.folder), filepath.Join(set.folder, "output.log"), "127.0.0.1:"+set.port)
	return s
}

// prepare finds the program, and a place for it.
func (k *kind) prepare(t *testing.T) (path string, set *setting) {
	t.Helper()
	path, err := find(k.name)
	if err != nil {
		t.Fatalf("%v: install it (apt-get install %s, or .ci/test-deps)", err, k.pack)
	}
	return path, &setting{folder: t.TempDir(), port: freePort(t), plain: freePort(t)}
}

// find looks for a program also where Debian keeps those for administrators.
func find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

// start runs a proxy for as long as the test, and returns when it listens on address. What it writes is in the file output.
func (k *kind) start(t *testing.T, program *exec.Cmd, output, address string) {
	t.Helper()
	file, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	program.Stdout, program.Stderr = file, file
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with its workers
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	over := false
	t.Cleanup(func() {
		syscall.Kill(-program.Process.Pid, syscall.SIGKILL)
		if !over {
			<-ended
		}
		if t.Failed() {
			wrote, _ := os.ReadFile(output)
			t.Logf("%s wrote:\n%s", k.name, wrote)
		}
	})
	deadline := time.Now().Add(patience)
	for {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-ended:
			over = true
			t.Fatalf("%s ended: %v", k.name, err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen on %s: %v", k.name, address, err)
		}
	}
}

// startNode runs a node whose own pages are at origin.
func startNode(t *testing.T, origin string) *server.Server {
	t.Helper()
	return startNodeAs(t, func(c *config.Config) { c.Origins = []string{origin} })
}

// startNodeAs runs a node in dev mode with a change of its configuration.
func startNodeAs(t *testing.T, change func(*config.Config)) *server.Server {
	t.Helper()
	c := config.Default()
	c.Dev, c.Listen.Address = true, "127.0.0.1:0"
	change(&c)
	node, err := server.New(c, server.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	serving := make(chan error, 1)
	go func() { serving <- node.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := errors.Join(node.Shutdown(ctx), <-serving); err != nil {
			t.Error(err)
		}
	})
	return node
}

// freePort is one that was free a moment ago: a proxy cannot be asked which one the system chose.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	return port
}

// certify makes a certificate for 127.0.0.1, and has roots trust it.
func (s *setting) certify(t *testing.T, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots.AppendCertsFromPEM(cert)
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	s.cert, s.key, s.both = filepath.Join(s.folder, "cert.pem"), filepath.Join(s.folder, "key.pem"), filepath.Join(s.folder, "both.pem")
	for name, content := range map[string][]byte{s.cert: cert, s.key: private, s.both: append(cert, private...)} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
