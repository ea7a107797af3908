package channelhttp_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ringdown/ringdown/gateway/channelhttp"
	"github.com/ringdown/ringdown/hub"
)

// listen2 opens an event stream over HTTP/2.
func (n *node) listen2(pathAndQuery string) *eventReader {
	n.t.Helper()
	if n.secure == nil {
		n.secure = httptest.NewUnstartedServer(n.mux)
		n.secure.EnableHTTP2 = true
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
