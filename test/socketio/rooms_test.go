// The example "rooms" as a person sees it: its page with the official bundle of the client, in two tabs of Chromium.

package socketio

import (
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ringdown/ringdown/test/node"
)

// room is the example in a process of its own.
type room struct {
	program string
	addr    string
	cmd     *exec.Cmd
}

func buildRooms(t *testing.T) *room {
	t.Helper()
	r := &room{program: filepath.Join(t.TempDir(), "rooms")}
	if output, err := exec.Command("go", "build", "-o", r.program, "../../examples/rooms").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	node.DependOn(t, "../../examples/rooms", "../../gateway/socketio", "../../gateway/socketio/engineio", "../../hub")
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	l.Close()
	t.Cleanup(r.kill)
	return r
}

// start starts the program and waits until it listens.
func (r *room) start(t *testing.T) {
	t.Helper()
	r.cmd = exec.Command(r.program, "-addr", r.addr, "-client", "../node/node_modules/socket.io-client/dist")
	r.cmd.Stderr = t.Output()
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if nc, err := net.Dial("tcp", r.addr); err == nil {
			nc.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal("the example does not listen")
		}
	}
}

func (r *room) kill() {
	if r.cmd != nil {
		r.cmd.Process.Kill()
		r.cmd.Wait()
		r.cmd = nil
	}
}

// tab is a tab of the browser, known to rooms.js by the name of its user.
type tab struct {
	t       *testing.T
	browser *node.Peer
	name    string
}

func (p tab) say(text string) {
	p.t.Helper()
	node.Do(p.t, p.browser, "say", map[string]any{"name": p.name, "text": text})
}

// wantLog waits until the tab shows exactly these lines.
func (p tab) wantLog(lines ...string) {
	p.t.Helper()
	if problems := node.Call[[]string](p.t, p.browser, "log", map[string]any{"name": p.name, "lines": lines}); len(problems) > 0 {
		p.t.Errorf("%s: %q", p.name, problems)
	}
}

func TestRoomsInTwoTabs(t *testing.T) {
	node.Modules(t)
	server := buildRooms(t)
	server.start(t)
	browser := node.Start(t, "rooms.js", node.Chromium(t))
	open := func(name, room string) tab {
		t.Helper()
		node.Do(t, browser, "join", map[string]any{"name": name, "room": room, "url": "http://" + server.addr})
		return tab{t, browser, name}
	}
	ann := open("Ann", "lobby")
	ann.say("is anybody here?")
	ann.wantLog("Ann: is anybody here?")
	bob := open("Bob", "lobby")
	ann.wantLog("Ann: is anybody here?", "Bob has joined")
	cem := open("Cem", "kitchen")
	bob.say("I am ✓ <b>")
	cem.say("elsewhere")
	ann.wantLog("Ann: is anybody here?", "Bob has joined", "Bob: I am ✓ <b>")
	bob.wantLog("Bob: I am ✓ <b>")
	cem.wantLog("Cem: elsewhere")

	node.Do(t, browser, "close", map[string]any{"name": "Bob"})
	ann.wantLog("Ann: is anybody here?", "Bob has joined", "Bob: I am ✓ <b>", "Bob has left")

	server.kill()
	cem.wantLog("Cem: elsewhere", "disconnected: transport close")
	server.start(t)
	node.Do(t, browser, "connected", map[string]any{"name": "Cem"})
	cem.say("back")
	cem.wantLog("Cem: elsewhere", "disconnected: transport close", "Cem: back")
}
