//go:build linux

// RabbitMQ: one node, with an Erlang port mapper of its own.

package servers

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// RabbitMQ is a rabbitmq-server of one node. What it has in queues that last it has again when it was killed and is started.
type RabbitMQ struct {
	*Process
	Addr           string // host and port of AMQP
	SecureAddr     string // the same over TLS
	CA             *x509.CertPool
	User, Password string // who may do everything
	node, cookie   string // Erlang's name for it, and who knows this may have it do anything
	dir            string
	env            []string
}

// idle has the server work in as few threads as it can, none of which looks for work without pause.
const idle = "+S 1:1 +SDcpu 1:1 +SDio 1 +sbwt none +sbwtdcpu none +sbwtdio none"

// debianScripts is where Debian has the scripts that do not change to a user of their own.
const debianScripts = "/usr/lib/rabbitmq/bin"

// StartRabbitMQ starts a node, which takes some ten seconds: let tests share one. The program comes with the package rabbitmq-server, and the
// port mapper with Erlang.
func StartRabbitMQ(t testing.TB) *RabbitMQ {
	t.Helper()
	server := rabbitScript(t, "rabbitmq-server")
	mapper := startPortMapper(t)
	port, secure := freePort(t), freePort(t)
	certificate := newCertificate(t)
	r := &RabbitMQ{Addr: "127.0.0.1:" + port, SecureAddr: "127.0.0.1:" + secure, CA: certificate.pool, User: "test", Password: "p@ss/word", dir: t.TempDir(),
		node: "ringdown" + port + "@localhost", cookie: "cookie" + port}
	r.write(t, "rabbitmq.conf", fmt.Sprintf("listeners.tcp.default = %s\nlisteners.ssl.default = %s\nssl_options.certfile = %s\nssl_options.keyfile = %s\n"+
		"ssl_options.verify = verify_none\nssl_options.fail_if_no_peer_cert = false\ndefault_user = %s\ndefault_pass = %s\n",
		r.Addr, r.SecureAddr, certificate.cert, certificate.key, r.User, r.Password))
	r.write(t, "enabled_plugins", "[].\n")
	r.write(t, ".erlang.cookie", r.cookie)
	if err := os.Chmod(filepath.Join(r.dir, ".erlang.cookie"), 0o400); err != nil {
		t.Fatal(err)
	}
	r.env = append(os.Environ(), "HOME="+r.dir,
		"ERL_EPMD_PORT="+mapper, "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_NODENAME="+r.node,
		"RABBITMQ_DIST_PORT="+freePort(t),
		"RABBITMQ_CONF_ENV_FILE="+filepath.Join(r.dir, "none"),
		"RABBITMQ_CONFIG_FILE="+filepath.Join(r.dir, "rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(r.dir, "enabled_plugins"),
		"RABBITMQ_MNESIA_BASE="+filepath.Join(r.dir, "data"),
		"RABBITMQ_LOG_BASE="+filepath.Join(r.dir, "log"),
		"RABBITMQ_PID_FILE="+filepath.Join(r.dir, "pid"),
		"RABBITMQ_ALLOW_INPUT=1", // the script becomes the server, instead of waiting for it
		"RABBITMQ_SERVER_START_ARGS=-noinput -start_epmd false",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} "+idle)
	r.Process = &Process{t: t, name: "rabbitmq-server", log: filepath.Join(r.dir, "log", r.node+".log"), ready: r.greet,
		command: func() *exec.Cmd { return r.command(server) }}
	t.Cleanup(func() {
		r.Kill()
		if text, err := os.ReadFile(r.log); err == nil && t.Failed() {
			t.Logf("what RabbitMQ logged last:\n%s", text[max(0, len(text)-20_000):])
		}
	})
	r.Start()
	return r
}

// rabbitScript is the path of one of RabbitMQ's scripts.
func rabbitScript(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(debianScripts, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	return program(t, name, "rabbitmq-server")
}

// startPortMapper starts an epmd, through which Erlang's programs find each other, and returns its port. Erlang would start one by itself, and
// leave it behind.
func startPortMapper(t testing.TB) (port string) {
	t.Helper()
	path := program(t, "epmd", "rabbitmq-server")
	port = freePort(t)
	p := &Process{t: t, name: "epmd", command: func() *exec.Cmd { return exec.Command(path, "-port", port, "-address", "127.0.0.1") },
		ready: func() error {
			c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
			if err == nil {
				c.Close()
			}
			return err
		}}
	t.Cleanup(p.Kill)
	p.Start()
	return port
}

func (r *RabbitMQ) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r *RabbitMQ) command(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir = r.env, r.dir
	return cmd
}

// greet does the first step of AMQP's handshake.
func (r *RabbitMQ) greet() error {
	c, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "AMQP\x00\x00\x09\x01"); err != nil {
		return err
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(c, first); err != nil {
		return err
	}
	if first[0] != 1 {
		return errors.New("it answers with something else than a method")
	}
	return nil
}

// URL is the address for broker/rabbitmq.
func (r *RabbitMQ) URL() string { return r.URLAt(r.Addr) }

// URLAt is the same at another address, like that of a [Link].
func (r *RabbitMQ) URLAt(addr string) string {
	return (&url.URL{Scheme: "amqp", User: url.UserPassword(r.User, r.Password), Host: addr}).String()
}

// Do has the server evaluate a list of Erlang's expressions, and returns the value of the last as Erlang writes it. It costs milliseconds, where
// rabbitmqctl starts a virtual machine of its own.
func (r *RabbitMQ) Do(expressions string) string {
	r.t.Helper()
	cmd := r.command(program(r.t, "erl_call", "erlang-base"), "-r", "-name", r.node, "-c", r.cookie, "-e")
	cmd.Stdin = strings.NewReader(expressions + ".\n")
	out, err := cmd.CombinedOutput()
	value, ok := strings.CutPrefix(string(out), "{ok, ")
	if err != nil || !ok {
		r.t.Fatalf("RabbitMQ, asked for %s: %v\n%s", expressions, err, out)
	}
	return strings.TrimSuffix(value, "}")
}

// Settle has RabbitMQ write to disk what it otherwise writes half a second later: among other things that there are streams at all, once the first
// has been declared. If it is killed before that, it cannot find them any more.
func (r *RabbitMQ) Settle() {
	r.t.Helper()
	r.Do("[dets:sync(T) || T <- dets:all()]")
}
