//go:build linux

package console

import (
	"context"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	_ "github.com/ringdown/ringdown/server" // so that go test runs the tests again when the server or the console has changed
	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/test/servers"
	"github.com/ringdown/ringdown/web"
	"github.com/ringdown/ringdown/websocket"
)

var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if !web.Embedded().Built() {
		log.Print("the console is not built; run `make pages`")
		return 1
	}
	folder, err := os.MkdirTemp("", "ringdown-console")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(folder)
	binary = filepath.Join(folder, "ringdown")
	args := []string{"build", "-o", binary}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if output, err := exec.Command("go", append(args, "../../cmd/ringdown")...).CombinedOutput(); err != nil {
		log.Printf("go build ringdown: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

const token = "a-token-of-the-console"

// args are arguments of a command of browser.js.
type args map[string]any

// console is a tab that shows it. Functions are given as JavaScript source.
type console struct {
	t       *testing.T
	server  *servers.Ringdown
	browser *node.Peer
}

// start starts a node, and opens its console in a browser. context is what Playwright calls the options of a new context.
func start(t *testing.T, context args) *console {
	t.Helper()
	c := &console{t, servers.StartRingdown(t, binary, "--set", "console.token="+token), node.Start(t, "../pages/browser.js", node.Chromium(t))}
	c.do("open", args{"url": c.at("token=" + token), "context": context})
	return c
}

// at is the address of a view, "/sessions" for instance.
func (c *console) at(view string) string { return "http://" + c.server.Addr + "/console/#" + view }

func (c *console) do(command string, with args) {
	c.t.Helper()
	with["name"] = "console"
	node.Do(c.t, c.browser, command, with)
}

// goes opens a view by its address.
func (c *console) goes(view string) {
	c.t.Helper()
	c.do("go", args{"url": c.at(view)})
}

func (c *console) until(check string, arg any) {
	c.t.Helper()
	c.do("until", args{"check": check, "arg": arg})
}

// shows waits until an element has a text in it.
func (c *console) shows(selector, text string) {
	c.t.Helper()
	c.until(`([selector, text]) => [...document.querySelectorAll(selector)].some((e) => e.innerText.includes(text))`, []string{selector, text})
}

func (c *console) click(selector string) {
	c.t.Helper()
	c.do("click", args{"selector": selector})
}

func (c *console) fill(selector, text string) {
	c.t.Helper()
	c.do("fill", args{"selector": selector, "text": text})
}

func (c *console) press(keys ...string) {
	c.t.Helper()
	for _, key := range keys {
		c.do("press", args{"key": key})
	}
}

// value evaluates a function of no argument.
func value[T any](c *console, call string) T {
	c.t.Helper()
	return node.Call[T](c.t, c.browser, "evaluate", args{"name": "console", "call": call})
}

// checkQuiet checks that the console asked no other host for anything, and that nothing is on the browser's but what is expected.
func (c *console) checkQuiet(expected ...string) {
	c.t.Helper()
	record := node.Call[struct{ Problems, Hosts []string }](c.t, c.browser, "record", args{"name": "console"})
	if !slices.Equal(record.Hosts, []string{c.server.Addr}) {
		c.t.Errorf("it asked the hosts %q, want only %q", record.Hosts, c.server.Addr)
	}
	for _, problem := range record.Problems {
		if !slices.ContainsFunc(expected, func(e string) bool { return regexp.MustCompile(e).MatchString(problem) }) {
			c.t.Errorf("the browser's console has: %s", problem)
		}
	}
}

// soon bounds what takes milliseconds on a machine that is not busy.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// client connects to a channel.
func (c *console) client(channel string) *websocket.Conn {
	c.t.Helper()
	conn, _, err := websocket.Dial(soon(c.t), "ws://"+c.server.Addr+"/channels/"+channel, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// hears waits for a message.
func (c *console) hears(conn *websocket.Conn, text string) {
	c.t.Helper()
	for {
		_, data, err := conn.Read(soon(c.t))
		if err != nil {
			c.t.Fatalf("waiting for %q: %v", text, err)
		}
		if string(data) == text {
			return
		}
	}
}
