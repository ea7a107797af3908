package listen_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringdown/ringdown/server/listen"
)

func TestSeveralListenersAreOpenedTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	wrapped := 0
	all := open(t, listen.Spec{Address: "127.0.0.1:0"},
		listen.Spec{Address: "unix:" + path, Mode: 0o600, Wrap: func(l net.Listener) net.Listener { wrapped++; return l }})
	for i, l := range all {
		go greet(l, fmt.Sprint("listener ", i))
		if l.Secure() || l.Files() != nil {
			t.Error("a plain listener is said to be TLS")
		}
		if got := greeted(t, l.Addr().Network(), l.Addr().String()); got != fmt.Sprint("listener ", i) {
			t.Errorf("%s says %q", l.Spec().Address, got)
		}
	}
	if wrapped != 1 {
		t.Errorf("wrapped %d times", wrapped)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	all[1].Close()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestASocketThatWasLeftBehindIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	l := open(t, listen.Spec{Address: "unix:" + path})[0]
	go greet(l, "here")
	if got := greeted(t, "unix", path); got != "here" {
		t.Errorf("%q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != listen.DefaultMode {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestWhatCannotBeOpenedIsSaidInWordsAndLeavesNothingOpen(t *testing.T) {
	taken := open(t, listen.Spec{Address: "127.0.0.1:0"})[0].Addr().String()
	dir := t.TempDir()
	socket := filepath.Join(dir, "taken.sock")
	open(t, listen.Spec{Address: "unix:" + socket})
	file := filepath.Join(dir, "file")
	write(t, file, []byte("precious"))
	certificate, key := newIssuer(t).files(dir, "x.example", inAnHour())
	other, _ := newIssuer(t).files(t.TempDir(), "x.example", inAnHour())
	for _, c := range []struct {
		spec listen.Spec
		want string
	}{
		{listen.Spec{Address: taken}, "is taken by another program"},
		{listen.Spec{Address: "unix:" + socket}, "another program listens on"},
		{listen.Spec{Address: "unix:" + file}, "is no socket"},
		{listen.Spec{Address: "unix:" + filepath.Join(dir, "none", "s.sock")}, "directory must exist"},
		{listen.Spec{Address: "nonsense"}, "write it as host:port"},
		{listen.Spec{Address: "systemd:web"}, "handed over no socket"},
		{listen.Spec{Address: "127.0.0.1:0", Certificate: certificate}, "needs both"},
		{listen.Spec{Address: "127.0.0.1:0", Certificate: certificate, Key: filepath.Join(dir, "none")}, "none: no such file"},
		{listen.Spec{Address: "127.0.0.1:0", Certificate: other, Key: key}, "does not match"},
		{listen.Spec{Address: "127.0.0.1:0", Certificate: certificate, Key: key, ACME: &listen.ACME{}}, "not from both"},
		{listen.Spec{Address: "127.0.0.1:0", ACME: &listen.ACME{Cache: dir}}, "needs hosts"},
		{listen.Spec{Address: "127.0.0.1:0", ACME: &listen.ACME{Hosts: []string{"*.example.com"}, Cache: dir}}, "without wildcards"},
		{listen.Spec{Address: "127.0.0.1:0", ACME: &listen.ACME{Hosts: []string{"192.0.2.1"}, Cache: dir}}, "no certificate for"},
		{listen.Spec{Address: "127.0.0.1:0", ACME: &listen.ACME{Hosts: []string{"chat.example.com"}}}, "needs a cache"},
	} {
		before := filepath.Join(dir, "before.sock")
		_, err := listen.Open([]listen.Spec{{Address: "unix:" + before}, c.spec}, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.spec, err, c.want)
		}
		if _, err := os.Stat(before); !os.IsNotExist(err) {
			t.Errorf("%+v: the listener before is still open", c.spec)
		}
	}
	if content, _ := os.ReadFile(file); string(content) != "precious" {
		t.Error("a file was harmed")
	}
}

// TestMain is also the service that systemd starts, see below.
func TestMain(m *testing.M) {
	if os.Getenv("LISTEN_FDS") == "" {
		os.Exit(m.Run())
	}
	os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid())) // systemd knows it before the service runs
	if _, err := listen.Open([]listen.Spec{{Address: "systemd"}}, nil); err != nil {
		fmt.Println(err)
	}
	if _, err := listen.Open([]listen.Spec{{Address: "systemd:none"}}, nil); err != nil {
		fmt.Println(err)
	}
	for _, name := range []string{"web", "private"} {
		all, err := listen.Open([]listen.Spec{{Address: "systemd:" + name}}, nil)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		go greet(all[0], name)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin) // until the test has seen enough
}

func TestSocketsOfSystemdAreTakenByName(t *testing.T) {
	service := exec.Command(os.Args[0])
	service.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=private:web")
	addresses := map[string]string{}
	for _, name := range []string{"private", "web"} {
		l := open(t, listen.Spec{Address: "127.0.0.1:0"})[0]
		file, err := l.Listener.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		addresses[name] = l.Addr().String()
		service.ExtraFiles = append(service.ExtraFiles, file)
		l.Close()
	}
	stdin, _ := service.StdinPipe()
	stdout, _ := service.StdoutPipe()
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	defer service.Wait()
	defer stdin.Close()
	said := make([]byte, 0, 1024)
	for !strings.Contains(string(said), "ready\n") {
		n, err := stdout.Read(said[len(said):cap(said)])
		said = said[:len(said)+n]
		if err != nil {
			t.Fatalf("%v after %q", err, said)
		}
	}
	for _, words := range []string{"handed over 2 sockets; say which", `no socket named "none"; it has private, web`} {
		if !strings.Contains(string(said), words) {
			t.Errorf("%q does not say %q", said, words)
		}
	}
	for name, address := range addresses {
		if got := greeted(t, "tcp", address); got != name {
			t.Errorf("%s is answered by %q", name, got)
		}
	}
}
