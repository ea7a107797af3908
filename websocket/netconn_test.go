// NetConn against what the world expects of a net.Conn.

package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/ringdown/ringdown/websocket"
)

// netconnTestPair is a client and the server at its other end, over TCP.
func netconnTestPair(t *testing.T) (client, server *websocket.Conn) {
	t.Helper()
	accepted := make(chan *websocket.Conn, 1)
	limits := websocket.Limits{}
	if os.Getenv(netconnTestChild) != "" {
		limits.CloseTimeout = time.Second // the suite closes both sides one after the other, so that the first gets no answer
	}
	s := dialTestServer(t, websocket.Handler(func(c *websocket.Conn) {
		accepted <- c
		<-c.Done()
	}, &websocket.AcceptOptions{Limits: limits}))
	client, _, err := websocket.Dial(context.Background(), s.URL, &websocket.DialOptions{Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	server = <-accepted
	t.Cleanup(func() { client.CloseNow(); server.CloseNow() })
	return client, server
}

func netconnTestStreams(t *testing.T) (client, server net.Conn) {
	c, s := netconnTestPair(t)
	return websocket.NetConn(context.Background(), c, websocket.Binary), websocket.NetConn(context.Background(), s, websocket.Binary)
}

// netconnTestChild marks the process that TestNetConnConforms starts.
const netconnTestChild = "RINGDOWN_NETTEST_CHILD"

// The suite of golang.org/x/net/nettest holds for NetConn but for one of its tests: FutureTimeout lets a Write run into its
// deadline and then uses the connection on. A message that was written in part cannot be taken back and the rest of it is
// lost, so NetConn drops the connection there, and says so in its documentation. TestConn has no way to leave a test
// out, so this one runs itself in a process of its own, where -test.skip has.
func TestNetConnConforms(t *testing.T) {
	if os.Getenv(netconnTestChild) != "" {
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			c1, c2 = netconnTestStreams(t)
			return c1, c2, func() { c1.Close(); c2.Close() }, nil
		})
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^TestNetConnConforms$", "-test.skip=/^FutureTimeout$")
	child.Env = append(os.Environ(), netconnTestChild+"=1")
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if passed := strings.Count(string(out), "    --- PASS: TestNetConnConforms/"); passed != 10 {
		t.Errorf("%d tests of the suite ran, want 10 (11 without FutureTimeout):\n%s", passed, out)
	}
}

// netconnTestBubble runs f in a bubble of its own time with a NetConn of text over a pipe, and the pipe's other end, where
// a server would be. far has no reader but f.
func netconnTestBubble(t *testing.T, f func(t *testing.T, nc net.Conn, far net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		go func() {
			if req, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
				io.WriteString(far, dialTestSwitch(req)+"\r\n")
			}
		}()
		c, _, err := websocket.Dial(t.Context(), "ws://example.com", &websocket.DialOptions{
			Proxy:       dialTestDirect,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil },
			Limits:      websocket.Limits{WriteTimeout: -1, FrameTimeout: -1},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		f(t, websocket.NetConn(t.Context(), c, websocket.Text), far)
	})
}

// netconnTestTimedOut fails the test unless err is what net.Conn says when a deadline has passed, after the given time.
func netconnTestTimedOut(t *testing.T, err error, start time.Time, want time.Duration) {
	t.Helper()
	timeout, ok := errors.AsType[net.Error](err)
	if !ok || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v (%T); want os.ErrDeadlineExceeded", err, err)
	}
	if took := time.Since(start); took != want {
		t.Errorf("timed out after %v, want %v", took, want)
	}
}

func TestNetConnReadDeadlines(t *testing.T) {
	second := func(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Second) }
	buf := make([]byte, 16)
	netconnTestBubble(t, func(t *testing.T, nc, far net.Conn) {
		start := time.Now()
		nc.SetReadDeadline(second(2))
		_, err := nc.Read(buf)
		netconnTestTimedOut(t, err, start, 2*time.Second)
		_, err = nc.Read(buf)
		netconnTestTimedOut(t, err, start, 2*time.Second)

		go io.WriteString(far, "\x01\x02ab") // half a message within the deadline, half after it: nothing is lost
		nc.SetReadDeadline(second(1))
		_, err = nc.Read(buf)
		netconnTestTimedOut(t, err, start, 3*time.Second)
		nc.SetReadDeadline(time.Time{})
		go io.WriteString(far, "\x80\x02cd")
		if n, err := nc.Read(buf); err != nil || string(buf[:n]) != "abcd" {
			t.Errorf("after the deadline was taken away: read %q, %v", buf[:n], err)
		}
	})
	for _, test := range []struct {
		name        string
		first, then time.Time // deadlines before the Read, and a second into it
		set         func(net.Conn, time.Time) error
		want        time.Duration
	}{
		{name: "set while a Read blocks", then: netconnTestAt(5), want: 5 * time.Second},
		{name: "brought forward while a Read blocks", first: netconnTestAt(60), then: netconnTestAt(5), want: 5 * time.Second},
		{name: "put off while a Read blocks", first: netconnTestAt(3), then: netconnTestAt(5), want: 5 * time.Second},
		{name: "into the past while a Read blocks", first: netconnTestAt(3), then: time.Unix(1, 0), want: time.Second},
		{name: "both directions' at once", then: netconnTestAt(5), set: net.Conn.SetDeadline, want: 5 * time.Second},
		{name: "the other direction's changes nothing", first: netconnTestAt(5), then: netconnTestAt(2), set: net.Conn.SetWriteDeadline, want: 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.set == nil {
				test.set = net.Conn.SetReadDeadline
			}
			netconnTestBubble(t, func(t *testing.T, nc, far net.Conn) {
				if !test.first.IsZero() {
					nc.SetReadDeadline(test.first)
				}
				time.AfterFunc(time.Second, func() { test.set(nc, test.then) })
				start := time.Now()
				_, err := nc.Read(buf)
				netconnTestTimedOut(t, err, start, test.want)
			})
		})
	}
	t.Run("taken away while a Read blocks", func(t *testing.T) {
		netconnTestBubble(t, func(t *testing.T, nc, far net.Conn) {
			nc.SetReadDeadline(second(2))
			time.AfterFunc(time.Second, func() { nc.SetReadDeadline(time.Time{}) })
			time.AfterFunc(time.Hour, func() { io.WriteString(far, "\x81\x02hi") })
			if n, err := nc.Read(buf); err != nil || string(buf[:n]) != "hi" {
				t.Errorf("read %q, %v", buf[:n], err)
			}
		})
	})
}

// netconnTestAt is a time within a bubble, whose clock starts at midnight UTC 2000-01-01.
func netconnTestAt(seconds int) time.Time {
	return time.Date(2000, 1, 1, 0, 0, seconds, 0, time.UTC)
}

func TestNetConnWriteDeadlines(t *testing.T) {
	t.Run("passes", func(t *testing.T) {
		netconnTestBubble(t, func(t *testing.T, nc, far net.Conn) {
			start := time.Now()
			nc.SetWriteDeadline(start.Add(time.Second))
			_, err := io.WriteString(nc, "nobody reads")
			netconnTestTimedOut(t, err, start, time.Second)
		})
	})
	t.Run("has passed", func(t *testing.T) { // and so not a byte has left: the connection is unharmed
		netconnTestBubble(t, func(t *testing.T, nc, far net.Conn) {
			start := time.Now()
			nc.SetWriteDeadline(start.Add(-time.Second))
			_, err := io.WriteString(nc, "nobody reads")
			netconnTestTimedOut(t, err, start, 0)
			nc.SetWriteDeadline(time.Time{})
			go io.Copy(io.Discard, far)
			if _, err := io.WriteString(nc, "somebody reads"); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("put off in the middle of a message", func(t *testing.T) { // which must not end the Write, or the message
		netconnTestBubble(t, func(t *testing.T, nc, far net.Conn) {
			nc.SetWriteDeadline(time.Now().Add(2 * time.Second))
			time.AfterFunc(time.Second, func() { nc.SetWriteDeadline(time.Now().Add(time.Minute)) })
			go func() {
				io.ReadFull(far, make([]byte, 5))
				time.Sleep(10 * time.Second)
				io.Copy(io.Discard, far)
			}()
			if n, err := io.WriteString(nc, "a message"); err != nil || n != 9 {
				t.Errorf("wrote %d bytes, %v", n, err)
			}
		})
	})
}

func TestNetConnEnds(t *testing.T) {
	read := func(nc net.Conn) error {
		_, err := nc.Read(make([]byte, 16))
		return err
	}
	for _, code := range []websocket.StatusCode{websocket.StatusNormalClosure, websocket.StatusGoingAway} {
		c, peer := netconnTestPair(t)
		nc := websocket.NetConn(t.Context(), c, websocket.Text)
		peer.Write(t.Context(), websocket.Text, []byte("the last words"))
		go peer.Close(code, "bye")
		if all, err := io.ReadAll(nc); err != nil || string(all) != "the last words" {
			t.Errorf("%v: read %q, %v; want the words and io.EOF", code, all, err)
		}
		if err := read(nc); err != io.EOF {
			t.Errorf("%v: a further Read returns %v, want io.EOF", code, err)
		}
		if err := nc.Close(); err != nil {
			t.Errorf("%v: Close: %v", code, err)
		}
	}
	t.Run("by another code", func(t *testing.T) {
		c, peer := netconnTestPair(t)
		go peer.Close(websocket.StatusInternalError, "oops")
		if err := read(websocket.NetConn(t.Context(), c, websocket.Text)); websocket.CloseStatus(err) != websocket.StatusInternalError {
			t.Errorf("%v; want the peer's code", err)
		}
	})
	t.Run("without a Close frame", func(t *testing.T) {
		c, peer := netconnTestPair(t)
		peer.CloseNow()
		if err := read(websocket.NetConn(t.Context(), c, websocket.Text)); err == nil || err == io.EOF {
			t.Errorf("%v; want an error that is not plain io.EOF, for the stream may be cut short", err)
		}
	})
	t.Run("with its context", func(t *testing.T) {
		c, _ := netconnTestPair(t)
		ctx, cancel := context.WithCancel(t.Context())
		nc := websocket.NetConn(ctx, c, websocket.Text)
		time.AfterFunc(10*time.Millisecond, cancel)
		if err := read(nc); err == nil {
			t.Error("Read goes on")
		}
		if _, err := nc.Write([]byte("x")); err == nil {
			t.Error("Write goes on")
		}
		if c.Err() != nil {
			t.Errorf("the connection itself has ended: %v", c.Err())
		}
	})
	t.Run("by Close on this side", func(t *testing.T) {
		c, peer := netconnTestPair(t)
		nc := websocket.NetConn(t.Context(), c, websocket.Text)
		time.AfterFunc(10*time.Millisecond, func() { nc.Close() })
		if err := read(nc); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a Read in progress returns %v, want net.ErrClosed", err)
		}
		if _, _, err := peer.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("the peer reads %v, want 1000", err)
		}
		if err := read(nc); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a later Read returns %v, want net.ErrClosed", err)
		}
		if _, err := nc.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a later Write returns %v, want net.ErrClosed", err)
		}
	})
}

func TestNetConnRefusesTheOtherTypeOfMessage(t *testing.T) {
	for typ, other := range map[websocket.MessageType]websocket.MessageType{websocket.Text: websocket.Binary, websocket.Binary: websocket.Text} {
		c, peer := netconnTestPair(t)
		nc := websocket.NetConn(t.Context(), c, typ)
		peer.Write(t.Context(), other, []byte("x"))
		_, err := nc.Read(make([]byte, 16))
		if violation, ok := errors.AsType[*websocket.ProtocolError](err); !ok || violation.Code != websocket.StatusUnsupportedData {
			t.Errorf("Read returns %v", err)
		}
		_, _, err = peer.Read(t.Context())
		closed, _ := errors.AsType[*websocket.CloseError](err)
		if want := "only " + typ.String() + " messages are understood here"; closed == nil || closed.Code != websocket.StatusUnsupportedData || closed.Reason != want {
			t.Errorf("the peer reads %v, want 1003 %q", err, want)
		}
	}
}

func TestNetConnCarriesAStream(t *testing.T) {
	const size = 10 << 20
	c, s := netconnTestStreams(t)
	var sides sync.WaitGroup
	for i, side := range []net.Conn{c, s} {
		sent, received := rand.NewChaCha8([32]byte{byte(i)}), rand.NewChaCha8([32]byte{byte(1 - i)})
		sides.Go(func() {
			if n, err := io.Copy(side, io.LimitReader(sent, size)); err != nil || n != size {
				t.Errorf("sent %d bytes, %v", n, err)
			}
		})
		sides.Go(func() {
			got, want := make([]byte, 50_000), make([]byte, 50_000) // no multiple of the size of the messages
			for left := size; left > 0; left -= len(got) {
				got, want = got[:min(left, len(got))], want[:min(left, len(want))]
				received.Read(want)
				if _, err := io.ReadFull(side, got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes before the end: %v, or other bytes than were sent", left, err)
					return
				}
			}
		})
	}
	sides.Wait()
}

func TestNetConnCarriesTLS(t *testing.T) {
	web, trust := dialTestTLSServer(t, http.NotFoundHandler())
	trust.ServerName = "example.com"
	c, s := netconnTestStreams(t)
	near, far := tls.Client(c, trust), tls.Server(s, &tls.Config{Certificates: web.TLS.Certificates})
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(far, far)
		done <- errors.Join(err, far.Close())
	}()
	want := bytes.Repeat([]byte("secret "), 50_000)
	go near.Write(want)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(near, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the echo differs, or %v", err)
	}
	if err := near.CloseWrite(); err != nil {
		t.Error(err)
	}
	if n, err := near.Read(got); err != io.EOF {
		t.Errorf("at the end read %d bytes, %v", n, err)
	}
	if err := errors.Join(near.Close(), <-done); err != nil {
		t.Error(err)
	}
}

func TestNetConnHasTheConnectionsAddresses(t *testing.T) {
	c, _ := netconnTestPair(t)
	nc := websocket.NetConn(t.Context(), c, websocket.Text)
	if nc.LocalAddr() != c.LocalAddr() || nc.RemoteAddr() != c.RemoteAddr() {
		t.Errorf("%v to %v; want %v to %v", nc.LocalAddr(), nc.RemoteAddr(), c.LocalAddr(), c.RemoteAddr())
	}
}
