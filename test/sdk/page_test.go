//go:build linux

package sdk

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"testing"

	"github.com/ringdown/ringdown/test/node"
	"github.com/ringdown/ringdown/test/servers"
)

// site is a server of a page, of the built client, and, behind it, of ringdown: all of one origin. It returns its URL.
func site(t *testing.T, ringdown string) string {
	t.Helper()
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: ringdown})
	behind.FlushInterval = -1
	behind.ErrorLog = log.New(io.Discard, "", 0)
	mux := http.NewServeMux()
	mux.Handle("/sdk/", http.StripPrefix("/sdk/", http.FileServer(http.Dir(source+"/dist"))))
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<!doctype html><title>Ringdown</title><link rel="icon" href="data:,">`)
	})
	mux.Handle("/", behind)
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)
	return front.URL
}

// browser is the script with the pages.
func browser(t *testing.T) *node.Peer {
	t.Helper()
	node.DependOn(t, source+"/src", source+"/src/transports")
	return node.Start(t, "page.js", node.Chromium(t))
}

// checkConsole checks that nothing is on a page's console.
func checkConsole(t *testing.T, p *node.Peer, name string) {
	t.Helper()
	for _, problem := range node.Call[[]string](t, p, "problems", args{"name": name}) {
		t.Errorf("%s has on its console: %s", name, problem)
	}
}

func TestPagesTalkOverEachTransport(t *testing.T) {
	server := start(t, "127.0.0.1:0")
	front := site(t, server.addr)
	p := browser(t)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			over := node.Call[string](t, p, "open", args{"name": transport, "url": front + "/page", "channel": transport, "transports": []string{transport}})
			if over != transport {
				t.Errorf("the page is open over %s", over)
			}
			node.Do(t, p, "publish", args{"name": transport, "channel": transport, "data": []any{1, 2}})
			server.publish(transport, 3)
			checkNumbers(t, told(t, p, transport, transport, 3), 3)
			node.Do(t, p, "publishBytes", args{"name": transport, "channel": transport, "bytes": []int{0, 255}})
			told(t, p, transport, transport, "bytes 0,255")
			checkConsole(t, p, transport)
		})
	}
}

func TestAPageIsNotFooledByAProxyThatEatsFrames(t *testing.T) {
	server := start(t, "127.0.0.1:0")
	front := site(t, servers.StartEater(t, server.addr))
	p := browser(t)
	if over := node.Call[string](t, p, "open", args{"name": "ann", "url": front + "/page", "channel": "news"}); over != "sse" {
		t.Errorf("the page is open over %s", over)
	}
	node.Do(t, p, "publish", args{"name": "ann", "channel": "news", "data": []any{1, 2}})
	checkNumbers(t, told(t, p, "ann", "news", 2), 2)
	checkConsole(t, p, "ann")
}

func TestAPageMissesNothingWhileItIsOfflineOrInTheCache(t *testing.T) {
	server := start(t, "127.0.0.1:0")
	p := browser(t)
	node.Do(t, p, "open", args{"name": "ann", "url": site(t, server.addr) + "/page", "channel": "news"})
	server.publish("news", 1)
	told(t, p, "ann", "news", 1)

	if state := node.Call[string](t, p, "cache", args{"name": "ann", "event": "pagehide"}); state != "waiting" {
		t.Errorf("a page in the cache is %s", state)
	}
	server.publish("news", 2)
	node.Do(t, p, "cache", args{"name": "ann", "event": "pageshow"})
	told(t, p, "ann", "news", 2)

	node.Do(t, p, "offline", args{"name": "ann", "offline": true})
	server.publish("news", 3)
	done := make(chan []int, 1)
	go func() {
		done <- node.Call[[]int](t, p, "publish", args{"name": "ann", "channel": "news", "data": []any{4}})
	}()
	node.Do(t, p, "offline", args{"name": "ann", "offline": false})
	if offsets := <-done; !slices.Equal(offsets, []int{4}) {
		t.Errorf("the offsets are %v", offsets)
	}
	checkNumbers(t, told(t, p, "ann", "news", 4), 4)
}
