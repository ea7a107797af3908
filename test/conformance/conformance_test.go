package conformance_test

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/test/conformance"
	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

var long = flag.Bool("long", false, "run the long cases too")

const caseTimeout = 2 * time.Minute

// maxMessage is the largest message of the cases, in bytes. More would only make bombs dearer.
func maxMessage() int64 {
	if *long {
		return 16 << 20
	}
	return 1 << 20
}

var compression = websocket.Compression{Mode: websocket.CompressionTakeover, Threshold: 1}

// echo sends back what comes until the connection ends.
func echo(ctx context.Context, c *websocket.Conn) {
	for m, err := range c.Messages(ctx) {
		if err != nil || c.Write(ctx, m.Type, m.Data) != nil {
			return
		}
	}
}

// skip leaves a case out of a short run.
func skip(c conformance.Case) bool { return c.Long && !*long }

// servers are the ways to serve WebSockets that all behave the same.
func servers(t *testing.T) map[string]http.Handler {
	accept := websocket.AcceptOptions{Compression: compression, Limits: websocket.Limits{Message: maxMessage()}}
	blocking := websocket.Handler(func(c *websocket.Conn) { echo(context.Background(), c) }, &accept)
	onLoop := func(goroutines bool) http.Handler {
		server, err := loop.New(loop.Handler{
			Message: func(c *loop.Conn, typ websocket.MessageType, payload []byte) { c.Write(typ, payload) },
		}, &loop.Options{Accept: accept, Goroutines: goroutines, Outbox: loop.Outbox{Bytes: 2 * int(maxMessage())}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
			defer cancel()
			if err := server.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
		return server
	}
	return map[string]http.Handler{"blocking": blocking, "loop": onLoop(false), "goroutines": onLoop(true)}
}

func TestServer(t *testing.T) {
	for name, handler := range servers(t) {
		plain, secure := httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
		secure.StartTLS()
		certificates := secure.TLS
		secure.Close()
		riding, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		overTLS := &http.Server{Handler: handler}
		go overTLS.Serve(loop.NewTLSListener(riding, certificates))
		t.Cleanup(plain.Close)
		t.Cleanup(func() { overTLS.Close() })

		// Who moves the bytes, and what lies beneath, matters to no parameter of compression.
		few := func(c conformance.Case) bool { return skip(c) || c.Variant && !*long }
		most := skip
		if name == "goroutines" { // which compresses as the loop does
			most = few
		}
		run(t, name+"/plain", most, func() (net.Conn, error) { return net.Dial("tcp", plain.Listener.Addr().String()) })
		// Handshakes are not what is tested here: after the first they resume, and take the cheapest curve.
		config := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(0), CurvePreferences: []tls.CurveID{tls.X25519}}
		run(t, name+"/tls", few, func() (net.Conn, error) { return tls.Dial("tcp", riding.Addr().String(), config) })
	}
}

// run runs every case but those to skip against the server that dial reaches.
func run(t *testing.T, name string, skip func(conformance.Case) bool, dial func() (net.Conn, error)) {
	t.Run(name, func(t *testing.T) {
		for _, c := range conformance.Cases() {
			if c.Against == conformance.Clients || skip(c) {
				continue
			}
			t.Run(c.ID+" "+c.Proves, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
				defer cancel()
				if err := c.Run(ctx, dial, "/"); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

func TestClient(t *testing.T) {
	type outcome struct {
		id  string
		err error
	}
	cases := conformance.ClientCases()
	outcomes := make([]chan outcome, len(cases)) // one for each case: its number is the agent's name
	for i := range outcomes {
		outcomes[i] = make(chan outcome, 1)
	}
	server := httptest.NewServer(&conformance.Server{Cases: cases, Report: func(agent string, c conformance.Case, err error) {
		var i int
		fmt.Sscan(agent, &i)
		outcomes[i] <- outcome{c.ID, err}
	}})
	defer server.Close()
	base := strings.Replace(server.URL, "http", "ws", 1)
	t.Run("cases", func(t *testing.T) {
		for i, c := range cases {
			if skip(c) {
				continue
			}
			t.Run(c.ID+" "+c.Proves, func(t *testing.T) {
				t.Parallel()
				drive(fmt.Sprintf("%s/runCase?case=%d&agent=%d", base, i+1, i))
				if got := <-outcomes[i]; got.id != c.ID || got.err != nil {
					t.Errorf("case %s: %v", got.id, got.err)
				}
			})
		}
	})
}

// drive is a client that echoes until the server closes.
func drive(url string) {
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Compression: compression,
		Limits:      websocket.Limits{Message: maxMessage()},
	})
	if err != nil {
		return // what the case wants, or its outcome tells
	}
	defer c.CloseNow()
	echo(ctx, c)
}

// The conversations around the cases, as a client of the convention sees them.
func TestClientsAreToldHowManyCasesThereAre(t *testing.T) {
	server := httptest.NewServer(&conformance.Server{Cases: conformance.ClientCases()})
	defer server.Close()
	base := strings.Replace(server.URL, "http", "ws", 1)
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	defer cancel()
	c, _, err := websocket.Dial(ctx, base+"/getCaseCount", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	_, count, err := c.Read(ctx)
	if err != nil || string(count) != fmt.Sprint(len(conformance.ClientCases())) {
		t.Errorf("count %q, error %v", count, err)
	}
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("then %v", err)
	}
	c, _, err = websocket.Dial(ctx, base+"/updateReports?agent=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("the reports: %v", err)
	}
	for _, path := range []string{"/", "/runCase?case=0", "/runCase?case=99999"} {
		if _, resp, err := websocket.Dial(ctx, base+path, nil); err == nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A suite that passes everything proves nothing: these servers are wrong, and some case must say so.
func TestTheSuiteNoticesWrongServers(t *testing.T) {
	tests := []struct {
		name  string
		serve func(*websocket.Conn)
		opts  websocket.AcceptOptions
		fails string // a case that must
	}{
		{"changes the type", func(c *websocket.Conn) {
			for m, err := range c.Messages(context.Background()) {
				if err == nil {
					c.Write(context.Background(), websocket.Binary, m.Data)
				}
			}
		}, websocket.AcceptOptions{}, "1.1"},
		{"does not read", func(c *websocket.Conn) { <-c.Done() }, websocket.AcceptOptions{}, "2.1"},
		{"refuses everything", func(c *websocket.Conn) { c.Close(websocket.StatusPolicyViolation, "no") }, websocket.AcceptOptions{}, "7.2"},
		{"drops the line", func(c *websocket.Conn) { c.CloseNow() }, websocket.AcceptOptions{}, "3.1"},
		{"has a small limit", func(c *websocket.Conn) { echo(context.Background(), c) }, websocket.AcceptOptions{Limits: websocket.Limits{Message: 100}}, "1.31"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(websocket.Handler(tt.serve, &tt.opts))
			defer server.Close()
			defer server.CloseClientConnections()
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			dial := func() (net.Conn, error) { return net.Dial("tcp", server.Listener.Addr().String()) }
			for _, c := range conformance.Cases() {
				if c.ID == tt.fails {
					if err := c.Run(ctx, dial, "/"); err == nil {
						t.Errorf("case %s (%s) passed", c.ID, c.Proves)
					}
				}
			}
		})
	}
}

func TestCompressionThatIsNotAgreedOnIsTold(t *testing.T) {
	server := httptest.NewServer(websocket.Handler(func(c *websocket.Conn) { echo(context.Background(), c) }, nil))
	defer server.Close()
	for _, c := range conformance.Cases() {
		if c.ID == "12.1" {
			err := c.Run(t.Context(), func() (net.Conn, error) { return net.Dial("tcp", server.Listener.Addr().String()) }, "/")
			if !errors.Is(err, conformance.ErrNoDeflate) {
				t.Errorf("case %s: %v, want ErrNoDeflate", c.ID, err)
			}
		}
	}
}
