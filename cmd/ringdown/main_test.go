package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
)

// TestMain lets a test start this program as a process of its own: see serveProcess.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_AS_RINGDOWN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// result is what a command line did.
type result struct {
	status    int
	out, errs string
}

func runCommand(t *testing.T, in io.Reader, args ...string) result {
	t.Helper()
	var out, errs lockedBuffer
	status := run(t.Context(), args, in, &out, &errs)
	return result{status, out.String(), errs.String()}
}

func (r result) check(t *testing.T, status int, out string, errs ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("exit status %d, want %d", r.status, status)
	}
	if r.out != out {
		t.Errorf("output %q, want %q", r.out, out)
	}
	for _, want := range errs {
		if !strings.Contains(r.errs, want) {
			t.Errorf("the error output lacks %q", want)
		}
	}
	if t.Failed() {
		t.Logf("error output:\n%s", r.errs)
	}
}

// lockedBuffer may be read while a command writes to it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func TestWrongCommandLinesAreExplained(t *testing.T) {
	for _, c := range []struct {
		args     []string
		sentence string
	}{
		{[]string{"dial"}, `unknown command "dial"`},
		{[]string{"connect"}, "connect takes one URL, as ws://127.0.0.1:8000/channels/lobby"},
		{[]string{"connect", "--frob"}, "ringdown connect --help"},
		{[]string{"connect", "localhost:8000"}, "write it as ws://"},
		{[]string{"connect", "ftp://localhost"}, `"ftp"`},
		{[]string{"connect", "ws://localhost", "--header", "nonsense"}, "'Name: value'"},
		{[]string{"connect", "ws://localhost", "--compression", "full"}, "off, no-takeover or takeover"},
		{[]string{"connect", "ws://localhost", "--wait", "-1s"}, "cannot be negative"},
		{[]string{"serve", "--dev", "--listen", ":8000"}, "dev mode lets anybody publish, so it listens on loopback only"},
		{[]string{"serve", "--origin", "*"}, "list the origins of your own pages"},
		{[]string{"serve", "--max-message", "many"}, "max-message"},
		{[]string{"serve", "--max-message", "0"}, "--max-message: limits.message_size is 0; give it a positive number of bytes"},
		{[]string{"serve", "--max-message", "-1"}, "give it a positive number of bytes"},
		{[]string{"serve", "--max-connections", "0"}, "--max-connections: limits.connections is 0; give it a positive number"},
		{[]string{"serve", "extra"}, "extra"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			runCommand(t, strings.NewReader(""), c.args...).check(t, 1, "", "ringdown: ", c.sentence)
		})
	}
}

func TestVersionNamesTheBuild(t *testing.T) {
	r := runCommand(t, nil, "version")
	if r.status != 0 || !strings.HasPrefix(r.out, "ringdown ") || !strings.Contains(r.out, " go1.") {
		t.Errorf("status %d, output %q", r.status, r.out)
	}
	runCommand(t, nil, "--version").check(t, 0, r.out)
}

func TestHelpSaysWhatServeRefuses(t *testing.T) {
	r := runCommand(t, nil, "serve", "--help")
	for _, want := range []string{"1008", "1012", "--dev", "--origin", "loopback"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("serve --help does not mention %s", want)
		}
	}
}
