//go:build unix

// The node as a process.

package faults

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/ringdown/ringdown/server" // so that go test runs the test again when the node has changed
	"github.com/ringdown/ringdown/test/servers"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // these tests wait more than they compute
		log.Fatal(err)
	}
	os.Exit(m.Run())
}

// process is a running node.
type process struct {
	cmd     *exec.Cmd
	address string
	logged  chan struct{}   // closed at the end of the log
	log     strings.Builder // to be read behind logged

	listening chan string // its address, once
}

// serve starts ringdown serve, and waits until it listens.
func serve(t *testing.T, address string, flags ...string) *process {
	t.Helper()
	p := launch(t, address, flags...)
	p.listens(t)
	return p
}

// launch starts ringdown serve.
func launch(t *testing.T, address string, flags ...string) *process {
	t.Helper()
	p := &process{logged: make(chan struct{}), listening: make(chan string, 1)}
	p.cmd = exec.Command(servers.Binary(t), append([]string{"serve", "--dev", "--listen", address}, flags...)...)
	p.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // its last second would be ours
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(stderr, p.listening)
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.logged
		p.cmd.Wait()
		if t.Failed() {
			t.Logf("a node wrote:\n%s", p.log.String())
		}
	})
	return p
}

// listens waits until it does.
func (p *process) listens(t *testing.T) {
	t.Helper()
	select {
	case p.address = <-p.listening:
	case <-p.logged:
		t.Fatal("the node ended before it listened")
	case <-time.After(patience):
		t.Fatalf("the node does not listen after %v", patience)
	}
}

func (p *process) follow(stderr io.Reader, listening chan<- string) {
	defer close(p.logged)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&p.log, lines.Text())
		if _, page, found := strings.Cut(lines.Text(), "page=http://"); found {
			address, _, _ := strings.Cut(page, "/")
			listening <- address
		}
	}
	io.Copy(io.Discard, stderr)
}

// stop sends SIGTERM and waits for the end, which must be a good one.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.logged
	if err := p.cmd.Wait(); err != nil || strings.Contains(p.log.String(), "DATA RACE") {
		t.Errorf("after SIGTERM: %v; its log is below", err)
	}
}

// kill sends SIGKILL, and waits until the process is no more.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.logged
	p.cmd.Wait() // says that it was killed
}

// freeze stops the process in its tracks, and waits until every thread stands still: the kernel still takes connections for it, and it answers nothing.
func (p *process) freeze(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGSTOP)
	eventually(t, "the node stands still", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(threads, func(path string) bool {
			text, err := os.ReadFile(path)
			_, state, found := strings.Cut(string(text), ") ")
			return err == nil && found && !strings.HasPrefix(state, "T")
		})
	})
}

// thaw lets a frozen process go on.
func (p *process) thaw(t *testing.T) { p.signal(t, syscall.SIGCONT) }

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("sending a node the signal %v: %v", s, err)
	}
}
