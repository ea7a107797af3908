//go:build linux

// The server as a process, the client as it is built, and the proxy between them.

package sdk

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/ringdown/ringdown/server" // so that go test runs the test again when the server has changed
	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/test/servers"
)

const source = "../../sdk/js"

func TestMain(m *testing.M) {
	if err := buildClient(); err != nil {
		log.Fatal(err)
	}
	os.Exit(m.Run())
}

// buildClient makes sdk/js/dist.
func buildClient() error {
	commands := [][]string{{"run", "build"}}
	if _, err := os.Stat(filepath.Join(source, "node_modules")); err != nil {
		commands = append([][]string{{"ci", "--no-audit", "--no-fund"}}, commands...)
	}
	for _, args := range commands {
		npm := exec.Command("npm", args...)
		npm.Dir = source
		if output, err := npm.CombinedOutput(); err != nil {
			return fmt.Errorf("npm %s in sdk/js: %w; Node 20 or newer and npm are needed\n%s", strings.Join(args, " "), err, output)
		}
	}
	return nil
}

// process is a running server.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string
	logged chan struct{} // closed at the end of the log
}

// start starts a server in dev mode on addr, and waits until it listens; the port of addr may be 0.
func start(t *testing.T, addr string, flags ...string) *process {
	t.Helper()
	cmd := exec.Command(servers.Binary(t), append([]string{"serve", "--dev", "--listen", addr}, flags...)...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // its last second would be ours
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, logged: make(chan struct{})}
	listening := make(chan string, 1)
	go p.follow(stderr, listening)
	t.Cleanup(p.kill)
	select {
	case p.addr = <-listening:
	case <-p.logged:
		t.Fatal("ringdown ended before it listened; its log is above")
	case <-time.After(30 * time.Second):
		t.Fatal("ringdown does not listen after 30 s; its log is above")
	}
	return p
}

// follow copies the log to the test's output, and finds in it the address that the server listens on.
func (p *process) follow(stderr io.Reader, listening chan<- string) {
	defer close(p.logged)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(p.t.Output(), lines.Text())
		if strings.Contains(lines.Text(), "DATA RACE") {
			p.t.Error("ringdown has a data race; see its log")
		}
		if _, page, found := strings.Cut(lines.Text(), "page=http://"); found {
			addr, _, _ := strings.Cut(page, "/")
			listening <- addr
		}
	}
	io.Copy(io.Discard, stderr) // a line that was too long
}

// kill ends the server without a chance to say goodbye, if it still runs.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Kill()
		<-p.logged
		p.cmd.Wait()
	}
}

// stop ends the server in good order.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	late := time.AfterFunc(40*time.Second, func() { p.cmd.Process.Kill() })
	defer late.Stop()
	<-p.logged
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("ringdown after SIGTERM: %v", err)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// publish publishes a number.
func (p *process) publish(channel string, n int) {
	p.t.Helper()
	response, err := http.Post("http://"+p.addr+"/channels/"+channel, "application/json", strings.NewReader(fmt.Sprint(n)))
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		p.t.Fatalf("publishing %d: %s", n, response.Status)
	}
}

// peer is the script with the clients.
func peer(t *testing.T) *node.Peer {
	t.Helper()
	node.DependOn(t, source+"/src", source+"/src/transports")
	return node.Start(t, "client.js")
}

// args are arguments of a command of client.js.
type args map[string]any

// open opens a client over one of the transports, or over those that it finds if there is none, which listens to a channel.
func open(t *testing.T, p *node.Peer, name, addr, transport, channel string) {
	t.Helper()
	options := args{"name": name, "url": "http://" + addr + "/connect?user=" + name}
	if transport != "" {
		options["transports"] = []string{transport}
	}
	node.Do(t, p, "open", options)
	node.Do(t, p, "listen", args{"name": name, "channel": channel})
	if got := node.Call[string](t, p, "opened", args{"name": name}); transport != "" && got != transport {
		t.Fatalf("%s is open over %s, want %s", name, got, transport)
	}
}

// told waits until the last thing that a client was told of a channel is last, and returns all.
func told(t *testing.T, p *node.Peer, name, channel string, last any) []any {
	t.Helper()
	return node.Call[[]any](t, p, "told", args{"name": name, "channel": channel, "last": last})
}

// checkNumbers checks that what was told is each number from 1 to n, once and in order.
func checkNumbers(t *testing.T, told []any, n int) {
	t.Helper()
	want := make([]any, n)
	for i := range want {
		want[i] = float64(i + 1)
	}
	if !slices.Equal(told, want) {
		t.Errorf("was told %v, want 1 to %d", told, n)
	}
}
