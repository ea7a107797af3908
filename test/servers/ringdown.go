//go:build linux

// A node of our own.

package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Ringdown is a node in dev mode.
type Ringdown struct {
	*Process
	Addr string // host and port, the same after each start
}

// StartRingdown starts a node of [Binary], with more flags.
func StartRingdown(t testing.TB, flags ...string) *Ringdown {
	t.Helper()
	binary := Binary(t)
	r := &Ringdown{Addr: "127.0.0.1:" + freePort(t)}
	log := filepath.Join(t.TempDir(), "ringdown.log")
	r.Process = &Process{t: t, name: "ringdown", log: log, ready: r.ask, command: func() *exec.Cmd {
		cmd := exec.Command(binary, append([]string{"serve", "--dev", "--listen", r.Addr}, flags...)...)
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // its last second would be ours
		out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { out.Close() })
		cmd.Stdout, cmd.Stderr = out, out
		return cmd
	}}
	t.Cleanup(func() {
		r.Kill()
		written, _ := os.ReadFile(log)
		if bytes.Contains(written, []byte("DATA RACE")) {
			t.Errorf("ringdown has a data race:\n%s", written)
		} else if t.Failed() {
			t.Logf("the log of ringdown:\n%s", written)
		}
	})
	r.Start()
	return r
}

// Stop ends the node in good order, which takes long only if somebody on a line to it does not read.
func (r *Ringdown) Stop() {
	r.t.Helper()
	r.signal(syscall.SIGTERM, false)
	select {
	case <-r.exited:
	case <-time.After(patience):
		r.t.Errorf("ringdown is still there %v after SIGTERM", patience)
		return
	}
	if !r.cmd.ProcessState.Success() {
		r.t.Errorf("ringdown after SIGTERM: %v", r.cmd.ProcessState)
	}
}

// ask asks whether the node is ready.
func (r *Ringdown) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+r.Addr+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return errors.Unwrap(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it is %s", answer.Status)
	}
	return nil
}
