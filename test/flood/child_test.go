// Child processes: how the test starts them and talks with them, and how they begin.

package flood

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/test/flood/hostile"
)

// role is what a child process is to do. It ends when its standard input does.
type role struct {
	Name    string // good, hostile, victims or killed
	Address string // of the node
	Count   int    // clients
}

const roleVariable = "RINGDOWN_FLOOD_ROLE"

func TestMain(m *testing.M) {
	text, child := os.LookupEnv(roleVariable)
	if !child {
		os.Exit(m.Run())
	}
	var r role
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		say("fault %v", err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	switch r.Name {
	case "hostile":
		hostile.Attack(ctx, hostile.Options{Address: r.Address, Channel: channel, Count: r.Count, Kind: -1, Begun: func() { say("ready") }})
	case "victims":
		hostile.Attack(ctx, hostile.Options{Address: r.Address, Channel: channel, Count: r.Count, Kind: 0, Victims: r.Count})
	default:
		listen(ctx, r)
	}
	os.Exit(0)
}

var saying sync.Mutex

// say tells the parent something: a line.
func say(format string, values ...any) {
	saying.Lock()
	defer saying.Unlock()
	fmt.Printf(format+"\n", values...)
}

// child is a process as its parent sees it.
type child struct {
	process *exec.Cmd
	input   io.Closer   // the child ends with it
	said    chan string // closed when the process has ended
}

// start starts this program again. Faults that the child tells fail the test.
func start(t *testing.T, r role) *child {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{process: exec.Command(os.Args[0]), said: make(chan string, 100)}
	c.process.Env = append(os.Environ(), roleVariable+"="+string(text))
	c.process.Stderr = os.Stderr
	if c.input, err = c.process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := c.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.said)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			c.said <- lines.Text()
		}
	}()
	t.Cleanup(func() { c.end() })
	return c
}

// end has the child end by itself, and waits for it.
func (c *child) end() {
	c.input.Close()
	for range c.said {
	}
	c.process.Wait()
}

// kill is kill -9.
func (c *child) kill() {
	c.process.Process.Kill()
	c.end()
}

// wait returns the rest of the first line that begins with a word. What the child calls a fault fails the test. Every pace, meanwhile
// is called.
func (c *child) wait(t *testing.T, word string, pace time.Duration, meanwhile func()) string {
	t.Helper()
	deadline := time.After(patience)
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for {
		select {
		case line, alive := <-c.said:
			if rest, found := strings.CutPrefix(line, "fault "); found {
				t.Fatal(rest)
			}
			if rest, found := strings.CutPrefix(line, word); found {
				return strings.TrimSpace(rest)
			}
			if !alive {
				t.Fatalf("the child has ended before it said %q", word)
			}
		case <-ticks.C:
			meanwhile()
		case <-deadline:
			t.Fatalf("the child has not said %q within %v", word, patience)
		}
	}
}

// patience is for whatever takes a moment on a machine that has nothing else to do.
const patience = 4 * time.Minute
