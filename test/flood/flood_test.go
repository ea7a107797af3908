package flood

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringdown/ringdown/server"
	"github.com/ringdown/ringdown/server/config"
	"github.com/ringdown/ringdown/test/flood/hostile"
	"github.com/ringdown/ringdown/websocket"
)

// serve runs a node in dev mode for as long as the test.
func serve(t *testing.T) (address string) {
	t.Helper()
	c := config.Default()
	c.Dev, c.Listen.Address = true, "127.0.0.1:0"
	node, err := server.New(c, server.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	serving := make(chan error, 1)
	go func() { serving <- node.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(node.Shutdown(ctx), <-serving); err != nil {
			t.Error(err)
		}
	})
	return node.Addr().String()
}

// What is published in hostile.Torrent, so that who does not read must be cut.
const (
	torrentSize    = 48 << 10 // of a publication
	torrentLength  = 400      // publications: far more than the kernel's buffers and the outbox hold
	torrentVictims = 5        // who never reads them
)

// publisher posts; its connection is its own.
type publisher struct {
	address string
	http    http.Client
}

func newPublisher(t *testing.T, address string) *publisher {
	p := &publisher{address: address, http: http.Client{Transport: &http.Transport{}, Timeout: patience}}
	t.Cleanup(p.http.CloseIdleConnections)
	return p
}

// post publishes, and returns how many subscribers the receipt tells of.
func (p *publisher) post(channel, payload string) (subscribers int, err error) {
	response, err := p.http.Post(fmt.Sprintf("http://%s/channels/%s", p.address, channel), "text/plain", bytes.NewBufferString(payload))
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var receipt struct{ Subscribers int }
	text, _ := io.ReadAll(response.Body)
	if err := json.Unmarshal(text, &receipt); err != nil || response.StatusCode != http.StatusCreated {
		return 0, fmt.Errorf("publishing is answered with %s: %.200q", response.Status, text)
	}
	return receipt.Subscribers, nil
}

// drown publishes a torrent until everybody who does not read it is cut.
func (p *publisher) drown(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		subscribers, err := p.post(hostile.Torrent, "a drop")
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d are there to be drowned, want %d: %v", subscribers, torrentVictims, err)
		}
		if subscribers == torrentVictims {
			break
		}
	}
	for n := range torrentLength {
		subscribers, err := p.post(hostile.Torrent, fmt.Sprintf("%*d", torrentSize, n))
		if err != nil {
			t.Fatal(err)
		}
		if subscribers == 0 {
			t.Logf("after %d publications nobody is left who does not read them", n+1)
			return
		}
	}
	t.Errorf("after %d publications of %d bytes there are still subscribers that have read none", torrentLength, torrentSize)
}

// holdings are what a process holds.
type holdings struct {
	goroutines int
	files      int // open; 0 where the system does not tell
	heap       uint64
}

func held() holdings {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd")
	return holdings{runtime.NumGoroutine(), len(files), m.HeapAlloc}
}

// within tells whether what is held is back to what it was, but for a few pieces of the runtime and of net/http, and for the history
// that the channels keep.
func (h holdings) within(before holdings) bool {
	const (
		few     = 10
		history = 64 << 20
	)
	return h.goroutines <= before.goroutines+few && h.files <= before.files+few && h.heap <= before.heap+history
}

// released waits until the process holds no more than before.
func released(t *testing.T, before holdings) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		now := held()
		if now.within(before) {
			t.Logf("before: %+v; in the end: %+v", before, now)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("all clients have gone; held are %+v, before they came %+v", now, before)
		}
	}
}

// watchMemory samples what the process takes until stop is called, which returns the most.
func watchMemory() (stop func() uint64) {
	var most atomic.Uint64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.Sys-m.HeapReleased))
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(done)
		<-ended
		return most.Load()
	}
}

func TestACrowdIsServedWhileATenthOfItMeansHarm(t *testing.T) {
	address := serve(t)
	p := newPublisher(t, address)
	if _, err := p.post(channel, "warm 0"); err != nil { // so that what is held before includes the way of a request
		t.Fatal(err)
	}
	before := held()
	memoryTaken := watchMemory()
	began := time.Now()
	step := func(what string) { t.Logf("%6.1f s: %s", time.Since(began).Seconds(), what) }

	victims := start(t, role{"victims", address, torrentVictims})
	p.drown(t) // first, as the node's pings find out, too, who reads nothing
	step("those who never read were cut")
	enemies := start(t, role{"hostile", address, clients/10 - torrentVictims})
	enemies.wait(t, "ready", time.Minute, func() {})
	good := start(t, role{"good", address, clients - clients/10})
	warm, subscribers := 0, 0
	publish := func(payload string) {
		var err error
		if subscribers, err = p.post(channel, payload); err != nil {
			t.Fatal(err)
		}
	}
	good.wait(t, "ready", 2*time.Second, func() { warm++; publish(fmt.Sprint("warm ", warm)) })
	step(fmt.Sprintf("everybody has heard something; %d are subscribed", subscribers))
	for n := range publications {
		publish(fmt.Sprint("news ", n+1))
	}
	good.wait(t, "done", time.Minute, func() {})
	step("everybody has heard everything")
	good.quiet(t)
	if most := memoryTaken(); most > memory {
		t.Errorf("the node took %d MiB for %d clients; at most %d were to be", most>>20, clients, memory>>20)
	} else {
		t.Logf("the node took at most %d MiB", most>>20)
	}
	good.end()
	enemies.end()
	victims.end()
	p.http.CloseIdleConnections()
	released(t, before)
	step("everything is released")
}

// quiet checks that a child has told of no fault so far.
func (c *child) quiet(t *testing.T) {
	t.Helper()
	select {
	case line := <-c.said:
		t.Errorf("a client that behaves: %s", line)
	default:
	}
}

func TestClientsThatAreKilledAreNoticed(t *testing.T) {
	const count = 300
	address := serve(t)
	p := newPublisher(t, address)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	watcher, _, err := websocket.Dial(ctx, fmt.Sprintf("ws://%s/connect?user=watcher", address), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.CloseNow()
	if err := watcher.Write(ctx, websocket.Text, []byte(`{"type":"subscribe","channel":"`+channel+`","presence":true}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.post(channel, "warm 0"); err != nil {
		t.Fatal(err)
	}
	before := held()
	killed := start(t, role{"killed", address, count})
	subscribers := 0
	killed.wait(t, "ready", 200*time.Millisecond, func() {
		if subscribers, err = p.post(channel, "warm 1"); err != nil {
			t.Error(err)
		}
	})
	if subscribers != count+1 {
		t.Errorf("%d are subscribed, want %d", subscribers, count+1)
	}
	killed.kill()
	left := 0
	for left < count {
		_, text, err := watcher.Read(ctx)
		if err != nil {
			t.Fatalf("the watcher was told of %d clients that left: %v", left, err)
		}
		var s said
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		if s.Type == "presence" && s.Left != nil {
			if left++; left == count && s.Sessions != 1 {
				t.Errorf("after all have left there are %d sessions, want the watcher's alone", s.Sessions)
			}
		}
	}
	if subscribers, err = p.post(channel, "warm 2"); err != nil || subscribers != 1 {
		t.Errorf("%d are subscribed, %v; want the watcher alone", subscribers, err)
	}
	released(t, before)
}
