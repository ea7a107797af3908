package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
)

// program is the built program.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "echo")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "echo.exe")
		if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// start runs the program until the test ends and returns its address, once it listens there.
func start(t *testing.T, flags ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(program, append(flags, "-addr", addr)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if nc, err := net.Dial("tcp", addr); err == nil {
			nc.Close()
			return addr
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	t.Fatalf("the program does not listen on %s; it says:\n%s", addr, said.String())
	return ""
}

func dial(t *testing.T, url string, mode websocket.CompressionMode) (*websocket.Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		TLSConfig:   &tls.Config{InsecureSkipVerify: true}, // the certificate is made at start and known to nobody
		Compression: websocket.Compression{Mode: mode},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c, ctx
}

func TestEachMessageComesBackAsItWas(t *testing.T) {
	for _, test := range []struct {
		flags      []string
		scheme     string
		compressed bool
	}{
		{nil, "ws", false},
		{[]string{"-compression", "off"}, "ws", false},
		{[]string{"-compression", "no-takeover"}, "ws", true},
		{[]string{"-compression", "takeover"}, "ws", true},
		{[]string{"-tls"}, "wss", false},
		{[]string{"-tls", "-compression", "takeover"}, "wss", true},
	} {
		t.Run(fmt.Sprint(test.flags), func(t *testing.T) {
			c, ctx := dial(t, test.scheme+"://"+start(t, test.flags...), websocket.CompressionTakeover)
			if c.Compressed() != test.compressed {
				t.Errorf("compressed: %v", c.Compressed())
			}
			for _, typ := range []websocket.MessageType{websocket.Text, websocket.Binary} {
				for _, size := range []int{0, 1, 126, 4000, 100_000} {
					want := bytes.Repeat([]byte("echo "), size/5+1)[:size]
					if err := c.Write(ctx, typ, want); err != nil {
						t.Fatal(err)
					}
					if got, data, err := c.Read(ctx); err != nil || got != typ || !bytes.Equal(data, want) {
						t.Fatalf("%v of %d bytes: %v of %d bytes, %v", typ, size, got, len(data), err)
					}
				}
			}
			if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAMessageThatIsTooLargeIsRefused(t *testing.T) {
	for _, mode := range []string{"off", "takeover"} {
		url := "ws://" + start(t, "-max-message", "1000", "-compression", mode)
		c, ctx := dial(t, url, websocket.CompressionTakeover)
		for _, size := range []int{1000, 1001} {
			if err := c.Write(ctx, websocket.Binary, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
		}
		if _, data, err := c.Read(ctx); err != nil || len(data) != 1000 {
			t.Errorf("%s: the message of 1000 bytes came back as %d, %v", mode, len(data), err)
		}
		if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
			t.Errorf("%s: the message of 1001 bytes: %v; want 1009", mode, err)
		}
		other, ctx := dial(t, url, websocket.CompressionOff)
		if err := other.Write(ctx, websocket.Text, []byte("still there")); err != nil {
			t.Error(err)
		}
		if _, data, err := other.Read(ctx); err != nil || string(data) != "still there" {
			t.Errorf("%s: another connection: %q, %v", mode, data, err)
		}
	}
}

func TestWrongFlagsAreTold(t *testing.T) {
	for _, test := range []struct {
		flags []string
		want  string
	}{
		{[]string{"-compression", "gzip"}, `-compression "gzip": use off, no-takeover or takeover`},
		{[]string{"-addr", "nowhere"}, "nowhere"},
		{[]string{"-max-message", "many"}, "max-message"},
	} {
		out, err := exec.Command(program, test.flags...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), test.want) {
			t.Errorf("%v: %v, %q", test.flags, err, out)
		}
	}
}
