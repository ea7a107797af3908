// Crowds at full size: ten thousand at once. The clients are another process, as the limit of open files is one of the process.

package loop_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ringdown/ringdown/websocket"
	"github.com/ringdown/ringdown/websocket/loop"
)

const (
	crowdEnv = "LOOP_TEST_CROWD" // address of the server
	crowd    = 10_000 / raceShare

	crowdPatience = 5 * time.Minute // for what ten thousand do, on whatever machine
)

// crowdPeers is the other process. Its peers connect, say their handshakes all at once, and read the answers. For each line on
// its standard input they then all send a message and read its echo; at its end they hang up. It says what it has done.
func crowdPeers(addr string) {
	peers := make([]net.Conn, crowd)
	each := func(what string, f func(nc net.Conn) error) {
		var wg sync.WaitGroup
		for i, nc := range peers {
			wg.Go(func() {
				if err := f(nc); err != nil {
					fmt.Printf("peer %d: %s: %v\n", i, what, err)
					os.Exit(1)
				}
			})
		}
		wg.Wait()
		fmt.Println(what)
	}
	for i := range peers { // one after the other: the kernel's queue of connections is shorter than that
		nc, err := net.DialTimeout("tcp", addr, crowdPatience)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		nc.(*net.TCPConn).SetReadBuffer(4 << 10)
		nc.SetDeadline(time.Now().Add(crowdPatience))
		peers[i] = nc
	}
	fmt.Println("connected")
	each("upgraded", func(nc net.Conn) error {
		if _, err := io.WriteString(nc, upgrade+"\r\n"); err != nil {
			return err
		}
		return answered(nc)
	})
	hello := text("hello")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		each("echoed", func(nc net.Conn) error {
			if _, err := nc.Write(hello); err != nil {
				return err
			}
			_, err := io.ReadFull(nc, make([]byte, 2+len("hello")))
			return err
		})
	}
}

// answered reads the answer to a handshake, and no byte more.
func answered(nc net.Conn) error {
	var head []byte
	for one := make([]byte, 1); len(head) < 4 || string(head[len(head)-4:]) != "\r\n\r\n"; head = append(head, one[0]) {
		if _, err := nc.Read(one); err != nil {
			return err
		}
	}
	if want := "HTTP/1.1 101 "; string(head[:len(want)]) != want {
		return fmt.Errorf("answered with %.60q", head)
	}
	return nil
}

// TestCrowdPeers is no test of its own: it is what the other process runs.
func TestCrowdPeers(t *testing.T) {
	if addr := os.Getenv(crowdEnv); addr != "" {
		crowdPeers(addr)
	}
}

// crowded is a server with its crowd.
type crowded struct {
	*loop.Server
	t    *testing.T
	said *bufio.Scanner
	in   io.WriteCloser
}

// gather starts a server, and a process whose peers connect to it.
func gather(t *testing.T, handler loop.Handler, opts loop.Options) *crowded {
	t.Helper()
	opts.Log = slog.New(slog.DiscardHandler)
	s, err := loop.New(handler, &opts)
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	served := make(chan error, 1)
	front := &http.Server{Handler: s} // that waits as long as it takes
	go func() { served <- front.Serve(tinyBuffers{l}) }()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrowdPeers$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), crowdEnv+"="+l.Addr().String())
	cmd.Stderr = os.Stderr
	c := &crowded{Server: s, t: t}
	if c.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.said = bufio.NewScanner(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.in.Close()
		cmd.Wait()
		front.Close()
		<-served
		s.Shutdown(soon(t))
	})
	return c
}

// hear waits for the crowd to say that it has done something.
func (c *crowded) hear(want string) {
	c.t.Helper()
	if !c.said.Scan() || c.said.Text() != want {
		c.t.Fatalf("the crowd said %q, want %q", c.said.Text(), want)
	}
}

// tinyBuffers is a listener whose connections leave little to the kernel.
type tinyBuffers struct{ net.Listener }

func (l tinyBuffers) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		nc.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return nc, err
}

// inUse is the memory of the heap and the stacks, after what is nobody's was collected.
func inUse() int {
	runtime.GC() // twice: pools keep what they hold through one
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

func TestTenThousandShakeHandsAtOnce(t *testing.T) {
	before := inUse()
	c := gather(t, loop.Handler{Message: echo}, loop.Options{})
	c.hear("connected")
	c.hear("upgraded")
	for range 2 {
		fmt.Fprintln(c.in, "go")
		c.hear("echoed")
	}
	if st := c.Stats(); st.Connections != crowd || st.MessagesIn != 2*crowd {
		t.Errorf("%d connections and %d messages, want %d and two of each", st.Connections, st.MessagesIn, crowd)
	}
	const fixed = 8 << 20 // what the server has, and what is left of so many handshakes
	if took := inUse() - before; took > crowd<<10+fixed {
		t.Errorf("%d connections take %d bytes", crowd, took)
	}
	c.in.Close()
	for start := time.Now(); c.Stats().Connections > 0; time.Sleep(ms) {
		if time.Since(start) > crowdPatience {
			t.Fatalf("%d connections are left", c.Stats().Connections)
		}
	}
}

func TestTenThousandWhoNeverReadStayInTheirBudget(t *testing.T) {
	const limit, size = 8 << 10, 1 << 10
	opened := make(chan *loop.Conn, crowd)
	before := inUse()
	c := gather(t, loop.Handler{Open: func(c *loop.Conn) { opened <- c }}, loop.Options{
		Accept: websocket.AcceptOptions{Limits: websocket.Limits{WriteTimeout: -1}},
		Outbox: loop.Outbox{Bytes: limit, Age: -1, Policy: loop.DropOldest},
	})
	c.hear("connected")
	c.hear("upgraded")
	conns := make([]*loop.Conn, crowd)
	for i := range conns {
		conns[i] = receive(t, opened, "Open")
	}
	message := make([]byte, size)
	for full := 0; full < crowd; { // one that is full stays so
		full = 0
		for _, conn := range conns {
			for range 8 {
				if err := conn.Write(websocket.Binary, message); err != nil {
					t.Fatalf("one is cut: %v", conn.Err())
				}
			}
			if conn.Waiting() > limit-2*size {
				full++
			}
		}
		if c.Stats().Dropped < crowd {
			full = 0
		}
	}
	// What has begun to leave is not in the bound: up to 16 KiB. Buffers are of powers of two.
	if each := (inUse() - before) / crowd; each > 2*(limit+16<<10) {
		t.Errorf("each peer costs %d bytes, the bound is %d", each, limit)
	}
	if n := c.Stats().Connections; n != crowd {
		t.Errorf("%d of %d are left", n, crowd)
	}
}
