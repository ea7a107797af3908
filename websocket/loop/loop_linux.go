// The event loops of Linux: epoll, level-triggered, one read for each event.

package loop

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/epoll"
	"github.com/ringdown/ringdown/websocket/internal/outbox"
	"github.com/ringdown/ringdown/websocket/internal/wheel"
	"golang.org/x/sys/unix"
)

// Sizes of a loop's own memory.
const (
	events   = 256      // taken from epoll at once
	readSize = 64 << 10 // bytes; one read at most
)

// place is where the event loop finds a connection.
type place struct {
	fd     int32
	index  uint32 // in loop.conns
	armed  uint16 // the epoll events that are asked for
	joined bool
	left   bool // the loop has forgotten the connection
}

// loop is one event loop: a goroutine that waits in epoll and owns everything here but what says otherwise.
type loop struct {
	server *Server
	poll   *epoll.Poll

	conns   []*Conn // by index; the index is in the epoll data, with a generation
	gens    []uint32
	free    []uint32
	wheel   *wheel.Wheel[Conn]
	buf     []byte
	encoder outbox.Encoder
	plain   []byte // what TLS was decrypted to
	stopped bool
	delay   wheel.Delay // of the wheel, after a handler has held up the loop

	dirty    atomic.Pointer[Conn] // those with something to do, linked by next, newest first
	sleeping atomic.Bool          // in epoll, to be woken
	ticked   atomic.Uint32        // the clock has moved to
	rounds   atomic.Uint32        // odd while in a round
	current  atomic.Pointer[Conn] // whose handler may be running

	mu    sync.Mutex // guards tasks
	tasks []func()

	watched uint32 // rounds at the last tick; for the clock's goroutine
	held    int    // ticks that the present round has lasted
}

func newLoop(s *Server) (*loop, error) {
	poll, err := epoll.New()
	if err != nil {
		return nil, err
	}
	l := &loop{server: s, poll: poll, buf: make([]byte, readSize)}
	l.wheel = wheel.New(s.now(), func(c *Conn) *wheel.Place[Conn] { return &c.due })
	l.ticked.Store(uint32(l.wheel.Now()))
	return l, nil
}

// run is the loop's goroutine. It keeps its thread: between rounds it waits in the kernel.
func (l *loop) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer l.poll.Close()
	ready := make([]epoll.Event, events)
	for !l.stopped {
		n := l.wait(ready)
		l.rounds.Add(1)
		for i := range ready[:n] {
			l.serve(&ready[i])
		}
		l.work()
		l.turnWheel(n == len(ready))
		l.rounds.Add(1)
	}
}

// wait returns the descriptors that are ready. It sleeps only if nobody has anything for the loop to do.
func (l *loop) wait(ready []epoll.Event) int {
	if n := l.poll.Ready(ready); n > 0 {
		return n
	}
	l.sleeping.Store(true)
	defer l.sleeping.Store(false)
	if l.hasWork() {
		return 0
	}
	return l.poll.Wait(ready)
}

func (l *loop) hasWork() bool {
	if l.dirty.Load() != nil || l.wheel.Now().Before(wheel.Tick(l.ticked.Load())) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tasks) > 0
}

// rouse ends the loop's sleep.
func (l *loop) rouse() {
	if l.sleeping.CompareAndSwap(true, false) {
		l.poll.Wake()
	}
}

// do has f run on the loop's goroutine.
func (l *loop) do(f func()) {
	l.mu.Lock()
	l.tasks = append(l.tasks, f)
	l.mu.Unlock()
	l.rouse()
}

// wake implements driver.
func (l *loop) wake(c *Conn) {
	for {
		head := l.dirty.Load()
		c.next = head
		if l.dirty.CompareAndSwap(head, c) {
			break
		}
	}
	l.rouse()
}

// serve handles one ready descriptor.
func (l *loop) serve(ev *epoll.Event) {
	data, ok := l.poll.Data(ev)
	if !ok {
		return
	}
	index, gen := uint32(data), uint32(data>>32)
	c := l.conns[index]
	if c == nil || l.gens[index] != gen {
		return // closed in this very round; its place may be another's already
	}
	if ev.Events&epoll.Out != 0 {
		l.writable(c)
	}
	if ev.Events&^epoll.Out != 0 && c.place.joined {
		if c.pausing.Load() {
			l.unhook(c)
		} else {
			l.read(c)
		}
	}
}

// unhook takes a paused connection out of epoll whose peer has hung up: that cannot be masked, and would come in each round.
// What the peer has sent before stays in the socket until the pause is over.
func (l *loop) unhook(c *Conn) {
	l.poll.Remove(c.place.fd)
	c.mu.Lock()
	c.needRare().unhooked = true
	c.mu.Unlock()
	c.place.armed = 0
}

// read reads once and hands on what came. What is left in the socket makes the next round.
func (l *loop) read(c *Conn) {
	n, err := epoll.Read(c.place.fd, l.buf)
	switch {
	case n > 0:
		l.current.Store(c)
		if c.secure() {
			l.decrypt(c, l.buf[:n])
		} else {
			l.hold(c, c.receive(l.buf[:n]))
		}
		l.current.Store(nil)
	case err == unix.EAGAIN || err == unix.EINTR:
	case err == 0:
		c.lost(io.EOF)
	default:
		c.lost(err)
	}
}

// hold keeps what a paused handler has not taken.
func (l *loop) hold(c *Conn, rest []byte) {
	if len(rest) > 0 && c.at() <= stateClosing {
		c.mu.Lock()
		c.needRare().rest = append([]byte(nil), rest...)
		c.mu.Unlock()
	}
	if c.pausing.Load() {
		l.arm(c)
	}
}

// arm asks epoll for what the connection waits for.
func (l *loop) arm(c *Conn) {
	want := uint16(0)
	if !c.pausing.Load() {
		want |= epoll.In | epoll.HungUp
	}
	if c.blocked != 0 {
		want |= epoll.Out
	}
	if want == c.place.armed || !c.place.joined {
		return
	}
	watch := l.poll.Change
	if r := c.rare(); r != nil && r.unhooked {
		if c.pausing.Load() {
			return
		}
		watch, r.unhooked = l.poll.Add, false
	}
	if watch(c.place.fd, uint32(want), l.dataOf(c)) == nil {
		c.place.armed = want
	}
}

// dataOf is what c's events carry: its index, and a generation, as both index and descriptor are reused at once.
func (l *loop) dataOf(c *Conn) uint64 {
	return uint64(c.place.index) | uint64(l.gens[c.place.index])<<32
}

// work serves those with something to do, and runs tasks. A task finds served who woke the loop before it.
func (l *loop) work() {
	l.mu.Lock()
	tasks := l.tasks
	l.tasks = nil
	l.mu.Unlock()
	for c := reversed(l.dirty.Swap(nil)); c != nil; {
		next := c.next
		c.next = nil
		l.attend(c)
		c = next
	}
	for _, f := range tasks {
		f()
	}
}

// reversed turns a list newest first into one oldest first.
func reversed(c *Conn) *Conn {
	var head *Conn
	for c != nil {
		c.next, head, c = head, c, c.next
	}
	return head
}

// tick is called by the clock's goroutine. It wakes the loop for its wheel, and notices when a round takes long.
func (l *loop) tick(now wheel.Tick) {
	l.ticked.Store(uint32(now))
	rounds := l.rounds.Load()
	if rounds&1 == 0 || rounds != l.watched {
		l.watched, l.held = rounds, 0
		l.rouse()
		return
	}
	l.held++
	held := time.Duration(l.held) * wheel.Step
	if held > time.Duration(l.server.stats.lag.Load()) {
		l.server.stats.lag.Store(int64(held))
	}
	if warn := l.server.opts.SlowHandler; warn > 0 && held >= warn && held-wheel.Step < warn {
		l.server.stats.slowHandlers.Add(1)
		peer := "unknown"
		if c := l.current.Load(); c != nil {
			if addr := c.RemoteAddr(); addr != nil {
				peer = addr.String()
			}
		}
		l.server.opts.Log.Warn("websocket: a handler holds up its event loop: let it return, or use Conn.Go", "peer", peer, "for", held)
	}
}

// turnWheel looks at the connections that are due. After a handler that has held up the loop it waits until has been read
// what came meanwhile: no peer is to blame for that. more says that epoll may have had more than the round has served.
func (l *loop) turnWheel(more bool) {
	now := wheel.Tick(l.ticked.Load())
	late := now - l.wheel.Now()
	if int32(late) <= 0 || !l.delay.Over(late, more, len(l.conns)/events+2) {
		return
	}
	l.wheel.Advance(now, func(c *Conn) (wheel.Tick, bool) { return c.look(now, false) })
	l.work()
}
