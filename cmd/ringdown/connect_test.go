package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// devNode runs a node in dev mode for as long as the test, and returns the URL of a channel.
func devNode(t *testing.T) string {
	t.Helper()
	node, err := server.New(devConfig("127.0.0.1:0"), server.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	serving := make(chan error, 1)
	go func() { serving <- node.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(node.Shutdown(context.WithoutCancel(t.Context())), <-serving); err != nil {
			t.Error(err)
		}
	})
	return fmt.Sprintf("ws://%s/channels/lobby", node.Addr())
}

// peer runs a server that does with each connection what the test says, and returns its URL.
func peer(t *testing.T, serve func(*websocket.Conn), options *websocket.AcceptOptions) string {
	t.Helper()
	s := httptest.NewServer(websocket.Handler(serve, options))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func echo(c *websocket.Conn) {
	for m, err := range c.Messages(context.Background()) {
		if err != nil || c.Write(context.Background(), m.Type, m.Data) != nil {
			return
		}
	}
}

// runScript runs connect with a script whose end comes only once connect has printed what the test waits for, so that no
// test depends on how long an answer takes.
func runScript(t *testing.T, script string, printed func(out, errs string) bool, args ...string) result {
	t.Helper()
	var out, errs lockedBuffer
	end := readerFunc(func([]byte) (int, error) {
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if printed(out.String(), errs.String()) {
				return 0, io.EOF
			}
		}
		return 0, errors.New("waited in vain for the output")
	})
	args = append([]string{"connect", "--wait", "0s"}, args...)
	status := run(t.Context(), args, io.MultiReader(strings.NewReader(script), end), &out, &errs)
	return result{status, out.String(), errs.String()}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// answered is what runScript waits for when the output is all that counts.
func answered(want string) func(out, errs string) bool {
	return func(out, _ string) bool { return len(out) >= len(want) }
}

func TestScriptIsSentLineByLineAndAnswersAreAllThatIsPrinted(t *testing.T) {
	want := "hello\n\n/slash\nκόσμε\n"
	r := runScript(t, "hello\n\n//slash\nκόσμε\n", answered(want), devNode(t))
	r.check(t, 0, want, "connected to ws://127.0.0.1:", "closed with 1000 normal closure")
}

func TestBinaryScript(t *testing.T) {
	want := "binary 3 616263\nbinary 1 ff\n"
	runScript(t, "abc\n\xff\n", answered(want), "--binary", devNode(t)).check(t, 0, want)
}

func TestPipedTextPassesUntouched(t *testing.T) {
	url := peer(t, func(c *websocket.Conn) {
		c.Write(context.Background(), websocket.Text, []byte("\x1b[31mred\r"))
		c.Close(websocket.StatusNormalClosure, "")
	}, nil)
	runCommand(t, endless(t), "connect", url).check(t, 0, "\x1b[31mred\r\n", "closed by the server: 1000")
}

func TestControlLines(t *testing.T) {
	url := devNode(t)
	for _, c := range []struct {
		proves, script string
		errs           []string
	}{
		{"ping", "/ping\n", []string{"pong after "}},
		{"close", "/close\nnever sent\n", []string{"closed with 1000", "the server answered 1000"}},
		{"close with code and reason", "/close 4001 had enough\n", []string{"closed with 4001: had enough", "answered 4001"}},
		{"close with a code that may not travel", "/close 1006\n/close soon\n", []string{"1006 is no code", "soon is no code"}},
		{"help", "/help\n", []string{"/close [code] [reason]"}},
		{"unknown", "/frob\n", []string{"/frob is no command, and was not sent"}},
	} {
		t.Run(c.proves, func(t *testing.T) {
			runCommand(t, strings.NewReader(c.script), "connect", "--wait", "0s", url).check(t, 0, "", c.errs...)
		})
	}
}

func TestTextThatIsNotUTF8IsRefusedBeforeTheServerDoes(t *testing.T) {
	runCommand(t, strings.NewReader("a\xffb\n"), "connect", devNode(t)).
		check(t, 1, "", `"a\xffb" is not UTF-8`, "use --binary")
}

func TestExitStatusFollowsTheServersClose(t *testing.T) {
	for _, c := range []struct {
		code   websocket.StatusCode
		reason string
		status int
		said   string
	}{
		{websocket.StatusNormalClosure, "bye", 0, "closed by the server: 1000 normal closure: bye"},
		{websocket.StatusGoingAway, "", 0, "closed by the server: 1001 going away"},
		{websocket.StatusPolicyViolation, "no \x1b[31m", 1, `closed by the server: 1008 policy violation: no \x1b[31m`},
		{4000, "own", 1, "closed by the server: 4000: own"},
	} {
		t.Run(c.code.String(), func(t *testing.T) {
			url := peer(t, func(c2 *websocket.Conn) { c2.Close(c.code, c.reason) }, nil)
			runCommand(t, endless(t), "connect", url).check(t, c.status, "", c.said)
		})
	}
}

func TestBrokenConnectionIsAnError(t *testing.T) {
	url := peer(t, func(c *websocket.Conn) { c.CloseNow() }, nil)
	runCommand(t, endless(t), "connect", url).check(t, 1, "", "the connection broke")
}

func TestInterruptClosesInGoodOrder(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	codes := make(chan websocket.StatusCode, 1)
	url := peer(t, func(c *websocket.Conn) {
		c.Read(context.Background()) // what is sent shows that the client is past its handshake
		interrupt()
		_, _, err := c.Read(context.Background())
		codes <- websocket.CloseStatus(err)
	}, nil)
	var out, errs lockedBuffer
	in := io.MultiReader(strings.NewReader("ready\n"), endless(t))
	if status := run(ctx, []string{"connect", url}, in, &out, &errs); status != 0 {
		t.Errorf("exit status %d: %s", status, errs.String())
	}
	if code := <-codes; code != websocket.StatusNormalClosure {
		t.Errorf("the server saw %v", code)
	}
}

func TestHandshakeRefusalPrintsStatusAndSentence(t *testing.T) {
	url := devNode(t)
	for _, c := range []struct {
		proves string
		args   []string
		said   []string
	}{
		{"foreign origin", []string{url, "--origin", "https://evil.example"}, []string{"403 Forbidden", "https://evil.example"}},
		{"bad channel", []string{url + "%0a"}, []string{"400 Bad Request", "U+000A"}},
		{"no such path", []string{strings.Replace(url, "channels", "rooms", 1)}, []string{"404 Not Found", "/channels/{channel}"}},
		{"nobody there", []string{"ws://127.0.0.1:1/"}, []string{"connecting to ws://127.0.0.1:1/: dial"}},
	} {
		t.Run(c.proves, func(t *testing.T) {
			runCommand(t, strings.NewReader(""), append([]string{"connect"}, c.args...)...).check(t, 1, "", c.said...)
		})
	}
}

func TestFlagsReachTheHandshake(t *testing.T) {
	url := peer(t, echo, &websocket.AcceptOptions{
		Subprotocols: []string{"chat"},
		Compression:  websocket.Compression{Mode: websocket.CompressionTakeover},
	})
	r := runCommand(t, strings.NewReader(""), "connect", url, "--subprotocol", "graphql", "--subprotocol", "chat",
		"--compression", "takeover", "--wait", "0s")
	r.check(t, 0, "", "subprotocol chat, permessage-deflate")

	headers := make(chan http.Header, 1)
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header
		http.Error(w, "not \x1b[31mtoday", http.StatusTeapot)
	}))
	defer refuses.Close()
	r = runCommand(t, strings.NewReader(""), "connect", refuses.URL, "-H", "Authorization: Bearer x:y", "--header", "X-A:1", "-H", "X-A: 2")
	r.check(t, 1, "", "418 I'm a teapot", `not \x1b[31mtoday`)
	got := <-headers
	if got.Get("Authorization") != "Bearer x:y" || len(got["X-A"]) != 2 {
		t.Errorf("the server got %v", got)
	}
}

func TestVerboseShowsFrames(t *testing.T) {
	r := runScript(t, "hello\n/ping\n", answered("hello\n"), "-v", devNode(t))
	r.check(t, 0, "hello\n",
		"101 Switching Protocols", "sent text FIN masked, 5 bytes", "received text FIN, 5 bytes", "sent ping FIN masked",
		"received pong FIN", "sent close FIN masked, 2 bytes", "received close FIN")
}

func TestInsecureSkipsVerificationAndSaysSo(t *testing.T) {
	s := httptest.NewUnstartedServer(websocket.Handler(echo, nil))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	url := "wss" + strings.TrimPrefix(s.URL, "https")
	runCommand(t, strings.NewReader("hello\n"), "connect", url).check(t, 1, "", "certificate")
	runScript(t, "hello\n", answered("hello\n"), "--insecure", "-v", url).
		check(t, 0, "hello\n", "not verified", "sent text message, 5 bytes", "received text message, 5 bytes")
}

func TestPingsAreRemarkedOn(t *testing.T) {
	ponged := func(_, errs string) bool { return strings.Count(errs, "* pong after ") > 1 }
	runScript(t, "", ponged, "-v", "--ping", "20ms", peer(t, echo, nil)).check(t, 0, "", "sent ping FIN masked")
}

func TestScriptedCloseWaitsForAnswers(t *testing.T) {
	url := peer(t, func(c *websocket.Conn) {
		c.Read(context.Background())
		c.Write(context.Background(), websocket.Text, []byte("answer"))
		c.Close(websocket.StatusNormalClosure, "done")
	}, nil)
	runCommand(t, strings.NewReader("question\n/close 4001 bye\nnever sent\n"), "connect", url, "--wait", "1h").
		check(t, 0, "answer\n", "closed by the server: 1000 normal closure: done")
}

func TestTheReasonShownIsTheOneThatWasSent(t *testing.T) {
	r := runCommand(t, strings.NewReader("/close 4001 "+strings.Repeat("é", 70)+"\n"), "connect", "--wait", "0s", devNode(t))
	r.check(t, 0, "", "closed with 4001: "+strings.Repeat("é", 61)+"\n")
}

// endless is an input that says nothing until the test is over.
func endless(t *testing.T) io.Reader {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	return r
}

func TestPersonAtATerminalSeesMarkedAndPrintableMessages(t *testing.T) {
	var out, notes lockedBuffer
	c := &console{out: &out, notes: &notes, terminal: true}
	c.message(websocket.Text, []byte("hi \x1b[2J\nthere"))
	c.message(websocket.Binary, []byte("\x00\x01abc"))
	c.message(websocket.Binary, make([]byte, longestDump+5))
	got := out.String()
	for _, want := range []string{
		"< hi \\x1b[2J\n  there\n",
		"< binary, 5 bytes\n  00000000  00 01 61 62 63",
		"|..abc|\n",
		"  and 5 bytes more\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%.600s", want, got)
		}
	}
}

func TestAnswersAreAwaitedAfterTheEndOfAScript(t *testing.T) {
	url := peer(t, func(c *websocket.Conn) {
		c.Read(context.Background())
		c.Write(context.Background(), websocket.Text, []byte("answer"))
		c.Close(websocket.StatusNormalClosure, "done")
	}, nil)
	runCommand(t, strings.NewReader("question\n"), "connect", url, "--wait", "1h").
		check(t, 0, "answer\n", "1000 normal closure: done")
}

// devConfig is the configuration of a node in dev mode.
func devConfig(address string) config.Config {
	c := config.Default()
	c.Dev, c.Listen.Address = true, address
	return c
}
