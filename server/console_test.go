package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

const consoleToken = "a-token-of-the-console"

func withConsole(c *config.Config) { c.Console.Token = consoleToken }

// locked is a buffer that many may write.
type locked struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// ended waits until the console tells of an ending of a user, and returns it.
func ended(t *testing.T, address net.Addr, user string) (one struct {
	Transport, Protocol, Code, Cause, Advice string
	Refused                                  bool
	ClosedBy                                 string `json:"closed_by"`
	CloseCode                                int    `json:"close_code"`
}) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		_, answer := answerOf(t, address, "GET", "/console/api/ended?find="+user, consoleToken, "")
		var page struct{ Ended []json.RawMessage }
		if err := json.Unmarshal([]byte(answer), &page); err != nil {
			t.Fatalf("%v in %s", err, answer)
		}
		if len(page.Ended) > 0 {
			if err := json.Unmarshal(page.Ended[0], &one); err != nil {
				t.Fatal(err)
			}
			return one
		}
	}
	t.Fatalf("nobody tells why %s has gone", user)
	return one
}

func TestTheConsoleIsWhereTheAPIIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(consoleToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		proves          string
		change          func(*config.Config)
		public, private int
	}{
		{"without a token there is none", func(*config.Config) {}, 404, 0},
		{"nor on the private listener", func(c *config.Config) { c.Listen.Private = "127.0.0.1:0" }, 404, 404},
		{"with a token it is with the clients", withConsole, 200, 0},
		{"with a private listener it is there alone", func(c *config.Config) { withConsole(c); c.Listen.Private = "127.0.0.1:0" }, 404, 200},
		{"the token may stand in a file", func(c *config.Config) { c.Console.TokenFile = file }, 200, 0},
		{"dev mode has the token that is configured", func(c *config.Config) { withConsole(c); c.Dev = true }, 200, 0},
		{"dev mode makes another one", func(c *config.Config) { c.Dev = true }, 401, 0},
	} {
		node := start(t, changed(c.change))
		if status, body := answerOf(t, node.Addr(), "GET", "/console/api/node", consoleToken, ""); status != c.public {
			t.Errorf("%s: clients are answered %d: %s", c.proves, status, body)
		}
		if address := node.PrivateAddr(); address != nil {
			if status, body := answerOf(t, address, "GET", "/console/api/node", consoleToken, ""); status != c.private {
				t.Errorf("%s: operators are answered %d: %s", c.proves, status, body)
			}
		}
	}
}

func TestTokensThatCanBeGuessedAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*config.Config){
		"console.token is 5 bytes long":        func(c *config.Config) { c.Console.Token = "short" },
		"console.token_file is given, and so":  func(c *config.Config) { c.Console.Token = consoleToken; c.Console.TokenFile = file },
		"console.token_file: the token in":     func(c *config.Config) { c.Console.TokenFile = file },
		"console.token_file: the token cannot": func(c *config.Config) { c.Console.TokenFile = file + ".none" },
	} {
		c := changed(change)
		c.Listen.Address = "127.0.0.1:0"
		if _, err := server.New(c, server.Options{}); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "short\n") {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func TestDevModeWritesWhereTheConsoleIs(t *testing.T) {
	var log locked
	node := start(t, inDevMode(), slog.New(slog.NewTextHandler(&log, nil)))
	place := regexp.MustCompile(`page="(http://127\.0\.0\.1:[0-9]+/console/)#token=([A-Z0-9]{20,})"`)
	for deadline := time.Now().Add(30 * time.Second); !place.MatchString(log.String()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say where:\n%s", &log)
		}
	}
	found := place.FindStringSubmatch(log.String())
	if status, body := answerOf(t, node.Addr(), "GET", "/console/api/node", found[2], ""); status != 200 {
		t.Errorf("the token does not let in: %d %s", status, body)
	}
	if _, values := answerOf(t, node.Addr(), "GET", "/console/api/config", found[2], ""); strings.Contains(values, found[2]) {
		t.Error("the configuration shows the token")
	}
	var quiet locked
	start(t, changed(withConsole), slog.New(slog.NewTextHandler(&quiet, nil)))
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(quiet.String(), "/console/"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say where:\n%s", &quiet)
		}
	}
	if strings.Contains(quiet.String(), consoleToken) {
		t.Error("the log holds a token that was configured")
	}
}

// Each way to go is told with who closed, a code where there is one, and what to do.
func TestTheConsoleTellsWhyClientsHaveGone(t *testing.T) {
	node := start(t, changed(func(c *config.Config) {
		withConsole(c)
		withKey(c)
		c.Dev = true // so that clients may call themselves what they like
		c.KeepAlive.Interval, c.KeepAlive.Timeout = 300*time.Millisecond, 300*time.Millisecond
	}))
	said := dial(t, node, "/connect?user=said-goodbye")
	said.Close(websocket.StatusGoingAway, "")
	cut := dial(t, node, "/channels/news?user=was-cut")
	cut.CloseNow()
	operator := dial(t, node, "/connect?user=thrown-out")
	ask(t, node, 200, "POST", "/api/v1/disconnect", apiKey, `{"user":"thrown-out","code":4007,"reason":"enough"}`)
	operator.Read(t.Context())
	broken := dial(t, node, "/channels/news?user=too-long")
	broken.Write(t.Context(), websocket.Text, make([]byte, 100<<10))
	broken.Read(t.Context())
	dial(t, node, "/channels/news?user=silent") // nobody reads, so nobody answers pings
	listener := listen(t, node, "/channels/news?user=listener")
	listener.Body.Close()
	poller := handshake(t, node, "/socket.io/?EIO=4&transport=polling&user=poller")
	for _, c := range []struct{ user, by, code, says, advice string }{
		{"said-goodbye", "client", "", "has gone", "page was left"},
		{"was-cut", "network", "", "line to the client broke", "Close frame"},
		{"thrown-out", "server", "disconnected", "enough", "operator"},
		{"too-long", "server", "too_large", "65536", "limits.message_size"},
		{"silent", "network", "", "did not answer a ping", "keep_alive.timeout"},
		{"listener", "client", "", "has gone", "gone"},
		{"poller", "client", "", "has gone", "gone"},
	} {
		if c.user == "poller" {
			poller()
		}
		got := ended(t, node.Addr(), c.user)
		if got.ClosedBy != c.by || got.Code != c.code || !strings.Contains(got.Cause, c.says) || !strings.Contains(got.Advice, c.advice) {
			t.Errorf("%s: %+v", c.user, got)
		}
		if want := map[string]string{"listener": "sse", "poller": "socketio_polling"}[c.user]; want != "" && got.Transport != want {
			t.Errorf("%s: the transport is %q, want %q", c.user, got.Transport, want)
		}
		if want := map[string]int{"said-goodbye": 1001, "thrown-out": 4007, "too-long": 1009}[c.user]; got.CloseCode != want {
			t.Errorf("%s: the close code is %d, want %d", c.user, got.CloseCode, want)
		}
	}
}

// listen opens an event stream.
func listen(t *testing.T, node *server.Server, path string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://%s%s", node.Addr(), path), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// handshake connects a Socket.IO client that polls, and returns what has it say goodbye.
func handshake(t *testing.T, node *server.Server, path string) (leave func()) {
	t.Helper()
	_, answer := answerOf(t, node.Addr(), "GET", path, "", "")
	var opened struct{ Sid string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(answer, "0")), &opened); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	path += "&sid=" + opened.Sid
	post := func(packet string) {
		response, err := http.Post(fmt.Sprintf("http://%s%s", node.Addr(), path), "text/plain", strings.NewReader(packet))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	post("40")
	answerOf(t, node.Addr(), "GET", path, "", "") // that it is connected
	return func() { post("1") }
}

func TestRefusedHandshakesAreTold(t *testing.T) {
	node := start(t, changed(withConsole))
	h := http.Header{"Origin": {"https://evil.example"}}
	if _, _, err := websocket.Dial(t.Context(), fmt.Sprintf("ws://%s/connect", node.Addr()), &websocket.DialOptions{Header: h}); err == nil {
		t.Fatal("a foreign page may connect")
	}
	got := ended(t, node.Addr(), "foreign_origin")
	if !got.Refused || got.Transport != "websocket" || got.ClosedBy != "server" || !strings.Contains(got.Advice, "origins") {
		t.Errorf("%+v", got)
	}
}

func TestTheRoundTripOfAClientIsMeasured(t *testing.T) {
	node := start(t, changed(func(c *config.Config) { withConsole(c); c.Dev = true }))
	c := dial(t, node, "/connect?user=ann")
	go func() { // answers pings
		for {
			if _, _, err := c.Read(t.Context()); err != nil {
				return
			}
		}
	}()
	var page struct{ Sessions []struct{ ID string } }
	_, answer := answerOf(t, node.Addr(), "GET", "/console/api/sessions?find=ann", consoleToken, "")
	if err := json.Unmarshal([]byte(answer), &page); err != nil || len(page.Sessions) != 1 {
		t.Fatalf("%s %v", answer, err)
	}
	_, answer = answerOf(t, node.Addr(), "GET", "/console/api/sessions/"+page.Sessions[0].ID, consoleToken, "")
	var got struct {
		RoundTrip *float64 `json:"round_trip_seconds"`
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil || got.RoundTrip == nil || *got.RoundTrip <= 0 {
		t.Errorf("%s, %v", answer, err)
	}
}

func TestADrainIsAskedForOnTheConsole(t *testing.T) {
	node := start(t, changed(withConsole))
	ask(t, node, 401, "POST", "/console/api/drain", "", "")
	for range 2 {
		ask(t, node, 200, "POST", "/console/api/drain", consoleToken, "")
	}
	select {
	case <-node.DrainAsked():
	default:
		t.Error("nobody is told")
	}
	ask(t, node, 503, "GET", "/readyz", "", "")
	if about := ask(t, node, 200, "GET", "/console/api/node", consoleToken, ""); !strings.Contains(about, `"draining":true`) {
		t.Error(about)
	}
}

// A stream is no answer that has to come within limits.answer_timeout.
func TestStreamsOfTheConsoleOutliveTheTimeOfAnAnswer(t *testing.T) {
	node := start(t, changed(func(c *config.Config) {
		withConsole(c)
		c.Limits.AnswerTimeout, c.Limits.RequestTimeout, c.Limits.HandshakeTimeout = 500*time.Millisecond, 500*time.Millisecond, 500*time.Millisecond
	}))
	r, _ := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://%s/console/api/samples", node.Addr()), nil)
	r.Header.Set("Authorization", "Bearer "+consoleToken)
	response, err := http.DefaultClient.Do(r)
	if err != nil || response.StatusCode != 200 {
		t.Fatal(response, err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for samples := 0; samples < 3; { // one a second
		switch more := lines.Scan(); {
		case more && lines.Text() == "": // only shows that the stream lives
		case more && strings.Contains(lines.Text(), `"loop_lag_seconds"`):
			samples++
		default:
			t.Fatalf("%q, %v", lines.Text(), lines.Err())
		}
	}
}

// A stream that stays open would hold a stopping node up.
func TestStreamsOfTheConsoleEndWithTheNode(t *testing.T) {
	for _, change := range []func(*config.Config){withConsole, func(c *config.Config) { withConsole(c); c.Listen.Private = "127.0.0.1:0" }} {
		var log locked
		c := changed(change)
		c.Listen.Address = "127.0.0.1:0"
		node, err := server.New(c, server.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		go node.Serve()
		address := node.Addr()
		if private := node.PrivateAddr(); private != nil {
			address = private
		}
		r, _ := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://%s/console/api/samples", address), nil)
		r.Header.Set("Authorization", "Bearer "+consoleToken)
		response, err := http.DefaultClient.Do(r)
		if err != nil || response.StatusCode != 200 {
			t.Fatal(response, err)
		}
		defer response.Body.Close()
		if err := node.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		io.Copy(io.Discard, response.Body) // it ends
		if strings.Contains(log.String(), "cut the requests") {
			t.Errorf("the stream was waited for and cut:\n%s", &log)
		}
	}
}
