package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ringdown/ringdown/client"
	"github.com/ringdown/ringdown/server"
)

// devURL runs a node in dev mode for as long as the test.
func devURL(t *testing.T) string {
	t.Helper()
	return "http" + strings.TrimSuffix(strings.TrimPrefix(devNode(t), "ws"), "/channels/lobby")
}

// publishAt publishes by the command line.
func publishAt(t *testing.T, url string, args ...string) (receipt struct {
	Channel, Cursor      string
	Offset               uint64
	Subscribers, Lagging int
	Duplicate            bool
}) {
	t.Helper()
	r := runCommand(t, strings.NewReader(""), append([]string{"publish", "--url", url}, args...)...)
	if r.status != 0 {
		t.Fatalf("%v: status %d: %s", args, r.status, r.errs)
	}
	if err := json.Unmarshal([]byte(r.out), &receipt); err != nil {
		t.Fatalf("%q: %v", r.out, err)
	}
	return receipt
}

// subscribing runs subscribe in the background.
type subscribing struct {
	t         *testing.T
	out, errs lockedBuffer
	stop      context.CancelFunc
	status    chan int
}

func startSubscribe(t *testing.T, url string, args ...string) *subscribing {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &subscribing{t: t, stop: cancel, status: make(chan int, 1)}
	go func() {
		s.status <- run(ctx, append([]string{"subscribe", "--url", url}, args...), strings.NewReader(""), &s.out, &s.errs)
	}()
	t.Cleanup(cancel)
	return s
}

// until waits for something to be printed.
func (s *subscribing) until(printed func(out, errs string) bool) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !printed(s.out.String(), s.errs.String()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain; output %q, errors %q", s.out.String(), s.errs.String())
		}
	}
}

func (s *subscribing) listening() {
	s.t.Helper()
	s.until(func(_, errs string) bool { return strings.Contains(errs, "listening to") })
}

func (s *subscribing) ended() result {
	s.t.Helper()
	select {
	case status := <-s.status:
		return result{status, s.out.String(), s.errs.String()}
	case <-time.After(20 * time.Second):
		s.t.Fatalf("it does not end; output %q, errors %q", s.out.String(), s.errs.String())
	}
	return result{}
}

func TestPublishPrintsAReceipt(t *testing.T) {
	url := devURL(t)
	first := publishAt(t, url, "news", "hello", "--idempotency-key", "k")
	if first.Channel != "news" || first.Offset != 1 || first.Cursor == "" || first.Duplicate {
		t.Errorf("%+v", first)
	}
	if again := publishAt(t, url, "news", "hello", "--idempotency-key", "k"); !again.Duplicate || again.Cursor != first.Cursor {
		t.Errorf("%+v", again)
	}
}

func TestEveryTransportShowsWhatWasPublished(t *testing.T) {
	url := devURL(t)
	for transport := range transports {
		t.Run(transport, func(t *testing.T) {
			channel := "room of " + transport
			s := startSubscribe(t, url, channel, "--transport", transport, "--count", "3")
			s.listening()
			publishAt(t, url, channel, "hello\nwörld")
			publishAt(t, url, channel, "--json", `{"a": 1}`, "--event", "x", "--key", "y")
			r := runCommand(t, strings.NewReader("\x00\xff\n"), "publish", "--url", url, channel, "--binary", "-")
			r.check(t, 0, r.out)
			s.ended().check(t, 0, "hello\nwörld\n{\"a\": 1}\nbinary 3 00ff0a\n")
		})
	}
}

func TestJSONLinesTellAllThatIsKnown(t *testing.T) {
	url := devURL(t)
	for _, transport := range []string{"native", "sse", "poll"} {
		t.Run(transport, func(t *testing.T) {
			s := startSubscribe(t, url+"?user=ann", transport, "--transport", transport, "--count", "1", "--json")
			s.listening()
			sent := publishAt(t, url+"?user=bob", transport, "--json", `{"a": 1}`, "--event", "x", "--key", "y")
			r := s.ended()
			var m client.Message
			if err := json.Unmarshal([]byte(r.out), &m); err != nil {
				t.Fatalf("%q: %v", r.out, err)
			}
			if m.Channel != transport || m.Event != "x" || m.Key != "y" || m.Cursor != sent.Cursor || m.Offset != 1 || m.User != "bob" || m.Kind != client.JSON {
				t.Errorf("%s", r.out)
			}
			r.check(t, 0, r.out, "--from "+sent.Cursor)
		})
	}
}

func TestSubscribeGoesOnFromACursor(t *testing.T) {
	url := devURL(t)
	first := publishAt(t, url, "news", "one")
	publishAt(t, url, "news", "two")
	publishAt(t, url, "news", "three")
	for transport := range transports {
		t.Run(transport, func(t *testing.T) {
			startSubscribe(t, url, "news", "--transport", transport, "--from", first.Cursor, "--count", "2").
				ended().check(t, 0, "two\nthree\n")
		})
	}
}

func TestALostCursorIsTold(t *testing.T) {
	url := devURL(t)
	publishAt(t, url, "news", "one")
	for _, transport := range []string{"native", "sse", "poll"} {
		t.Run(transport, func(t *testing.T) {
			s := startSubscribe(t, url, "news", "--transport", transport, "--from", "zzzzzzzz-1", "--count", "1")
			s.until(func(_, errs string) bool { return strings.Contains(errs, "something may be missing") })
			s.listening()
			publishAt(t, url, "news", "two")
			s.ended().check(t, 0, "two\n")
		})
	}
}

func TestSeveralChannelsAreNamed(t *testing.T) {
	url := devURL(t)
	for transport := range transports {
		t.Run(transport, func(t *testing.T) {
			a, b := transport+"/a", transport+" b"
			s := startSubscribe(t, url, a, b, "--transport", transport, "--count", "2")
			s.until(func(_, errs string) bool {
				want := 1
				if transport == "websocket" {
					want = 2 // connections
				}
				return strings.Count(errs, "listening to") == want
			})
			if transport == "native" { // one connection, and then each channel
				waitForSubscribers(t, url, a, b)
			}
			publishAt(t, url, a, "1")
			s.until(func(out, _ string) bool { return out != "" })
			publishAt(t, url, b, "2")
			s.ended().check(t, 0, a+": 1\n"+b+": 2\n")
		})
	}
}

// waitForSubscribers publishes until each channel has a subscriber, under one key, so that nobody hears of it more than once.
func waitForSubscribers(t *testing.T, url string, channels ...string) {
	t.Helper()
	c, err := client.Dial(t.Context(), url+"/connect", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, channel := range channels {
		if _, err := c.Subscribe(t.Context(), channel, client.SubscribeOptions{}); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			present, err := c.Presence(t.Context(), channel, 0)
			if err != nil || time.Now().After(deadline) {
				t.Fatal("nobody subscribes:", err)
			}
			if present.Sessions >= 2 {
				break
			}
		}
	}
}

func TestPresenceIsRemarkedOn(t *testing.T) {
	url := devURL(t)
	s := startSubscribe(t, url+"?user=ann", "room", "--presence")
	s.listening()
	waitForSubscribers(t, url, "room") // it subscribes, too
	s.until(func(_, errs string) bool { return strings.Contains(errs, "room: somebody has come; 2 are here") })
}

func TestInterruptEndsASubscribeWithStatus0(t *testing.T) {
	url := devURL(t)
	for transport := range transports {
		t.Run(transport, func(t *testing.T) {
			program := exec.Command(os.Args[0], "subscribe", "news", "--url", url, "--transport", transport)
			program.Env = append(os.Environ(), "TEST_AS_RINGDOWN=1")
			var errs lockedBuffer
			program.Stderr = &errs
			if err := program.Start(); err != nil {
				t.Fatal(err)
			}
			defer program.Process.Kill()
			for deadline := time.Now().Add(20 * time.Second); !strings.Contains(errs.String(), "listening to news"); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("it does not listen:", errs.String())
				}
			}
			program.Process.Signal(syscall.SIGINT)
			if err := program.Wait(); err != nil {
				t.Error(err, errs.String())
			}
		})
	}
}

func TestSubscribeComesBackAfterARestart(t *testing.T) {
	for _, transport := range []string{"native", "sse", "poll", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			address, stop := restartable(t, "127.0.0.1:0")
			url := "http://" + address
			s := startSubscribe(t, url, "news", "--transport", transport, "--count", "2")
			s.listening()
			publishAt(t, url, "news", "one")
			s.until(func(out, _ string) bool { return out == "one\n" })
			stop()
			restartable(t, address)
			s.until(func(_, errs string) bool { return strings.Contains(errs, "something may be missing") })
			publishAt(t, url, "news", "two")
			s.ended().check(t, 0, "one\ntwo\n")
		})
	}
}

func TestRefusalsAreExplained(t *testing.T) {
	url := devURL(t)
	elsewhere := peerHTTP(t, http.NotFound)
	for _, c := range []struct {
		args     []string
		sentence string
	}{
		{[]string{"publish"}, "takes the name of a channel"},
		{[]string{"publish", "news", "a", "b"}, "put the message into quotes"},
		{[]string{"publish", "news", "--json", "--binary", "1"}, "exclude each other"},
		{[]string{"publish", "news", "--json", "{"}, "not one JSON value"},
		{[]string{"publish", "news", "\xff"}, "use --binary"},
		{[]string{"publish", " news", "x"}, "begins or ends with a space"},
		{[]string{"publish", "news", "x", "--event", "a\nb"}, "use printable characters (bad_request)"},
		{[]string{"publish", "news", "x", "--url", "localhost"}, "write it as http://host:port"},
		{[]string{"publish", "news", "x", "--url", "ftp://localhost"}, "begins with ftp"},
		{[]string{"publish", "news", "x", "--url", elsewhere}, "404"},
		{[]string{"publish", "news", "x", "-H", "nonsense"}, "'Name: value'"},
		{[]string{"subscribe"}, "takes the name of a channel"},
		{[]string{"subscribe", ""}, "the name of a channel is empty"},
		{[]string{"subscribe", "news", "--transport", "pigeon"}, "native, websocket, sse or poll"},
		{[]string{"subscribe", "news", "--count", "-1"}, "cannot be negative"},
		{[]string{"subscribe", "news", "--presence", "--transport", "sse"}, "needs the transport native"},
		{[]string{"subscribe", "news", "--from", "yesterday"}, "hand back a cursor as the server gave it"},
		{[]string{"subscribe", "news", "--from", "yesterday", "--transport", "sse"}, "hand back a cursor as the server gave it"},
		{[]string{"subscribe", "news", "--from", "yesterday", "--transport", "poll"}, "hand back a cursor as the server gave it"},
		{[]string{"subscribe", "news", "--from", "yesterday", "--transport", "websocket"}, "hand back a cursor as the server gave it"},
		{[]string{"subscribe", "a ", "--transport", "websocket"}, "begins or ends with a space"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			args := append([]string{c.args[0], "--url", url}, c.args[1:]...)
			runCommand(t, strings.NewReader("x"), args...).check(t, 1, "", "ringdown: ", c.sentence)
		})
	}
}

func TestPublishSaysThatItGaveUp(t *testing.T) {
	runCommand(t, nil, "publish", "news", "x", "--url", "http://127.0.0.1:1", "--timeout", "20ms").
		check(t, 1, "", "gave up after 20ms", "connection refused")
}

func TestPublishReadsTheInput(t *testing.T) {
	url := devURL(t)
	s := startSubscribe(t, url, "news", "--count", "2")
	waitForSubscribers(t, url, "news")
	r := runCommand(t, strings.NewReader("one\ntwo\r\n"), "publish", "news", "--url", url)
	r.check(t, 0, r.out)
	r = runCommand(t, strings.NewReader("three"), "publish", "news", "-", "--url", url)
	r.check(t, 0, r.out)
	s.ended().check(t, 0, "one\ntwo\nthree\n")
}

func TestABrokenOutputEndsSubscribe(t *testing.T) {
	url := devURL(t)
	publishAt(t, url, "news", "one")
	first := publishAt(t, url, "news", "two")
	broken := writerFunc(func([]byte) (int, error) { return 0, errors.New("disk full") })
	var errs lockedBuffer
	from := strings.TrimSuffix(first.Cursor, "2") + "1"
	if status := run(t.Context(), []string{"subscribe", "news", "--url", url, "--from", from}, nil, broken, &errs); status != 1 ||
		!strings.Contains(errs.String(), "disk full") {
		t.Error(status, errs.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// peerHTTP runs an HTTP server of the test's own, and returns its URL.
func peerHTTP(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

// restartable runs a node in dev mode at an address until stop is called, or the test ends.
func restartable(t *testing.T, address string) (actual string, stop func()) {
	t.Helper()
	node, err := server.New(devConfig(address), server.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	serving := make(chan error, 1)
	go func() { serving <- node.Serve() }()
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := errors.Join(node.Shutdown(ctx), <-serving); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return node.Addr().String(), stop
}
