package rooms

// This file: a server's process, from its start to its certain end, and what it uses.

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ringdown/ringdown/bench/measure"
	"golang.org/x/sys/unix"
)

const (
	startLimit = 20 * time.Second
	startLook  = 20 * time.Millisecond // between looks for a server that is starting
)

// process is a running server.
type process struct {
	cmd     *exec.Cmd
	address netip.AddrPort
	dir     string
	said    *tail
	ended   chan struct{}
}

// start runs a program and waits until it takes connections. The process dies with this one, however that ends, because
// the kernel sees to it; so the calling goroutine must be locked to its thread.
func start(program Program, pinned bool) (p *process, err error) {
	dir, err := os.MkdirTemp("", "ringdown-bench-")
	if err != nil {
		return nil, err
	}
	port := 0
	if !program.Chooses {
		if port, err = freePort(); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	command, err := program.Command(port, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	p = &process{cmd: exec.Command(command[0], command[1:]...), dir: dir, said: &tail{}, ended: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := measure.Start(p.cmd, pinned); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() { // ends with the process, which stop kills
		_ = p.cmd.Wait() // how a server ends is in what it said
		close(p.ended)
	}()
	if err := p.await(port); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// freePort is a port that was free a moment ago, for servers that cannot say which one they chose.
func freePort() (int, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

var printedAddress = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// await waits for the server's address and for a connection to it. Port 0 stands for one that the server prints.
func (p *process) await(port int) error {
	if port != 0 {
		p.address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
	}
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); time.Sleep(startLook) {
		select {
		case <-p.ended:
			return fmt.Errorf("the server ended as it started, and said: %s", p.said)
		default:
		}
		if !p.address.IsValid() {
			address, err := netip.ParseAddrPort(string(p.said.find(printedAddress)))
			if err != nil {
				continue
			}
			p.address = address
		}
		conn, err := net.Dial("tcp4", p.address.String())
		if err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("the server took no connection within %v, and said: %s", startLimit, p.said)
}

// explain adds to an error what the server said last, if it has ended: that is why, then.
func (p *process) explain(err error) error {
	select {
	case <-p.ended:
		return fmt.Errorf("%w; the server has ended, and said: %s", err, p.said)
	default:
		return err
	}
}

// stop kills the process and waits for its end.
func (p *process) stop() {
	_ = p.cmd.Process.Kill() // an error says that it has ended
	<-p.ended
	_ = os.RemoveAll(p.dir) // a temporary directory that stays does no harm
}

// usage is what a process has used of the processor.
type usage struct {
	cpu          time.Duration // exact, by the process's own clock
	user, system time.Duration // /proc/PID/stat, in hundredths of a second
}

func (p *process) usage() (u usage, err error) {
	pid := p.cmd.Process.Pid
	// The identifier of the clock that clock_getcpuclockid(3) would return.
	const scheduled = 2
	var clock unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &clock); err != nil {
		return u, fmt.Errorf("reading the server's processor time: %w", err)
	}
	u.cpu = time.Duration(clock.Nano())
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	u.user, u.system, err = parseStat(string(stat))
	return u, err
}

// parseStat reads user and system time from /proc/PID/stat; see proc_pid_stat(5).
func parseStat(stat string) (user, system time.Duration, err error) {
	// The name of the program, in parentheses, may hold anything; behind it come a state and numbers.
	const tick, first, utime, stime = 10 * time.Millisecond, 3, 14, 15
	_, rest, found := strings.Cut(stat[max(0, strings.LastIndexByte(stat, ')')):], ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) <= stime-first {
		return 0, 0, fmt.Errorf("cannot read processor times from %q", stat)
	}
	u, err := strconv.ParseInt(fields[utime-first], 10, 64)
	if err != nil {
		return 0, 0, err
	}
	s, err := strconv.ParseInt(fields[stime-first], 10, 64)
	return time.Duration(u) * tick, time.Duration(s) * tick, err
}

func (p *process) memory() (m memory, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		into := map[string]*int{"Pss": &m.pss, "Pss_Anon": &m.anonymous}[name]
		if into == nil {
			continue
		}
		if _, err := fmt.Sscanf(value, "%d kB", into); err != nil {
			return m, fmt.Errorf("cannot read %q: %w", line, err)
		}
		*into <<= 10
	}
	return m, nil
}

// tail keeps the end of what a server said. The goroutines of package exec write it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailKept = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if len(t.text) > 2*tailKept {
		t.text = bytes.Clone(t.text[len(t.text)-tailKept:])
	}
	return len(p), nil
}

func (t *tail) find(what *regexp.Regexp) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(what.Find(t.text))
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lastLines(t.text)
}
