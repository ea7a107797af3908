//go:build linux

// A server as a process: started, frozen, killed, started again.

package servers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds what takes milliseconds on a machine that is not busy, or for RabbitMQ's start some six seconds of a processor.
const patience = 4 * time.Minute

// Process is a server that a test may stop and start. Its methods fail the test if the server does not do it, and are called from one
// goroutine at a time.
type Process struct {
	t       testing.TB
	name    string
	command func() *exec.Cmd // a fresh one
	ready   func() error     // nil once the server answers
	log     string           // the file that it writes

	cmd    *exec.Cmd
	exited chan struct{}
	frozen bool
}

// program is the path of a server's program.
func program(t testing.TB, name, pack string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil { // servers may live where an ordinary user does not look
		path = filepath.Join("/usr/sbin", name)
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%s is not installed; apt-get install %s, or run .ci/test-deps", name, pack)
		}
	}
	return path
}

// Start starts the server and waits until it answers. What it had stored on disk it has again.
func (p *Process) Start() {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		p.launch()
		err := p.await(deadline)
		if err == nil {
			return
		}
		p.Kill()
		if time.Now().After(deadline) {
			tail, _ := os.ReadFile(p.log)
			p.t.Fatalf("%s does not come up: %v\n%s", p.name, err, tail[max(0, len(tail)-2000):])
		}
		time.Sleep(50 * time.Millisecond) // somebody's outgoing connection may hold the port for a moment
	}
}

// launch starts the process from a thread that lives as long as it does, because the kernel sends Pdeathsig when the thread ends.
func (p *Process) launch() {
	p.t.Helper()
	cmd, exited, started := p.command(), make(chan struct{}), make(chan error, 1)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	go func() {
		runtime.LockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		p.t.Fatalf("starting %s: %v", p.name, err)
	}
	p.cmd, p.exited, p.frozen = cmd, exited, false
}

// await waits until the server answers or has exited.
func (p *Process) await(deadline time.Time) error {
	for {
		err := p.ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("it has exited: %v", p.cmd.ProcessState)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// Kill ends the server with SIGKILL, and returns when it has gone.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Kill()
	<-p.exited
	p.cmd = nil
}

// Freeze stops the server in its tracks: the kernel still takes connections for it, and it answers nothing.
func (p *Process) Freeze() { p.signal(syscall.SIGSTOP, true) }

// Thaw lets a frozen server go on.
func (p *Process) Thaw() { p.signal(syscall.SIGCONT, false) }

func (p *Process) signal(s syscall.Signal, frozen bool) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("sending %s the signal %v: %v", p.name, s, err)
	}
	p.frozen = frozen
}

// FreeAddress is an address of the loopback that nobody listens at. Until the end of the test it is given to nobody else by the system, also
// not for outgoing connections, but who asks for it may listen there, again and again: a socket keeps it that is bound and does not listen.
func FreeAddress(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(own.(*unix.SockaddrInet4).Port))
}

// freePort is the port of a FreeAddress.
func freePort(t testing.TB) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(FreeAddress(t))
	return port
}
