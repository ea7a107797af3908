package server

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

func TestConnectionsOfHTTPAndLinesShareTheOpenFiles(t *testing.T) {
	const patience = 20 * time.Second
	f := newFiles(0, slog.New(slog.DiscardHandler))
	f.most = 3
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := loop.New(loop.Handler{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Shutdown(t.Context())
	count := func() int { return lines.Stats().Connections }
	f.lines.Store(&count)
	mux := http.NewServeMux()
	mux.Handle("/line", lines)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "served") })
	h := &http.Server{Handler: mux}
	go h.Serve(f.listener(inner))
	defer h.Close()

	for range 2 {
		c, _, err := websocket.Dial(t.Context(), "ws://"+inner.Addr().String()+"/line", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
	}
	settled(t, func() bool { return f.http.Load() == 0 && count() == 2 }) // taken over, and counted once
	ask := func() (*net.TCPConn, string) {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		answer := make([]byte, 12)
		n, _ := io.ReadFull(c, answer)
		return c.(*net.TCPConn), string(answer[:n])
	}
	third, answer := ask()
	if !strings.HasSuffix(answer, " 200") {
		t.Errorf("the third connection is answered with %q", answer)
	}
	fourth, answer := ask()
	fourth.Close()
	if answer != "" {
		t.Errorf("the fourth connection is answered with %q", answer)
	}
	third.Close()
	settled(t, func() bool { return f.http.Load() == 0 })
	fifth, answer := ask()
	fifth.Close()
	if !strings.HasSuffix(answer, " 200") {
		t.Errorf("the one after that is answered with %q", answer)
	}
}

// settled waits until something holds.
func settled(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
