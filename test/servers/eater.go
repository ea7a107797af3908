//go:build linux

// A proxy that is fooled by an Upgrade, and fools clients with it.

package servers

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// StartEater starts a proxy that passes HTTP on, accepts the Upgrade, and eats what comes after it. It returns its address.
func StartEater(t testing.TB, server string) string {
	t.Helper()
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server})
	pass.FlushInterval = -1
	pass.ErrorLog = log.New(io.Discard, "", 0)
	proxy := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			pass.ServeHTTP(w, r)
			return
		}
		if err := upgradeAndEat(w, r, server); err != nil {
			fmt.Fprintln(t.Output(), "the proxy:", err)
		}
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go proxy.Serve(listener)
	t.Cleanup(func() { proxy.Close() })
	return listener.Addr().String()
}

// upgradeAndEat passes the handshake on, and nothing that either side says after it.
func upgradeAndEat(w http.ResponseWriter, r *http.Request, server string) error {
	far, err := net.Dial("tcp", server)
	if err != nil {
		return err
	}
	defer far.Close()
	if err := r.Write(far); err != nil {
		return err
	}
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer near.Close()
	answers := bufio.NewReader(far)
	for { // the answer's head ends with an empty line
		line, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		io.WriteString(near, line)
		if strings.TrimSpace(line) == "" {
			break
		}
	}
	go func() {
		io.Copy(io.Discard, answers)
		near.Close()
	}()
	io.Copy(io.Discard, near)
	return nil
}
