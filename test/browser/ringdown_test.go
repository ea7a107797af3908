// The server under test: the real binary, which can be killed and started again.

package browser

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	ringdown "github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/websocket"
)

const command = "github.com/ringdown/ringdown/cmd/ringdown"

// What the tests run, and the folders it is made of.
var (
	binary  string
	sources []string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	folder, err := os.MkdirTemp("", "ringdown-browser")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	binary = filepath.Join(folder, "ringdown")
	if err := build(); err != nil {
		log.Print(err)
		return 1
	}
	return m.Run()
}

// build builds ringdown, with the race detector if the tests run with it.
func build() error {
	args := []string{"build", "-o", binary}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if output, err := exec.Command("go", append(args, command)...).CombinedOutput(); err != nil {
		return fmt.Errorf("go build ringdown: %w\n%s", err, output)
	}
	const folders = `{{with .Module}}{{if .Main}}{{$.Dir}}{{range $.EmbedFiles}} {{$.Dir}}/{{.}}/..{{end}}{{end}}{{end}}`
	list, err := exec.Command("go", "list", "-deps", "-f", folders, command).Output()
	if err != nil {
		return fmt.Errorf("go list ringdown: %w", err)
	}
	for folder := range strings.FieldsSeq(string(list)) {
		sources = append(sources, filepath.Clean(folder))
	}
	return nil
}

// process is a running server. Its log is the test's output.
type process struct {
	cmd    *exec.Cmd
	addr   string
	logged chan struct{} // closed at the end of the log
}

// start starts a server in dev mode on addr, with more flags, and waits until it listens; the port of addr may be 0.
func start(t *testing.T, addr string, flags ...string) *process {
	t.Helper()
	node.DependOn(t, sources...)
	cmd := exec.Command(binary, append([]string{"serve", "--dev", "--listen", addr}, flags...)...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // its last second would be ours
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, logged: make(chan struct{})}
	listening := make(chan string, 1)
	go func() {
		defer close(p.logged)
		p.follow(t, stderr, listening)
	}()
	t.Cleanup(func() { p.kill(t) })
	select {
	case p.addr = <-listening:
	case <-p.logged:
		t.Fatal("ringdown ended before it listened; its log is above")
	case <-time.After(20 * time.Second):
		t.Fatal("ringdown does not listen after 20 s; its log is above")
	}
	return p
}

// follow copies the log to the test's output, and finds in it the address that the server listens on.
func (p *process) follow(t *testing.T, stderr io.Reader, listening chan<- string) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(t.Output(), lines.Text())
		if strings.Contains(lines.Text(), "DATA RACE") {
			t.Error("ringdown has a data race; see its log")
		}
		if _, page, found := strings.Cut(lines.Text(), "page=http://"); found {
			addr, _, _ := strings.Cut(page, "/")
			listening <- addr
		}
	}
	io.Copy(io.Discard, stderr) // a line that was too long
}

// kill ends the server without a chance to say goodbye, if it still runs.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	p.cmd.Process.Kill()
	<-p.logged
	p.cmd.Wait()
}

// stop ends the server in good order, which takes long only if somebody on a line to it does not read.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(15*time.Second, func() { p.cmd.Process.Kill() })
	defer late.Stop()
	<-p.logged
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("ringdown after SIGTERM: %v", err)
	}
}

// post publishes.
func (p *process) post(t *testing.T, url, contentType, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("POST %s: %s, %v\n%s", url, response.Status, err, answer)
	}
}

// waitSubscribers waits until so many clients are in a channel, beside a program that counts them.
func (p *process) waitSubscribers(t *testing.T, channel string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := ringdown.Dial(ctx, "ws://"+p.addr+"/connect", ringdown.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Subscribe(ctx, channel, ringdown.SubscribeOptions{}); err != nil {
		t.Fatal(err)
	}
	for {
		present, err := c.Presence(ctx, channel, 0)
		if err != nil {
			t.Fatalf("waiting for %d subscribers of %s: %v", want, channel, err)
		}
		if present.Sessions-1 >= want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// client is a program that has joined a channel over a bare WebSocket.
type client struct{ *websocket.Conn }

func join(t *testing.T, addr, channel string) client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s/channels/%s", addr, channel), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return client{c}
}

func (c client) say(t *testing.T, text string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.Text, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// hear is the next message of the channel.
func (c client) hear(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, message, err := c.Read(ctx)
	if err != nil {
		t.Fatalf("waiting for a message: %v", err)
	}
	return string(message)
}

// gate is a network between a page and the server, which can be cut.
type gate struct {
	addr string
	open chan bool // holds whether it is open

	mu    sync.Mutex
	conns []net.Conn // that have passed, to the clients
}

// newGate listens on an address of its own, and passes everything on to the server's while it is open.
func newGate(t *testing.T, server string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	g := &gate{addr: l.Addr().String(), open: make(chan bool, 1)}
	g.open <- true
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go g.pass(near, server)
		}
	}()
	return g
}

// set opens or shuts the gate for connections to come.
func (g *gate) set(open bool) {
	<-g.open
	g.open <- open
}

// cut ends the connections that there are.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		c.Close()
	}
	g.conns = nil
}

// pass carries one connection, until either side ends it.
func (g *gate) pass(near net.Conn, server string) {
	defer near.Close()
	open := <-g.open
	g.open <- open
	if !open {
		return
	}
	g.mu.Lock()
	g.conns = append(g.conns, near)
	g.mu.Unlock()
	far, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		io.Copy(far, near)
		far.Close()
	}()
	io.Copy(near, far)
}
