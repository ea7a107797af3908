// A process that runs out of descriptors.

package loop_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
	"github.com/ringdown/ringdown/websocket/wire"
	"golang.org/x/sys/unix"
)

// The server of this test is another process, as the limit is one of the process.
const childEnv = "LOOP_TEST_CHILD"

// child is that process: it says where it listens, and serves until its standard input ends.
func child(secure bool) {
	limit := unix.Rlimit{Cur: 40, Max: 40}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		panic(err)
	}
	s, err := loop.New(loop.Handler{Message: echo}, nil)
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	server, _ := certificate()
	go func() {
		if secure {
			err = s.ServeTLS(l, server)
		} else {
			err = s.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
	var end [1]byte
	os.Stdin.Read(end[:])
}

func TestAServerWithoutDescriptorsKeepsThoseItHas(t *testing.T) {
	if mode := os.Getenv(childEnv); mode != "" {
		child(mode == "tls")
		return
	}
	t.Parallel()
	for _, mode := range []string{"plain", "tls"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestAServerWithoutDescriptorsKeepsThoseItHas$")
			cmd.Env = append(os.Environ(), childEnv+"="+mode)
			var warnings log
			cmd.Stderr = &warnings
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer in.Close()
			s := &site{t: t}
			if mode == "tls" { // the child has a certificate of its own
				s.client = &tls.Config{InsecureSkipVerify: true}
			}
			if _, err := fmt.Fscanln(out, &s.addr); err != nil {
				t.Fatal(err)
			}
			exhaust(t, s)
			if n := strings.Count(warnings.String(), "Accept error"); n == 0 || n > 100 {
				t.Errorf("%d warnings: %.500s", n, warnings.String())
			}
		})
	}
}

// exhaust connects more peers than the server has descriptors for.
func exhaust(t *testing.T, s *site) {
	const peers = 60
	var served []*peer
	answered := make(chan *peer, peers)
	for range peers {
		p := s.connect()
		go func() {
			p.nc.Write(append([]byte(upgrade+"\r\n"), text("hello")...))
			if resp, err := http.ReadResponse(p.r, nil); err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
				answered <- p
			}
		}()
	}
	for quiet := false; !quiet; {
		select {
		case p := <-answered:
			p.want(wire.Text, "hello")
			served = append(served, p)
		case <-time.After(2 * time.Second): // longer than the longest pause of net/http's after an error
			quiet = true
		}
	}
	if len(served) < 10 || len(served) == peers {
		t.Fatalf("%d of %d were served", len(served), peers)
	}
	for _, p := range served {
		p.send(text("still there"))
		p.want(wire.Text, "still there")
	}
	for _, p := range served {
		p.hangUp()
	}
	for range peers - len(served) { // the others have waited in the kernel's queue
		p := receive(t, answered, "one who has waited")
		p.want(wire.Text, "hello")
		p.send(closing(websocket.StatusNormalClosure, ""))
		p.tcp.Close()
	}
}
