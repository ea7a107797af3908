// The event loops of Linux: epoll, level-triggered, one read for each event.

package loop

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ringdown/ringdown/websocket/internal/bridge"
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
}

// loops is the poller of Linux.
type loops struct {
	server *Server
	all    []*loop
	turn   atomic.Uint32 // for spreading connections
}

func newPoller(s *Server) (poller, error) {
	p := &loops{server: s}
	for range s.opts.Loops {
		l, err := newLoop(s)
		if err != nil {
			p.close()
			return nil, fmt.Errorf("websocket: starting an event loop: %w", err)
		}
		p.all = append(p.all, l)
		s.running.Go(l.run)
	}
	return p, nil
}

// adopt takes the descriptor out of package net, to be rid of the net.Conn and its share of Go's poller.
func (p *loops) adopt(u *bridge.Upgraded, ready func(*Conn)) bool {
	nc := u.NetConn
	secure, _ := nc.(*tls.Conn)
	var under *shim
	if secure != nil {
		var ours bool
		if under, ours = secure.NetConn().(*shim); !ours {
			return false // its tls.Conn cannot be told to take its bytes from us
		}
		nc = under.Conn
	}
	fd, remote, ok := takeFD(nc)
	if !ok {
		return false
	}
	l := p.all[p.turn.Add(1)%uint32(len(p.all))]
	c := new(Conn)
	c.place.fd = int32(fd)
	if len(u.Early) > 0 {
		c.more().rest = u.Early
	}
	if remote != nil {
		c.more().remote = remote
	}
	if secure != nil {
		under.Conn, under.looped = nil, true
		c.more().tls, c.more().shim = secure, under
	}
	c.init(p.server, l, u)
	c.queued = true // what ready does must not bring the loop to it yet
	if ready != nil {
		ready(c)
	}
	l.wake(c)
	return true
}

// takeFD duplicates the descriptor of a TCP or Unix connection and closes the original. remote is the peer's address where it
// is another than the kernel knows.
func takeFD(nc net.Conn) (fd int, remote net.Addr, ok bool) {
	bare := beneath(nc)
	var socket syscall.Conn
	switch bare := bare.(type) {
	case *net.TCPConn:
		socket = bare
	case *net.UnixConn:
		socket = bare
	default:
		return 0, nil, false // a wrapper, whose Read and Write would be passed by
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, nil, false
	}
	if shown := nc.RemoteAddr(); shown != nil && shown != bare.RemoteAddr() {
		remote = shown
	}
	var dupErr error
	if err := raw.Control(func(old uintptr) { fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || dupErr != nil {
		return 0, nil, false
	}
	nc.Close() // all of it: a wrapper may count
	return fd, remote, true
}

// beneath is the connection that nc wraps without touching what passes, as it says by a method Socket; or nc.
func beneath(nc net.Conn) net.Conn {
	for {
		wrapper, ok := nc.(interface{ Socket() net.Conn })
		if !ok {
			return nc
		}
		nc = wrapper.Socket()
	}
}

func (p *loops) tick(now tick) {
	for _, l := range p.all {
		l.tick(now)
	}
}

func (p *loops) each(f func(*Conn)) {
	var wg sync.WaitGroup
	for _, l := range p.all {
		wg.Add(1)
		l.do(func() {
			defer wg.Done()
			for _, c := range l.conns {
				if c != nil {
					f(c)
				}
			}
		})
	}
	wg.Wait()
}

func (p *loops) close() {
	for _, l := range p.all {
		l.do(func() { l.stopped = true })
	}
}

// loop is one event loop: a goroutine that waits in epoll and owns everything here but what says otherwise.
type loop struct {
	server *Server
	epoll  int
	waker  int // an eventfd

	conns   []*Conn // by index; the index is in the epoll data, with a generation
	gens    []uint32
	free    []uint32
	wheel   wheel
	buf     []byte
	encoder encoder
	plain   []byte // what TLS was decrypted to
	stopped bool

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

// wakerData is the epoll data of the eventfd.
const wakerData = ^uint64(0)

func newLoop(s *Server) (*loop, error) {
	l := &loop{server: s, buf: make([]byte, readSize)}
	l.wheel.now = s.now()
	l.ticked.Store(uint32(l.wheel.now))
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if l.waker, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(l.epoll)
		return nil, err
	}
	ev := eventOf(unix.EPOLLIN, wakerData)
	if err = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.waker, &ev); err != nil {
		unix.Close(l.epoll)
		unix.Close(l.waker)
		return nil, err
	}
	return l, nil
}

func eventOf(events uint32, data uint64) unix.EpollEvent {
	return unix.EpollEvent{Events: events, Fd: int32(uint32(data)), Pad: int32(data >> 32)}
}

// run is the loop's goroutine. It keeps its thread: between rounds it waits in the kernel.
func (l *loop) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer l.shut()
	ready := make([]unix.EpollEvent, events)
	for !l.stopped {
		n := l.wait(ready)
		l.rounds.Add(1)
		for i := range ready[:n] {
			l.serve(&ready[i])
		}
		l.work()
		l.turnWheel()
		l.rounds.Add(1)
	}
}

func (l *loop) shut() {
	unix.Close(l.epoll)
	unix.Close(l.waker)
}

// wait returns the descriptors that are ready. It sleeps only if nobody has anything for the loop to do.
func (l *loop) wait(ready []unix.EpollEvent) int {
	if n := epollWait(l.epoll, ready); n > 0 {
		return n
	}
	l.sleeping.Store(true)
	if l.hasWork() {
		l.sleeping.Store(false)
		return 0
	}
	n, err := unix.EpollWait(l.epoll, ready, -1)
	l.sleeping.Store(false)
	if err != nil {
		return 0 // EINTR
	}
	return n
}

func (l *loop) hasWork() bool {
	if l.dirty.Load() != nil || l.wheel.now.before(tick(l.ticked.Load())) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tasks) > 0
}

// rouse ends the loop's sleep.
func (l *loop) rouse() {
	if l.sleeping.CompareAndSwap(true, false) {
		var one = [8]byte{1}
		unix.Write(l.waker, one[:])
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
func (l *loop) serve(ev *unix.EpollEvent) {
	data := uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
	if data == wakerData {
		var count [8]byte
		unix.Read(l.waker, count[:])
		return
	}
	index, gen := uint32(data), uint32(data>>32)
	c := l.conns[index]
	if c == nil || l.gens[index] != gen {
		return // closed in this very round; its place may be another's already
	}
	if ev.Events&unix.EPOLLOUT != 0 {
		l.writable(c)
	}
	if ev.Events&^unix.EPOLLOUT != 0 && c.place.joined {
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
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, int(c.place.fd), nil)
	c.mu.Lock()
	c.more().unhooked = true
	c.mu.Unlock()
	c.place.armed = 0
}

// read reads once and hands on what came. What is left in the socket makes the next round.
func (l *loop) read(c *Conn) {
	n, err := sysRead(c.place.fd, l.buf)
	switch {
	case n > 0:
		l.current.Store(c)
		if c.secure() {
			l.decrypt(c, l.buf[:n])
		} else {
			l.keep(c, c.receive(l.buf[:n]))
		}
		l.current.Store(nil)
	case err == unix.EAGAIN || err == unix.EINTR:
	case err == 0:
		c.lost(io.EOF)
	default:
		c.lost(err)
	}
}

// keep holds what a paused handler has not taken.
func (l *loop) keep(c *Conn, rest []byte) {
	if len(rest) > 0 && c.at() <= stateClosing {
		c.mu.Lock()
		c.more().rest = append([]byte(nil), rest...)
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
		want |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if c.moved != 0 {
		want |= unix.EPOLLOUT
	}
	if want == c.place.armed || !c.place.joined {
		return
	}
	op := unix.EPOLL_CTL_MOD
	if a := c.aside; a != nil && a.unhooked {
		if c.pausing.Load() {
			return
		}
		op, a.unhooked = unix.EPOLL_CTL_ADD, false
	}
	ev := eventOf(uint32(want), uint64(c.place.index)|uint64(l.gens[c.place.index])<<32)
	if unix.EpollCtl(l.epoll, op, int(c.place.fd), &ev) == nil {
		c.place.armed = want
	}
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

// attend does what a connection was woken for.
func (l *loop) attend(c *Conn) {
	c.mu.Lock()
	c.queued = false
	resumed, drained := c.resumed, c.drained
	c.resumed = false
	ended := c.at() >= stateLingering && c.err != nil
	if ended && c.detaching() != nil { // it has ended before it could be detached
		c.aside.detach, resumed = nil, true
	}
	c.mu.Unlock()
	if !c.place.joined && !c.left {
		l.join(c)
	}
	if resumed {
		c.pausing.Store(false)
		l.resume(c)
	}
	if c.moved == 0 && c.at() != stateGone {
		l.flush(c)
	}
	if drained {
		l.current.Store(c)
		c.tellDrained()
		l.current.Store(nil)
	}
	if c.detaching() != nil && c.at() == stateOpen {
		if c.moved == 0 {
			l.detach(c)
		}
		return
	}
	if ended {
		l.tell(c)
	}
	switch c.at() {
	case stateClosing:
		l.wheel.sooner(c, ticks(l.server.set.Close))
	case stateLingering:
		l.linger(c)
	case stateGone:
		l.leave(c)
	}
}

// join makes a new connection part of the loop.
func (l *loop) join(c *Conn) {
	var index uint32
	if n := len(l.free); n > 0 {
		index, l.free = l.free[n-1], l.free[:n-1]
	} else {
		index = uint32(len(l.conns))
		l.conns, l.gens = append(l.conns, nil), append(l.gens, 0)
	}
	l.conns[index] = c
	c.place.index, c.place.joined, c.place.armed = index, true, unix.EPOLLIN|unix.EPOLLRDHUP
	l.wheel.add(c, 1)
	ev := eventOf(uint32(c.place.armed), uint64(index)|uint64(l.gens[index])<<32)
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, int(c.place.fd), &ev); err != nil {
		c.lost(err)
	}
	l.current.Store(c)
	l.server.handler.Open(c)
	l.current.Store(nil)
	l.resume(c)
}

// resume delivers what came while the handler had paused the connection.
func (l *loop) resume(c *Conn) {
	if a := c.aside; a != nil {
		rest := a.rest
		a.rest = nil
		l.current.Store(c)
		if len(rest) > 0 {
			l.keep(c, c.receive(rest))
		}
		if c.secure() && !c.pausing.Load() {
			l.decrypt(c, nil)
		}
		l.current.Store(nil)
	}
	l.arm(c)
}

// tell calls the handler's Close, once.
func (l *loop) tell(c *Conn) {
	if !c.told && !c.pausing.Load() {
		c.told = true
		l.current.Store(c)
		l.server.handler.Close(c, c.Err())
		l.current.Store(nil)
	}
}

// linger closes our direction once the last words are out.
func (l *loop) linger(c *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.empty() && !c.shut && !l.encryptedWaits(c) {
		c.shut = true
		unix.Shutdown(int(c.place.fd), unix.SHUT_WR)
	}
	l.wheel.sooner(c, ticks(lingering))
}

// leave closes the line and forgets the connection.
func (l *loop) leave(c *Conn) {
	if c.left || !c.told && c.pausing.Load() {
		return // the handler's function has still to return before Close can be called
	}
	l.tell(c)
	c.left = true
	if c.place.joined {
		l.forget(c)
	}
	c.mu.Lock()
	fd := c.place.fd
	c.place.fd = -1
	c.out.clear(false)
	c.messages.Release()
	c.mu.Unlock()
	unix.Close(int(fd))
	l.server.stats.gone.Add(1)
}

// forget takes the connection out of the loop.
func (l *loop) forget(c *Conn) {
	l.wheel.remove(c)
	l.conns[c.place.index] = nil
	l.gens[c.place.index]++
	l.free = append(l.free, c.place.index)
	c.place.joined = false
}

// detach hands a connection, whose outbox is empty, to a goroutine of its own.
func (l *loop) detach(c *Conn) {
	c.mu.Lock()
	if !c.out.empty() { // somebody was quick, and has woken the loop for it
		c.mu.Unlock()
		return
	}
	c.state.Store(uint32(stateGone))
	fd, a, serve := int(c.place.fd), c.aside, c.aside.detach
	c.place.fd, c.aside = -1, nil
	c.left = true
	c.mu.Unlock()
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil)
	l.forget(c)
	file := os.NewFile(uintptr(fd), "")
	l.server.working.Go(func() {
		defer l.server.stats.gone.Add(1)
		nc, err := net.FileConn(file) // a duplicate, in Go's poller
		file.Close()
		if err != nil {
			l.server.opts.Log.Warn("websocket: a connection could not leave its event loop", "error", err)
			return
		}
		if a.tls != nil {
			a.shim.Conn, a.shim.looped = nc, false
			nc = a.tls
		}
		c.goOn(&bridge.Upgraded{NetConn: nc, Early: a.rest}, serve)
	})
}

// tick is called by the clock's goroutine. It wakes the loop for its wheel, and notices when a round takes long.
func (l *loop) tick(now tick) {
	l.ticked.Store(uint32(now))
	rounds := l.rounds.Load()
	if rounds&1 == 0 || rounds != l.watched {
		l.watched, l.held = rounds, 0
		l.rouse()
		return
	}
	l.held++
	held := time.Duration(l.held) * step
	if held > time.Duration(l.server.stats.lag.Load()) {
		l.server.stats.lag.Store(int64(held))
	}
	if warn := l.server.opts.SlowHandler; warn > 0 && held >= warn && held-step < warn {
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

// turnWheel looks at the connections that are due.
func (l *loop) turnWheel() {
	now := tick(l.ticked.Load())
	if !l.wheel.now.before(now) {
		return
	}
	l.wheel.advance(now, func(c *Conn) (tick, bool) { return c.look(now) })
	l.work()
}

func (l *loop) remoteAddr(c *Conn) net.Addr { return c.addr(unix.Getpeername, true) }
func (l *loop) localAddr(c *Conn) net.Addr  { return c.addr(unix.Getsockname, false) }

// addr asks the kernel: an idle connection keeps no addresses.
func (c *Conn) addr(name func(int) (unix.Sockaddr, error), remote bool) net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.place.fd < 0 {
		return nil
	}
	if remote && c.aside != nil && c.aside.remote != nil {
		return c.aside.remote
	}
	sa, err := name(int(c.place.fd))
	if err != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}
