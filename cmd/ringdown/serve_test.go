package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// process is ringdown serve, running as a program of its own.
type process struct {
	*exec.Cmd
	log  *lockedBuffer
	host string
}

func serveProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.CommandContext(t.Context(), os.Args[0], append([]string{"serve"}, args...)...), log: new(lockedBuffer)}
	p.Env = append(os.Environ(), "TEST_AS_RINGDOWN=1")
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	page := regexp.MustCompile(`page"?[=:]"?http://([^\s/]+)/`)
	buffer := make([]byte, 4096)
	for p.host == "" {
		n, err := stderr.Read(buffer)
		p.log.Write(buffer[:n])
		if found := page.FindStringSubmatch(p.log.String()); found != nil {
			p.host = found[1]
		} else if err != nil {
			t.Fatalf("it never said where it listens:\n%s", p.log.String())
		}
	}
	go io.Copy(p.log, stderr) // ends with the process
	return p
}

func (p *process) join(t *testing.T) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), "ws://"+p.host+"/channels/lobby", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func TestSignalsStopTheNodeGracefully(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			p := serveProcess(t, "--dev", "--listen", "127.0.0.1:0")
			c := p.join(t)
			if err := p.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
				t.Errorf("the client saw %v, want close code 1012", err)
			}
			if err := p.Wait(); err != nil {
				t.Errorf("the node ended with %v:\n%s", err, p.log.String())
			}
			if !strings.Contains(p.log.String(), "DEV MODE") {
				t.Errorf("the log does not mention dev mode:\n%s", p.log.String())
			}
		})
	}
}

func TestSecondSignalStopsTheNodeAtOnce(t *testing.T) {
	p := serveProcess(t, "--dev", "--listen", "127.0.0.1:0")
	unanswering, err := net.Dial("tcp", p.host)
	if err != nil {
		t.Fatal(err)
	}
	defer unanswering.Close()
	fmt.Fprintf(unanswering, "GET /channels/lobby HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", p.host)
	buffer := make([]byte, 4096)
	if _, err := unanswering.Read(buffer); err != nil { // the 101: from here on the node owes us a goodbye
		t.Fatal(err)
	}
	p.Process.Signal(syscall.SIGTERM)
	if _, err := unanswering.Read(buffer); err != nil { // the close frame, which we do not answer
		t.Fatal(err)
	}
	started := time.Now()
	p.Process.Signal(syscall.SIGTERM)
	p.Wait()
	if status, ok := p.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Errorf("ended with %v, not by the signal", p.ProcessState)
	}
	if took := time.Since(started); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestEndOfContextStopsTheNode(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs lockedBuffer
	if status := run(ctx, []string{"serve", "--listen", "127.0.0.1:0"}, nil, &out, &errs); status != 0 {
		t.Errorf("exit status %d:\n%s", status, errs.String())
	}
}

func TestTakenPortIsExplained(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	runCommand(t, nil, "serve", "--listen", taken.Addr().String()).
		check(t, 1, "", fmt.Sprintf("port %d is taken", port), "--listen (listen.address), for instance 127.0.0.1:")
}
