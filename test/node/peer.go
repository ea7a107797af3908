// A script that serves commands, and calls of them.

package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const (
	callTimeout = 2 * time.Minute // of one command; scripts have shorter limits of their own, and say what they waited for
	stopTimeout = time.Minute     // for a script to clean up behind itself
)

// Peer is a running script that serves commands (see peer.js). Its commands may be called from many goroutines at once.
type Peer struct {
	script string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	gone   chan struct{} // closed when the script says nothing any more

	mu    sync.Mutex // guards what follows, and writes to stdin
	last  int
	calls map[int]chan answer
}

// answer is a line of the script's standard output.
type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
}

// Start starts a script under Node, which ends with the test. What it writes to its standard error is the test's output.
// A relative path is relative to the package under test.
func Start(t testing.TB, script string, args ...string) *Peer {
	t.Helper()
	Modules(t)
	DependOn(t, filepath.Dir(script), Folder())
	p, err := start(t.Output(), script, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

var shared struct {
	mu      sync.Mutex // guards what follows
	scripts map[string]*Peer
}

// Shared is Start of a script that all tests of a package use in turn: it is started once, and ends in [Run]. Nothing that a test leaves
// in it may trouble another. What it writes to its standard error is that of the process.
func Shared(t testing.TB, script string, args ...string) *Peer {
	t.Helper()
	Modules(t)
	DependOn(t, filepath.Dir(script), Folder())
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if p := shared.scripts[script]; p != nil {
		return p
	}
	p, err := start(os.Stderr, script, args...)
	if err != nil {
		t.Fatal(err)
	}
	if shared.scripts == nil {
		shared.scripts = make(map[string]*Peer)
	}
	shared.scripts[script] = p
	return p
}

// Run runs the tests of a package, from its TestMain, and ends the scripts that they share.
func Run(m *testing.M) (code int) {
	code = m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	for _, p := range shared.scripts {
		if err := p.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

func start(stderr io.Writer, script string, args ...string) (*Peer, error) {
	cmd := exec.Command("node", append([]string{script}, args...)...)
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("node %s: %w", script, err)
	}
	p := &Peer{script: filepath.Base(script), cmd: cmd, stdin: stdin, gone: make(chan struct{}), calls: make(map[int]chan answer)}
	go p.listen(stdout)
	return p, nil
}

// DependOn makes go test run the test again when a file in one of the folders has changed, rather than repeat its last
// result: go test takes note of what a test reads, but not of what the programs read that it starts.
func DependOn(t testing.TB, folders ...string) {
	t.Helper()
	for _, folder := range folders {
		if _, err := os.ReadDir(folder); err != nil {
			t.Fatal(err)
		}
	}
}

// Call runs a command of the script with args, and returns its result. It fails the test if the command throws.
func Call[Result any](t testing.TB, p *Peer, command string, args any) Result {
	t.Helper()
	var result Result
	raw, err := p.Call(t.Context(), command, args)
	if err == nil {
		err = json.Unmarshal(raw, &result)
	}
	if err != nil {
		t.Fatalf("%s: %s: %v", p.script, command, err)
	}
	return result
}

// Do is Call for a command that has no result.
func Do(t testing.TB, p *Peer, command string, args any) {
	t.Helper()
	Call[any](t, p, command, args)
}

// Call runs a command of the script with args, and returns its result as JSON.
func (p *Peer) Call(ctx context.Context, command string, args any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	id, answered, err := p.send(command, args)
	if err != nil {
		return nil, err
	}
	defer p.forget(id)
	select {
	case a := <-answered:
		if a.Error != "" {
			return nil, errors.New(a.Error)
		}
		return a.Result, nil
	case <-p.gone:
		return nil, errors.New("the script has ended; its last words are above")
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer: %w", ctx.Err())
	}
}

func (p *Peer) send(command string, args any) (id int, answered chan answer, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	line, err := json.Marshal(map[string]any{"id": p.last, "command": command, "args": args})
	if err != nil {
		return 0, nil, err
	}
	answered = make(chan answer, 1)
	p.calls[p.last] = answered
	_, err = p.stdin.Write(append(line, '\n'))
	return p.last, answered, err
}

func (p *Peer) forget(id int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, id)
}

// listen hands each answer to the call that waits for it, until the script closes its standard output.
func (p *Peer) listen(stdout io.Reader) {
	defer close(p.gone)
	for r := bufio.NewReader(stdout); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(bytes.TrimSpace(line), &a) != nil {
			continue // not for us: something that a library printed
		}
		p.mu.Lock()
		answered := p.calls[a.ID]
		p.mu.Unlock()
		if answered != nil {
			answered <- a
		}
	}
}

// stop ends the script by the end of its standard input, which lets it close what it has opened, and kills it if that
// does not help.
func (p *Peer) stop() error {
	p.stdin.Close()
	kill := time.AfterFunc(stopTimeout, func() { p.cmd.Process.Kill() })
	<-p.gone
	err := p.cmd.Wait()
	if !kill.Stop() {
		return fmt.Errorf("%s did not end by itself within %v", p.script, stopTimeout)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.script, err)
	}
	return nil
}
