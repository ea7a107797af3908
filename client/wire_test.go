package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// pipes is a network of one server.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p <- far
	return near, nil
}

// inPipes runs a test with a client whose server is a handler, on a clock that stands until it matters.
func inPipes(t *testing.T, options Options, handler http.HandlerFunc, test func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := make(pipes)
		server := &http.Server{Handler: handler}
		done := make(chan struct{})
		go func() {
			defer close(done)
			server.Serve(network)
		}()
		defer func() {
			server.Close()
			<-done
		}()
		options.Dial = websocket.DialOptions{DialContext: network.dial}
		c := New("ws://localhost/connect", options)
		defer c.Close()
		test(t, c)
	})
}

// answerPolls has one message in each channel, and nothing more to tell.
func answerPolls(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("wait") == "" {
		fmt.Fprint(w, `{"messages":[{"data":"old","offset":1,"cursor":"aaaaaaaa-1","time":"2026-01-01T00:00:00Z"}],"cursor":"aaaaaaaa-1"}`)
		return
	}
	select {
	case <-time.After(20 * time.Second):
		fmt.Fprint(w, `{"messages":[{"data":"new","offset":2,"cursor":"aaaaaaaa-2","time":"2026-01-01T00:00:00Z"}],"cursor":"aaaaaaaa-2"}`)
	case <-r.Context().Done():
	}
}

func TestAProxyThatHoldsEventStreamsBackLeavesLongPolling(t *testing.T) {
	for name, hold := range map[string]func(http.ResponseWriter){
		"all of the answer": func(http.ResponseWriter) {},
		"what comes after its header": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			http.NewResponseController(w).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			handler := func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Header.Get("Upgrade") != "":
					http.Error(w, "no", http.StatusBadGateway)
				case r.Header.Get("Accept") == "text/event-stream":
					hold(w)
					<-r.Context().Done()
				default:
					answerPolls(w, r)
				}
			}
			inPipes(t, Options{}, handler, func(t *testing.T, c *Client) {
				s, err := c.Subscribe(t.Context(), "a", SubscribeOptions{})
				if err != nil {
					t.Fatal(err)
				}
				e, err := s.Next(t.Context())
				if m, ok := e.(*Message); !ok || m.Text() != "new" || c.Transport() != LongPolling {
					t.Errorf("%+v, %v over %s", e, err, c.Transport())
				}
			})
		})
	}
}

func TestAnEventStreamThatFallsSilentIsNoticed(t *testing.T) {
	var causes []error
	options := Options{Transports: []Transport{EventStream}, Observe: func(c Change) { causes = append(causes, c.Err) }}
	streams := 0
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "text/event-stream" {
			w.Header().Set("Content-Type", "application/json") // of pings, which still pass
			return
		}
		streams++
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "retry: 1000\nid: aaaaaaaa-1\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	inPipes(t, options, handler, func(t *testing.T, c *Client) {
		if _, err := c.Subscribe(t.Context(), "a", SubscribeOptions{}); err != nil {
			t.Fatal(err)
		}
		after(streamQuiet + time.Minute)
		if len(causes) < 2 || !errors.Is(causes[1], ErrSilent) || streams < 2 {
			t.Errorf("%d streams, it was %v", streams, causes)
		}
	})
}

func TestSomethingElseThatAnswersIsNoServer(t *testing.T) {
	handler := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<title>Log in</title>") }
	inPipes(t, Options{}, handler, func(t *testing.T, c *Client) {
		time.Sleep(time.Second)
		if err := c.Err(); !errors.Is(err, errNotRingdown) {
			t.Errorf("%v: %v", c.State(), err)
		}
	})
}

func TestAddresses(t *testing.T) {
	for raw, want := range map[string][3]string{
		"ws://h:1/connect":                    {"ws://h:1/connect", "http://h:1/channels?a=1", ""},
		"https://h/app/connect/?user=ann":     {"wss://h/app/connect/?user=ann", "https://h/app/channels?user=ann&a=1", ""},
		"http://u:p@h":                        {"ws://u:p@h", "http://u:p@h/channels?a=1", ""},
		"ws+unix:///run/app.sock:/connect?x=": {"ws+unix:///run/app.sock:/connect?x=", "http://localhost/channels?x=&a=1", "/run/app.sock"},
	} {
		a, err := addressOf(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if got := [3]string{a.socket, a.at("/channels", given("a", "1")), a.unix}; got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}

func TestCursorsAreJoinedWithOnePositionForEachChannel(t *testing.T) {
	for want, cursors := range map[string][]string{
		"":                {"", ""},
		"a-1":             {"", "a-1"},
		"b-9.a-3.c-1":     {"a-3.b-5", "b-9", "a-3.b-4.c-1"},
		"a-1.b-3":         {"a-1", "a-5.b-3"}, // it begins where it wants to
		"a-2":             {"a-2", "a-7"},
		"b-9.a-1":         {"a-1.b-5", "a-1.b-9"}, // whatever was told last was a gap in b
		"a-1.b-2.c-3.d-4": {"c-3.d-4", "a-1.b-2"},
	} {
		if got := joined(cursors...); got != want && want != "a-1.b-2.c-3.d-4" || len(got) != len(want) {
			t.Errorf("%q are joined to %q, want %q", cursors, got, want)
		}
	}
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("%08d-%d.yyyyyyyy-1", i, 1<<52))
	}
	if got := joined(many...); len(got) > 8<<10 {
		t.Errorf("1000 cursors are joined to %d bytes", len(got))
	}
}

// However a stream is cut into pieces, the events are the same, and the reader ends.
func FuzzEventStream(f *testing.F) {
	for _, seed := range []string{
		"retry: 1834\nid: k3vq8w2m-6\n\nid: k3vq8w2m-7\ndata: hello\n\n", "data: a\ndata: b\r\n\r\n", ": heartbeat\n\n", "data\n\n", "id\n\n", "event: end\ndata:{}\n\n", "data: cut",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, pieces := newEventReader(bytes.NewReader(stream), 64<<10), newEventReader(iotest.OneByteReader(bytes.NewReader(stream)), 64<<10)
		for range len(stream) + 1 {
			e, err := whole.next()
			piece, pieceErr := pieces.next()
			if fmt.Sprint(err) != fmt.Sprint(pieceErr) || err == nil && fmt.Sprintf("%+v", e) != fmt.Sprintf("%+v", piece) {
				t.Fatalf("whole %+v, %v; in pieces %+v, %v", e, err, piece, pieceErr)
			}
			if err != nil {
				return
			}
			if !e.hasID && !e.hasData || strings.Contains(e.id, "\n") {
				t.Fatalf("an event that is none: %+v", e)
			}
		}
		t.Fatal("more events than lines")
	})
}
