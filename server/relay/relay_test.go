//go:build linux

package relay_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server/listen"
	"github.com/ringdown/ringdown/server/proxy"
	"github.com/ringdown/ringdown/server/relay"
	"github.com/ringdown/ringdown/test/servers"
)

// node is one with a listener for clients and one for other nodes.
type node struct {
	relay            *relay.Relay
	clients, cluster *httptest.Server
}

func nodeOf(r *http.Request) string { return r.URL.Query().Get("node") }

// start returns nodes that know each other; here says who has served a request, and for whom.
func start(t *testing.T, secrets map[string]string, here func(name string) http.HandlerFunc) map[string]*node {
	t.Helper()
	return startOver(t, nil, secrets, here)
}

// startOver does the same over TLS.
func startOver(t *testing.T, secure map[string]*tls.Config, secrets map[string]string, here func(name string) http.HandlerFunc) map[string]*node {
	t.Helper()
	nodes := make(map[string]*node)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	find := func(_ context.Context, name string) (string, bool) {
		if name == "gone" {
			return "127.0.0.1:1", true
		}
		if name == "other" { // a server that is no node
			return other.Listener.Addr().String(), true
		}
		if nodes[name] == nil {
			return "", false
		}
		return nodes[name].cluster.Listener.Addr().String(), true
	}
	for name, secret := range secrets {
		r, err := relay.New(relay.Options{Self: name, Secret: []byte(secret), Find: find, TLS: secure[name], Log: slog.New(slog.DiscardHandler), Timeout: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		n := &node{relay: r}
		n.cluster = httptest.NewUnstartedServer(r.Receive(here(name)))
		n.cluster.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		if s := secure[name]; s != nil {
			n.cluster.Listener = tls.NewListener(n.cluster.Listener, s)
		}
		n.cluster.Start()
		inner := r.Handler(nodeOf, here(name))
		n.clients = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			client := proxy.Client{Address: netip.MustParseAddr("192.0.2.7"), Scheme: "https", Host: q.Host, Proxied: true}
			inner.ServeHTTP(w, q.WithContext(proxy.With(q.Context(), client)))
		}))
		t.Cleanup(n.clients.Close)
		t.Cleanup(n.cluster.Close)
		t.Cleanup(r.Stop)
		nodes[name] = n
	}
	return nodes
}

func served(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c := proxy.From(r)
		fmt.Fprintf(w, "%s %s %s %s %s %s %s %s cookie=%s relayed=%q", name, r.Method, r.URL.RequestURI(), body, r.Host, c, c.Scheme, r.RemoteAddr,
			r.Header.Get("Cookie"), r.Header.Get("Ringdown-Relayed"))
	}
}

func do(t *testing.T, url, method, body string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "rt.example.com"
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

func TestARequestComesToItsNodeForItsClient(t *testing.T) {
	nodes := start(t, map[string]string{"a": "s", "b": "s"}, served)
	for path, want := range map[string]string{
		"/x/?node=b&q=%20;": `b POST /x/?node=b&q=%20; hello rt.example.com 192.0.2.7 https 192.0.2.7:0 cookie=c=1 relayed=""`,
		"/x/?node=a":        "a POST /x/?node=a hello",
		"/x/":               "a POST /x/ hello",
		"/x/?node=unknown":  "a POST",
		"/x/?node=gone":     "a POST",
		"/x/?node=other":    "a POST",
	} {
		status, text := do(t, nodes["a"].clients.URL+path, "POST", "hello", "Cookie: c=1", "Ringdown-Relayed: 1 2 3 4")
		if status != 200 || !strings.HasPrefix(text, want) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

func TestNodesWithCertificatesTakeOnlyEachOther(t *testing.T) {
	mutual := func() *tls.Config {
		cert, key := servers.Certificate(t)
		c, err := listen.Mutual(cert, key, cert, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ours, foreign := mutual(), mutual()
	secure := map[string]*tls.Config{"a": ours, "b": ours, "foreign": foreign}
	nodes := startOver(t, secure, map[string]string{"a": "s", "b": "s", "foreign": "s", "plain": "s"}, served)
	for _, test := range []struct{ from, to, by string }{
		{"a", "b", "b"},
		{"foreign", "b", "foreign"}, // serves it itself
		{"b", "foreign", "b"},
		{"plain", "b", "plain"},
		{"b", "plain", "b"},
	} {
		status, text := do(t, nodes[test.from].clients.URL+"/x/?node="+test.to, "POST", "hello")
		if status != 200 || !strings.HasPrefix(text, test.by+" POST") {
			t.Errorf("%s passes to %s: %d %s", test.from, test.to, status, text)
		}
	}
}

func TestNobodyElseIsBelieved(t *testing.T) {
	nodes := start(t, map[string]string{"a": "s", "b": "s", "stranger": "t"}, served)
	for _, header := range []string{"Other: 1", "Ringdown-Relayed: 1", "Ringdown-Relayed: 1 2 3 4", "Ringdown-Relayed: " + strings.Repeat("x ", 5000)} {
		if status, text := do(t, nodes["b"].cluster.URL+"/x/?node=b", "GET", "", header); status != 403 {
			t.Errorf("%q: %d %s", header, status, text)
		}
	}
	if _, text := do(t, nodes["b"].cluster.URL+"/x/?node=b", "GET", ""); !strings.Contains(text, "same secret") {
		t.Errorf("a stranger is told %s", text)
	}
	if status, text := do(t, nodes["stranger"].clients.URL+"/x/?node=b", "GET", ""); status != 200 || !strings.HasPrefix(text, "stranger GET") {
		t.Errorf("a client of a node with another secret, which serves it itself: %d %s", status, text)
	}
}

func TestAStrangerIsNotWaitedFor(t *testing.T) {
	nodes := start(t, map[string]string{"b": "s"}, served)
	line, err := net.Dial("tcp", nodes["b"].cluster.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	line.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprint(line, "POST /x/ HTTP/1.1\r\nHost: b\r\nContent-Length: 1000\r\n\r\n") // and never sends it
	answer, err := io.ReadAll(line)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 403 ") {
		t.Errorf("%.100q, %v", answer, err)
	}
}

func TestARelayThatStopsCutsWhatItPassesOn(t *testing.T) {
	waiting := make(chan struct{})
	nodes := start(t, map[string]string{"a": "s", "b": "s"}, func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if name == "b" {
				close(waiting)
				<-r.Context().Done()
			}
		}
	})
	go func() {
		<-waiting
		nodes["a"].relay.Stop()
	}()
	if status, text := do(t, nodes["a"].clients.URL+"/x/?node=b", "GET", ""); status != 0 || !strings.Contains(text, "EOF") {
		t.Errorf("%d %s", status, text)
	}
}

func FuzzReceive(f *testing.F) {
	r, err := relay.New(relay.Options{Self: "a", Secret: []byte("s"), Find: func(context.Context, string) (string, bool) { return "", false }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("1 1700000000000 e30 AAAA")
	f.Fuzz(func(t *testing.T, word string) {
		q := httptest.NewRequest("GET", "/x/", nil)
		q.Header["Ringdown-Relayed"] = []string{word}
		w := httptest.NewRecorder()
		r.Receive(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%q is believed", word) })).ServeHTTP(w, q)
	})
}
