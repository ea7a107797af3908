package rooms

// This file: what a node's clients notice while others attack it. Nine thousand listen, over three protocols, to a channel in which
// the node's owner publishes at a steady pace; now and then a thousand hostile clients come, from a process of their own.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ringdown/ringdown/loadtest"
	"github.com/ringdown/ringdown/test/flood/hostile"
	"golang.org/x/sys/unix"
)

const (
	siegePace     = 100 * time.Millisecond // between two publications
	siegeRamp     = 3 * time.Second        // before a window: of publications that do not count
	siegeSlots    = 64                     // publications under way at most
	torrentPace   = 250 * time.Millisecond
	torrentLength = 48 << 10 // bytes of each publication for those who never read
	siegeKey      = "for-a-node-that-lives-for-some-minutes"
)

// siegeConfig is what somebody sets who puts a node behind a proxy. Everything else is as it comes: no limit is changed.
const siegeConfig = `listen: {address: "127.0.0.1:0", trusted_proxies: [127.0.0.0/8]}
rules:
- {pattern: ` + channel + `, history: {count: 100, age: 5m}}
- {pattern: ` + hostile.Torrent + `}
- {pattern: "*", publish: everyone, history: {count: 100, age: 5m}, presence: true}
api:
  keys: [{name: bench, secret: "` + siegeKey + `", rights: [publish]}]
log: {level: error}
`

// siege is one run.
type siege struct {
	crowd     *crowd
	server    *process
	options   SiegeOptions
	publisher *session
	drowner   *session
	torrent   []byte // a request

	slots     [siegeSlots]slot
	published int
	complete  int
	due       time.Duration // when the next publication is to leave
	drownDue  time.Duration

	counting   bool
	first      int // publication of the window
	deliveries int
	latencies  loadtest.Histogram
	slowest    time.Duration
}

// TakeSiege runs a node, built by the shop, and measures all windows. A client that behaves and is cut, or misses a publication, is
// an error.
func TakeSiege(interrupted context.Context, shop *Shop, o SiegeOptions, progress func(SiegeWindow)) (all []SiegeWindow, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	favour(true)
	defer favour(false)
	program, err := buildRingdown(shop)
	if err != nil {
		return nil, err
	}
	command, err := program.Command(0, "")
	if err != nil {
		return nil, err
	}
	program.Command = func(_ int, dir string) ([]string, error) {
		file := filepath.Join(dir, "ringdown.yaml")
		return []string{command[0], "serve", "--config", file, "--set", "log.level=info"}, os.WriteFile(file, []byte(siegeConfig), 0o600)
	}
	server, err := start(program, o.Pin)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	s := &siege{server: server, options: o}
	if s.crowd, err = newCrowd(server.address, &Protocol{}); err != nil {
		return nil, err
	}
	defer s.crowd.close()
	if err := s.enter(); err != nil {
		return nil, server.explain(err)
	}
	for round := range o.Rounds {
		for _, attack := range o.Attacks {
			if err := interrupted.Err(); err != nil {
				return all, err
			}
			w, err := s.window(attack, attack != NoAttack && round == o.Rounds-1)
			if err != nil {
				return all, server.explain(err)
			}
			w.Round = round
			all = append(all, w)
			progress(w)
		}
	}
	return all, nil
}

// enter has all clients join that behave, a third of them in each protocol, each from an address of its own.
func (s *siege) enter() error {
	c := s.crowd
	c.heard = s.heard
	protocols := []*Protocol{&ringdownRaw.Protocol, &ringdownNative.Protocol, &ringdownSSE.Protocol}
	limit := c.now() + 3*patience
	for opened := 0; c.joined < s.options.Clients; {
		for ; opened < s.options.Clients && opened-c.joined < joinsAtOnce; opened++ {
			p := *protocols[opened%len(protocols)]
			p.Header += fmt.Sprintf("X-Forwarded-For: 10.1.%d.%d\r\n", opened>>8, opened&255)
			if _, err := c.open(c.server, p.Stream, p.Join, p.request(c.server.String())); err != nil {
				return err
			}
		}
		if err := c.turn(0); err != nil {
			return err
		}
		if c.now() > limit {
			return fmt.Errorf("%d of %d clients had joined after %v%s", c.joined, s.options.Clients, 3*patience, c.stuck())
		}
	}
	var err error
	if s.publisher, err = c.poster(); err != nil {
		return err
	}
	s.drowner, err = c.poster()
	s.torrent = siegePost.request(nil, c.server.String(),
		fmt.Appendf(nil, `{"channel":%q,"data":%q}`, hostile.Torrent, strings.Repeat("x", torrentLength)))
	s.due, s.drownDue = c.now(), c.now()
	return err
}

var siegePost = &Post{Path: "/api/v1/publish", Header: "Authorization: Bearer " + siegeKey + "\r\nContent-Type: application/json\r\n"}

// window measures one, once publications have flowed for a while with whoever is there.
func (s *siege) window(attack int, profiled bool) (w SiegeWindow, err error) {
	w.Attack = attack
	var enemy *enemies
	if attack != NoAttack && s.options.Hostile > 0 {
		count := s.options.Hostile
		if attack != AllKinds {
			count /= hostile.Kinds
		}
		if enemy, err = summon(s.server.address.String(), count, attack); err != nil {
			return w, err
		}
		defer enemy.dismiss()
	}
	if err := s.publish(siegeRamp); err != nil {
		return w, err
	}
	before, err := s.server.usage()
	if err != nil {
		return w, err
	}
	theirs, mine, machine := enemy.usage(), ownUsage(), machineUsage()
	if profiled && s.options.Profile != "" {
		stop := s.profile()
		defer stop()
	}
	s.counting, s.first, s.deliveries, s.latencies, s.slowest = true, s.published, 0, loadtest.Histogram{}, 0
	began := s.crowd.now()
	err = s.publish(s.options.Window)
	s.counting = false
	if err != nil {
		return w, err
	}
	took := s.crowd.now() - began
	after, err := s.server.usage()
	w.Deliveries, w.P50, w.P99, w.Max = s.deliveries, s.latencies.Percentile(0.50), min(s.slowest, s.latencies.Percentile(0.99)), s.slowest
	w.CPU = (after.cpu - before.cpu) / time.Duration(max(1, s.deliveries))
	w.Busy = float64(after.cpu-before.cpu) / float64(took)
	attackers, own, all := enemy.usage()-theirs, ownUsage()-mine, machineUsage()-machine
	w.Attackers = float64(attackers) / float64(took)
	w.Elsewhere = float64(all-own-attackers-(after.cpu-before.cpu)) / float64(took)
	return w, err
}

// publish publishes at the pace for as long as d, and waits until everybody has heard everything.
func (s *siege) publish(d time.Duration) error {
	c := s.crowd
	end := c.now() + d
	s.due = max(s.due, c.now()) // nothing was due between two windows
	for {
		now := c.now()
		if now >= end && s.complete == s.published {
			return nil
		}
		if now > end+patience {
			return fmt.Errorf("a publication has not been heard by %d clients within %v", s.slots[s.complete%siegeSlots].missing, patience)
		}
		if err := s.send(now, now < end); err != nil {
			return err
		}
		wait := time.Duration(0) // polls while somebody is to hear something, so as to charge the node for no wake-up
		if s.complete == s.published {
			wait = max(0, min(s.due, end)-now)
		}
		if err := c.turn(wait.Truncate(time.Millisecond)); err != nil {
			return err
		}
	}
}

// send publishes what is due.
func (s *siege) send(now time.Duration, more bool) error {
	c := s.crowd
	if more && now >= s.drownDue && len(s.drowner.unsent) == 0 {
		s.drownDue = now + torrentPace
		if err := c.send(s.drowner, s.torrent); err != nil {
			return err
		}
	}
	if !more || now < s.due || s.published-s.complete == siegeSlots {
		return nil
	}
	body := fmt.Appendf(nil, `{"channel":%q,"data":%s}`, channel, sheet(s.published))
	s.slots[s.published%siegeSlots] = slot{sent: s.due, missing: c.joined} // were it to leave late, that counts
	s.published++
	s.due += siegePace
	return c.send(s.publisher, siegePost.request(nil, c.server.String(), body))
}

// heard notes that a client has heard publication n.
func (s *siege) heard(_ *session, n int) error {
	if n >= s.published {
		return fmt.Errorf("publication %d came before it was made", n)
	}
	p := &s.slots[n%siegeSlots]
	if p.missing--; p.missing == 0 {
		s.complete++
	}
	if !s.counting || n < s.first {
		return nil
	}
	took := s.crowd.now() - p.sent
	s.deliveries++
	s.latencies.Record(took, 1)
	s.slowest = max(s.slowest, took)
	return nil
}

// profile has perf, if it is there, watch the node.
func (s *siege) profile() (stop func()) {
	watch := exec.Command("perf", "record", "-g", "-o", s.options.Profile, "-p", fmt.Sprint(s.server.cmd.Process.Pid))
	if err := watch.Start(); err != nil {
		return func() {}
	}
	return func() {
		_ = watch.Process.Signal(os.Interrupt)
		_ = watch.Wait()
	}
}

// enemies is the process of those who attack; nil if nobody does.
type enemies struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// summon starts this program again, as [Attack]. It shares the processor of the clients that are measured, which must not wait for it.
func summon(address string, count, kind int) (*enemies, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	e := &enemies{cmd: exec.Command(program, "hostile", address, fmt.Sprint(count), fmt.Sprint(kind))}
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	e.cmd.Stderr = os.Stderr
	if e.stdin, err = e.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	favour(false)
	defer favour(true)
	return e, e.cmd.Start()
}

// favour has the calling thread, and processes that it starts from now on, go before everything else on the machine, or not: where
// that is not allowed, whoever else is at work there disturbs the figures.
func favour(first bool) {
	before := 0
	if first {
		before = -10
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, before)
}

func (e *enemies) usage() time.Duration {
	if e == nil {
		return 0
	}
	u, err := (&process{cmd: e.cmd}).usage()
	if err != nil {
		return 0
	}
	return u.cpu
}

func (e *enemies) dismiss() {
	_ = e.cmd.Process.Kill()
	_ = e.stdin.Close()
	_ = e.cmd.Wait()
}

// ownUsage is what this process has used of the processor.
func ownUsage() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// machineUsage is how long all processors together have been busy, by /proc/stat, and with another machine's work ("steal").
func machineUsage() (busy time.Duration) {
	const tick, idle, waiting, fields = 10 * time.Millisecond, 4, 5, 9
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(first) {
		n, err := strconv.ParseInt(field, 10, 64)
		if err == nil && i != idle && i != waiting && i < fields { // what follows are guests, who are counted already
			busy += time.Duration(n) * tick
		}
	}
	return busy
}

// Attack is the life of the process of those who attack, ten from each address; kind is negative for all kinds of them. It ends when
// its input does.
func Attack(input io.Reader, address string, count, kind int) error {
	if kind >= hostile.Kinds {
		return errors.New("there are attacks 0 to 9")
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, input)
		cancel()
	}()
	hostile.Attack(ctx, hostile.Options{
		Address: address, Channel: channel, Count: count, Victims: count, Kind: kind,
		Header: func(client int) string {
			return fmt.Sprintf("X-Forwarded-For: 10.200.%d.%d\r\n", client/hostile.Kinds>>8, client/hostile.Kinds&255)
		},
	})
	return nil
}
