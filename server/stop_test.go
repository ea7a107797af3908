package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/websocket"
)

func TestShutdownSaysGoodbyeAndStopsListening(t *testing.T) {
	node := start(t, inDevMode())
	c := dial(t, node, "/channels/lobby")
	done := make(chan error, 1)
	go func() { done <- node.Shutdown(t.Context()) }()
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("the client saw %v, want close code 1012", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", node.Addr().String()); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}

func TestShutdownWaitsForNoPollAndNoEventStream(t *testing.T) {
	node := start(t, inDevMode())
	answers := make(chan error, 2)
	for _, query := range []string{"wait=60s", "transport=sse"} {
		response := make(chan struct{})
		go func() {
			r, err := http.Get(fmt.Sprintf("http://%s/channels/lobby?%s", node.Addr(), query))
			close(response)
			if err == nil {
				_, err = io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
			answers <- err
		}()
		if query == "transport=sse" {
			<-response
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // half of what the poll would wait
	defer cancel()
	if err := node.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	for range 2 {
		<-answers // with an error if the poll came too late, which is fine
	}
}

func TestShutdownIsBoundedEvenIfAClientNeverAnswers(t *testing.T) {
	node := start(t, inDevMode())
	conn, err := net.Dial("tcp", node.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /channels/lobby HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := node.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) { // the rest may have ended in what was left
		t.Errorf("shutdown: %v", err)
	}
}

// halfPost sends the beginning of a publication, and returns when the node reads it.
func halfPost(t *testing.T, node *server.Server) *net.TCPConn {
	t.Helper()
	c := connect(t, node)
	fmt.Fprint(c, "POST /channels/lobby HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\nExpect: 100-continue\r\n\r\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	fmt.Fprint(c, "hel")
	return c
}

func TestARequestThatIsSentByHalfFailsNoStop(t *testing.T) {
	t.Parallel()
	log := new(lines) // to which a request that was cut may still write
	c := inDevMode()
	c.Drain.Window = time.Second
	c.Limits.RequestTimeout = time.Hour // so that nothing else ends it
	node := start(t, c, slog.New(slog.NewTextHandler(log, nil)))
	post := halfPost(t, node)
	events, err := http.Get(fmt.Sprintf("http://%s/channels/lobby?transport=sse", node.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := node.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	rest(t, post)
	if said, err := io.ReadAll(events.Body); err != nil || !strings.Contains(string(said), "event: end") {
		t.Errorf("the event stream: %q, %v", said, err)
	}
	if !strings.Contains(log.String(), `msg="cut the requests that had not ended after drain.window" requests=1`) {
		t.Errorf("the log says\n%s", log)
	}
}

func TestEventsThatAreLostAtAStopAreAnErrorThatSaysWhatToChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proves, dir string
		lost        bool
	}{
		{"in memory", "", true},
		{"in a directory", t.TempDir(), false},
	} {
		t.Run(c.proves, func(t *testing.T) {
			asked, over := make(chan struct{}, 16), make(chan struct{})
			service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				asked <- struct{}{}
				<-over
			}))
			defer service.Close()
			defer close(over)
			o := changed(func(o *config.Config) {
				o.Listen.Address, o.Dev = "127.0.0.1:0", true
				o.Backend.Secret = config.Secret(strings.Repeat("s", 32))
				o.Backend.Events.URL, o.Backend.Events.Dir = service.URL, c.dir
			})
			node, err := server.New(o, server.Options{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			go node.Serve()
			client := dial(t, node, "/channels/lobby")
			<-asked // what else there is to tell waits behind it
			client.CloseNow()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			err = node.Shutdown(ctx)
			if c.lost != (err != nil && strings.Contains(err.Error(), "are lost") && strings.Contains(err.Error(), "backend.events.dir")) || !c.lost && err != nil {
				t.Errorf("shutdown: %v", err)
			}
			if strings.Contains(fmt.Sprint(err), "EventsOptions") {
				t.Errorf("it names what no operator knows: %v", err)
			}
		})
	}
}

// One that goes last keeps the node from stopping, as many do that are told one after the other.
func TestUntilEverybodyWasToldTheNodeAnswersAndSaysWhenToComeBack(t *testing.T) {
	node := start(t, inDevMode())
	last := upgrade(t, node, "/channels/lobby") // answers no goodbye for as long as it is waited for
	stopped := make(chan error, 1)
	go func() { stopped <- node.Shutdown(context.WithoutCancel(t.Context())) }()
	head := make([]byte, 2)
	if _, err := io.ReadFull(last, head); err != nil || head[0] != 0x88 {
		t.Fatalf("%x, %v; want a close frame", head, err)
	}
	status, _ := answerOf(t, node.Addr(), "GET", "/readyz", "", "")
	if status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", status)
	}
	for _, c := range []struct {
		method, path string
		status       int
		told         bool
	}{
		{"GET", "/channels/lobby", 200, true},
		{"POST", "/channels/lobby", 201, false},
		{"GET", "/channels/lobby?transport=sse", 503, true},
		{"GET", "/connect", 503, true},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, fmt.Sprintf("http://%s%s", node.Addr(), c.path), strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		if c.path == "/connect" {
			r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
				"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}}
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != c.status || (response.Header.Get("Retry-After") != "") != c.told {
			t.Errorf("%s %s: %s, Retry-After %q", c.method, c.path, response.Status, response.Header.Get("Retry-After"))
		}
	}
	last.Close()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestWhoeverElseStopsANodeWaitsUntilItHasStopped(t *testing.T) {
	t.Parallel()
	node := start(t, inDevMode())
	dial(t, node, "/channels/lobby")
	var stops sync.WaitGroup
	for range 4 {
		stops.Go(func() {
			if err := node.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if conn, err := net.Dial("tcp", node.Addr().String()); err == nil {
				conn.Close()
				t.Error("it still listens")
			}
		})
	}
	stops.Wait()
}
