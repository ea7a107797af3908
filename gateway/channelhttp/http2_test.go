package channelhttp_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
)

// listen2 opens an event stream over HTTP/2.
func (n *node) listen2(pathAndQuery string) *eventReader {
	n.t.Helper()
	if n.secure == nil {
		n.secure = httptest.NewUnstartedServer(n.mux)
		n.secure.EnableHTTP2 = true
		n.secure.Config.ReadTimeout, n.secure.Config.WriteTimeout = n.timeout, n.timeout
		n.secure.StartTLS()
		n.t.Cleanup(n.secure.Close)
	}
	request, err := http.NewRequestWithContext(n.t.Context(), "GET", n.secure.URL+pathAndQuery, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	response, err := n.secure.Client().Do(request)
	if err != nil {
		n.t.Fatal(err)
	}
	if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
		n.t.Fatalf("%s %s: %s", response.Proto, response.Status, read(n.t, response))
	}
	n.t.Cleanup(func() { response.Body.Close() })
	return &eventReader{response: response, lines: bufio.NewReader(response.Body), close: func() { response.Body.Close() }}
}

func TestAListenerOverHTTP2ThatGoesAwayIsNoticed(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	events := n.listen2(path("lobby")).begin(t)
	n.publish("lobby", "hello")
	if got := events.hear(t).data; got != "hello" {
		t.Errorf("heard %q", got)
	}
	events.response.Body.Close()
	n.until(func() bool { return n.hub.Sessions() == 0 })
}

func TestTheTimeOutsOfTheServerEndNoEventStream(t *testing.T) {
	t.Parallel()
	options := channelhttp.Options{}
	options.Accept.KeepAlive.Interval = 4 * time.Second
	n := start(t, hub.Options{}, options)
	n.timeout = 3 * time.Second // within which a request must have come to the gateway, however busy the machine is
	events := n.listen2(path("lobby")).begin(t)
	for range 2 { // heartbeats, each later than the server would have it
		if line, err := events.lines.ReadString('\n'); line != ":\n" || err != nil {
			t.Fatalf("read %q, %v", line, err)
		}
		events.lines.ReadString('\n')
	}
	n.publish("lobby", "hello")
	if got := events.hear(t).data; got != "hello" {
		t.Errorf("heard %q", got)
	}
	answer, err := n.secure.Client().Get(n.secure.URL + path("lobby") + "wait=4s&after=" + events.lastID)
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, answer); !strings.Contains(body, `"messages":[]`) {
		t.Errorf("a poll is answered with %s", body)
	}
}

func TestShutdownEndsEventStreamsOverHTTP2(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{})
	events := n.listen2(path("lobby")).begin(t)
	n.publish("lobby", "last words")
	if err := n.gateway.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := events.hear(t).data; got != "last words" {
		t.Errorf("heard %q", got)
	}
	if e := events.must(t); e.name != "end" {
		t.Errorf("ended with %+v", e)
	}
	if _, err := events.next(); err == nil {
		t.Error("the stream goes on")
	}
	n.until(func() bool { return n.hub.Sessions() == 0 })
}

func TestAListenerOverHTTP2ThatReadsNothingIsCutInTime(t *testing.T) {
	n := start(t, hub.Options{}, channelhttp.Options{OutboxBytes: 256 << 20, OutboxAge: 100 * time.Millisecond})
	n.listen2(path("lobby"))
	n.until(func() bool {
		n.publish("lobby", strings.Repeat("x", 60<<10))
		return n.hub.Sessions() == 0
	})
	if cut := n.hub.Stats().Disconnects[hub.SlowConsumer]; cut != 1 {
		t.Errorf("%d are said to have been cut for reading too slowly", cut)
	}
}
