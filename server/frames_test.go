package server_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

// frame is one that the console shows.
type frame struct {
	Seq               uint64
	Direction, Opcode string
	Fin, RSV1, Masked bool
	Wire              int64  `json:"wire_bytes"`
	Inflated          *int64 `json:"inflated_bytes"`
	Payload           string
	CloseCode         int `json:"close_code"`
	Redacted          bool
}

func (f frame) String() string {
	text := fmt.Sprintf("%s %s %s", f.Direction, f.Opcode, f.Payload)
	if f.CloseCode != 0 {
		text += fmt.Sprint(" ", f.CloseCode)
	}
	return text
}

// watched is a session whose frames are pulled.
type watched struct {
	t     *testing.T
	node  inspected
	path  string
	after uint64
	ended bool
}

// inspected is a node that has a console.
type inspected struct {
	*server.Server
	base   string
	client *http.Client
}

func inspect(t *testing.T, change func(*config.Config), trust *tls.Config) inspected {
	t.Helper()
	node := start(t, changed(func(c *config.Config) { withConsole(c); withKey(c); c.Dev = true; change(c) }))
	i := inspected{node, "http://" + node.Addr().String(), http.DefaultClient}
	if trust != nil {
		i.base = "https://" + node.Addr().String()
		transport := &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		i.client = &http.Client{Transport: transport}
	}
	return i
}

// do sends a request. The body of its answer is open.
func (n inspected) do(t *testing.T, method, path, key, accept, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, n.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Accept", accept)
	if key == "" {
		r.Header.Del("Authorization")
	}
	response, err := n.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// get reads an answer of the console.
func (n inspected) get(t *testing.T, path string, into any) {
	t.Helper()
	response := n.do(t, "GET", "/console/api"+path, consoleToken, "*/*", "")
	body, _ := io.ReadAll(response.Body)
	if err := json.Unmarshal(body, into); err != nil || response.StatusCode != 200 {
		t.Fatalf("%s: %s: %s %v", path, response.Status, body, err)
	}
}

// publish publishes as the server.
func (n inspected) publish(t *testing.T, channel, data string) {
	t.Helper()
	if response := n.do(t, "POST", "/channels/"+channel, "", "*/*", data); response.StatusCode/100 != 2 {
		t.Fatal(response.Status)
	}
}

// watch begins to watch the only session of a user.
func (n inspected) watch(t *testing.T, user string) *watched {
	t.Helper()
	var page struct{ Sessions []struct{ ID string } }
	for deadline := time.Now().Add(30 * time.Second); len(page.Sessions) == 0; time.Sleep(5 * time.Millisecond) {
		n.get(t, "/sessions?find="+user, &page)
		if time.Now().After(deadline) {
			t.Fatalf("there is no session of %s", user)
		}
	}
	w := &watched{t: t, node: n, path: "/sessions/" + page.Sessions[0].ID + "/frames"}
	w.pull("0s")
	return w
}

// pull returns what has passed since the last time.
func (w *watched) pull(wait string) []frame {
	w.t.Helper()
	var answer struct {
		Frames       []frame
		Next, Missed uint64
		Ended        bool
	}
	w.node.get(w.t, fmt.Sprintf("%s?after=%d&wait=%s", w.path, w.after, wait), &answer)
	if answer.Missed > 0 {
		w.t.Errorf("%d frames are missing", answer.Missed)
	}
	w.after, w.ended = answer.Next, answer.Ended
	return answer.Frames
}

// until pulls until there was a frame with each of these in it, in this order; others may stand between.
func (w *watched) until(wants ...string) (found []frame) {
	w.t.Helper()
	var all []frame
	for deadline := time.Now().Add(30 * time.Second); ; {
		frames := w.pull("1s")
		all = append(all, frames...)
		for _, f := range frames {
			if strings.Contains(f.String(), wants[len(found)]) {
				if found = append(found, f); len(found) == len(wants) {
					return found
				}
			}
		}
		if time.Now().After(deadline) || w.ended {
			w.t.Fatalf("no frame with %q among %v", wants[len(found)], all)
		}
	}
}

// untilEnded pulls until the session has ended.
func (w *watched) untilEnded() {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !w.ended; {
		w.pull("1s")
		if time.Now().After(deadline) {
			w.t.Fatal("nobody says that the session has ended")
		}
	}
}

func TestTheConsoleShowsTheFramesOfAWebSocket(t *testing.T) {
	files := filesIn(t.TempDir())
	for name, trust := range map[string]*tls.Config{"plain": nil, "TLS": certify(t, "chat.example", files)} {
		t.Run(name, func(t *testing.T) {
			n := inspect(t, func(c *config.Config) {
				if trust != nil {
					c.Listen.TLS = files
				}
			}, trust)
			c, _, err := websocket.Dial(t.Context(), strings.Replace(n.base, "http", "ws", 1)+"/connect?user=ann",
				&websocket.DialOptions{TLSConfig: trust})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.CloseNow() })
			w := n.watch(t, "ann")
			say := func(command string) {
				if err := c.Write(t.Context(), websocket.Text, []byte(command)); err != nil {
					t.Fatal(err)
				}
			}
			say(`{"type":"subscribe","channel":"news"}`)
			w.until(`in text {"type":"subscribe"`, `out text {"type":"subscribed"`)
			n.publish(t, "news", `"`+strings.Repeat("much of the same ", 100)+`"`)
			f := w.until(`out text {"type":"message"`)[0]
			if !f.Fin || f.RSV1 || f.Masked || f.Inflated == nil || f.Wire != *f.Inflated+4 || *f.Inflated != int64(len(f.Payload)) {
				t.Errorf("a publication: %+v", f)
			}
			say(`{"type":"authenticate","token":"hunter2"}`)
			f = w.until("authenticate")[0]
			if f.Payload != `{"type":"authenticate","token":"…"}` || !f.Redacted || !f.Masked || f.Direction != "in" {
				t.Errorf("a command with a secret: %+v", f)
			}
			go c.Ping(t.Context())
			go c.CloseRead(t.Context())
			w.until("in ping", "out pong")
			c.Close(4321, "enough")
			w.until("in close enough 4321", "out close")
			w.untilEnded()
		})
	}
}

func TestTheConsoleShowsTheEventsOfAStream(t *testing.T) {
	files := filesIn(t.TempDir())
	for name, trust := range map[string]*tls.Config{"on the event loop": nil, "over HTTP/2": certify(t, "chat.example", files)} {
		t.Run(name, func(t *testing.T) {
			n := inspect(t, func(c *config.Config) {
				if trust != nil {
					c.Listen.TLS = files
				}
			}, trust)
			stream := n.do(t, "GET", "/channels/news?user=ann", "", "text/event-stream", "")
			w := n.watch(t, "ann")
			long := strings.Repeat("0123456789", 2000)
			n.publish(t, "news", `one`)
			n.publish(t, "news", long)
			n.publish(t, "news", `{"password":"hunter2"}`)
			f := w.until("data: one\n\n", "data: 0123", "…")
			if f[0].Opcode != "event" || f[0].Direction != "out" || f[0].Wire != int64(len(f[0].Payload)) || !strings.HasPrefix(f[0].Payload, "id: ") {
				t.Errorf("an event: %+v", f[0])
			}
			if f[1].Wire < 20_000 || len(f[1].Payload) != 4096 {
				t.Errorf("a long event of %d bytes, of which %d are shown", f[1].Wire, len(f[1].Payload))
			}
			if strings.Contains(f[2].Payload, "hunter2") || !f[2].Redacted {
				t.Errorf("an event with a secret: %+v", f[2])
			}
			stream.Body.Close()
			w.untilEnded()
		})
	}
}

func TestTheConsoleShowsTheAnswerToAPoll(t *testing.T) {
	n := inspect(t, func(*config.Config) {}, nil)
	answered := make(chan string)
	go func() {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", n.base+"/channels/news?user=ann&wait=30s", nil)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	w := n.watch(t, "ann")
	n.publish(t, "news", "hello")
	answer := <-answered
	f := w.until("out poll")[0]
	if f.Payload != answer || f.Wire != int64(len(answer)) {
		t.Errorf("%+v, want %q", f, answer)
	}
	w.untilEnded()
}

func TestTheConsoleShowsASocketIOClientFromPollingOn(t *testing.T) {
	n := inspect(t, func(*config.Config) {}, nil)
	path := "/socket.io/?EIO=4&user=ann"
	body := func(method, packet string) string {
		response := n.do(t, method, path+"&transport=polling", "", "*/*", packet)
		content, _ := io.ReadAll(response.Body)
		return string(content)
	}
	var opened struct{ Sid string }
	if err := json.Unmarshal([]byte(body("GET", "")[1:]), &opened); err != nil {
		t.Fatal(err)
	}
	path += "&sid=" + opened.Sid
	body("POST", "40")
	body("GET", "")
	w := n.watch(t, "ann")
	body("POST", `420["authenticate","hunter2"]`)
	body("GET", "")
	f := w.until("in poll", "out poll")
	if f[0].Payload != `420["authenticate","…"]` || !f[0].Redacted || f[0].Wire != int64(len(`420["authenticate","hunter2"]`)) {
		t.Errorf("a packet with a secret: %+v", f[0])
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, strings.Replace(n.base, "http", "ws", 1)+path+"&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	for _, packet := range []string{"2probe", "5"} {
		if err := c.Write(ctx, websocket.Text, []byte(packet)); err != nil {
			t.Fatal(err)
		}
		if packet == "2probe" {
			if _, got, err := c.Read(ctx); err != nil || string(got) != "3probe" {
				t.Fatalf("%q, %v", got, err)
			}
		}
	}
	if err := c.Write(ctx, websocket.Text, []byte(`421["history","news"]`)); err != nil {
		t.Fatal(err)
	}
	w.until(`in text 421["history","news"]`, "out text 431")
	c.Close(websocket.StatusNormalClosure, "")
	w.until("in close", "out close")
	w.untilEnded()
}
